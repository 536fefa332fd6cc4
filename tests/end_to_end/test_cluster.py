"""Two web processes and one engine process, on a real Redis and a real PostgreSQL: a phone may be at either, and either may die."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from uuid import uuid4

import openai
import pytest

from tests.end_to_end.client import Client, Refused
from tests.end_to_end.cluster import Cluster, until
from tests.end_to_end.http import ask
from tests.end_to_end.phones import api_key, me, pair, submit
from tests.end_to_end.server import LIMIT_S, Server
from tests.end_to_end.store import Store
from tests.postgres import Postgres
from tests.redis import Redis

pytestmark = pytest.mark.process

_NUMBERS = count()
STREAMS = 8


def words(number: int) -> str:
    return "".join(f"w{i} " for i in range(number))


@pytest.fixture(scope="module")
def shared(folder: Path, postgres: Postgres, redis: Redis) -> Iterator[Cluster]:
    """For tests that kill nothing."""
    made = Cluster(Path(tempfile.mkdtemp(dir=folder)), postgres.database(), redis.url(next(_NUMBERS)), LLMSITE_MAX_STREAMS=str(STREAMS))
    try:
        yield made.start()
    finally:
        made.kill()


@pytest.fixture
def cluster(shared: Cluster) -> Iterator[Cluster]:
    yield shared
    shared.check_logs()


async def test_an_answer_is_watched_and_stopped_from_the_other_process(cluster: Cluster) -> None:
    one, two = cluster.webs
    async with Client(one) as asks, Client(two) as watches:
        run = await asks.pieces(await asks.say("!say 900", conversation=str(uuid4())), 5)
        seen = await watches.resume(run.run)
        await watches.pieces(seen, 10)
        await watches.send(type="stop", run=run.run)
        await watches.finish(seen)
        await asks.finish(run)
        assert run.reason == seen.reason == "stopped"
        assert run.answer == seen.answer == Store(one).run(run.run).answer
        assert words(900).startswith(run.answer)


async def test_a_process_that_only_hears_stop_stops(cluster: Cluster) -> None:
    one, two = cluster.webs
    async with Client(one) as asks, Client(two) as stops:
        run = await asks.pieces(await asks.say("!say 900", conversation=str(uuid4())), 5)
        await stops.send(type="stop", run=run.run)
        assert (await asks.finish(run)).reason == "stopped"


async def test_resume_across_processes_loses_and_doubles_nothing(cluster: Cluster) -> None:
    """A phone that changes process again and again while its answer is written; its client refuses a gap and a repetition."""
    async with Client(cluster.webs[0]) as phone:
        run = await phone.pieces(await phone.say("!think !say 120", conversation=str(uuid4())), 5)
    for turn in range(1, 6):
        phone.url = phone.url.replace(f":{phone.server.port}/", f":{cluster.webs[turn % 2].port}/")
        phone.server = cluster.webs[turn % 2]
        await phone.connect()
        await phone.pieces(await phone.resume(run.run), 5 + turn * 10)
        phone.drop()
        await phone.gone()
    await phone.connect()
    await phone.finish(await phone.resume(run.run))
    await phone.leave()
    assert (run.answer, run.reason, run.rewinds) == (words(120), "stop", 0)


async def test_the_same_key_on_two_processes_is_one_message(cluster: Cluster) -> None:
    one, two = cluster.webs
    async with Client(one) as first, Client(two) as second:
        key, conversation = uuid4().hex, str(uuid4())
        runs = await asyncio.gather(*(phone.say("!say 30", key=key, conversation=conversation) for phone in (first, second)))
        assert runs[0].run == runs[1].run
        assert [(await phone.finish(run)).answer for phone, run in zip((first, second), runs, strict=True)] == [words(30)] * 2
        again = await second.say("!say 30", key=key, conversation=conversation)
        assert (await second.finish(again)).run == runs[0].run
    assert Store(one).messages(key) == 1


async def test_places_in_the_queue_count_over_processes(cluster: Cluster) -> None:
    async with Client(cluster.webs[0]) as one, Client(cluster.webs[1]) as two:
        running = [await one.say("!say 900", conversation=str(uuid4())) for _ in range(STREAMS)]
        for run in running:
            await one.pieces(run, 1)
        waiting = [await phone.say("!say 1", conversation=str(uuid4())) for phone in (one, two, one)]
        await two.until(lambda: waiting[1].places != [], "a place in the queue")
        assert [run.places[-1]["position"] for run in waiting] == [0, 1, 2]
        for run in running:
            await one.send(type="stop", run=run.run)
        for phone, run in zip((one, two, one), waiting, strict=True):
            assert (await phone.finish(run)).answer == words(1)


async def test_what_changes_at_one_is_told_at_the_other(cluster: Cluster) -> None:
    async with Client(cluster.webs[0]) as one, Client(cluster.webs[1]) as two:
        run = await one.ask("hello", conversation=str(uuid4()))
        await two.until(lambda: any(f["type"] == "changed" and f["conversation"] == run.conversation for f in two.frames), "`changed`")


async def test_revoking_at_one_shuts_out_at_the_other(cluster: Cluster) -> None:
    one, two = cluster.webs
    phone = await asyncio.to_thread(pair, one)
    sockets = [await Client(web, headers=phone).connect() for web in (one, two)]
    device = (await asyncio.to_thread(me, two, phone))["device"]
    assert await asyncio.to_thread(submit, two, "/pair/device/", {"device": str(device["id"]), "action": "revoke"}) == 302
    for socket in sockets:
        await socket.gone()
        assert socket.closed is not None
        assert socket.closed[0] == 4401


async def test_limits_on_answers_hold_over_processes(cluster: Cluster) -> None:
    one, two = cluster.webs
    phone = await asyncio.to_thread(pair, one)
    async with Client(one, headers=phone) as here, Client(two, headers=phone) as there:
        runs = [await client.say("!say 900", conversation=str(uuid4())) for client in (here, there) for _ in range(6)]
        for client in (here, there):
            with pytest.raises(Refused) as refused:
                await client.say("one more", conversation=str(uuid4()))
            assert refused.value.code == "too_many_answers"
        for run in runs:
            await here.send(type="stop", run=run.run)
        await here.until(lambda: all(run.end is not None for run in runs[:6]), "the ends")


# --- /v1/ ----------------------------------------------------------------------------------------------------------------------------


def calls_of(server: Server, name: str) -> list[tuple[object, ...]]:
    return Store(server).rows(
        "SELECT r.status, r.finish_reason, r.completion_tokens FROM chat_run r JOIN chat_device d ON d.id = r.device_id WHERE d.name = ?", name
    )


@pytest.fixture
def program(cluster: Cluster) -> Iterator[openai.OpenAI]:
    """Another program, at the second web process."""
    web = cluster.webs[1]
    with openai.OpenAI(base_url=f"{web.http}/v1", api_key=api_key(web, "program"), max_retries=0, timeout=LIMIT_S) as client:
        yield client


def test_other_programs_are_answered(cluster: Cluster, program: openai.OpenAI) -> None:
    assert next(model.id for model in program.models.list()) == "fake"
    whole = program.chat.completions.create(model="FAKE", messages=[{"role": "user", "content": "hello 世界"}])
    assert (whole.choices[0].message.content, whole.model) == ("echo: hello 世界", "fake")
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 3
    stream = program.chat.completions.create(model="fake", messages=[{"role": "user", "content": "!say 40"}], stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == words(40)
    with pytest.raises(openai.NotFoundError) as unknown:
        program.chat.completions.create(model="none", messages=[{"role": "user", "content": "hi"}])
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.InternalServerError) as failed:
        program.chat.completions.create(model="fake", messages=[{"role": "user", "content": "!fail 0"}])
    assert failed.value.code == "decoding_failed"


def test_who_hangs_up_at_a_web_process_stops_the_decoding(cluster: Cluster) -> None:
    web = cluster.webs[0]
    with openai.OpenAI(base_url=f"{web.http}/v1", api_key=api_key(web, "hangs up"), max_retries=0, timeout=LIMIT_S) as client:
        with client.chat.completions.create(model="fake", messages=[{"role": "user", "content": "!say 4000"}], stream=True) as stream:
            next(iter(stream))
        ((_, reason, tokens),) = until(lambda: [row for row in calls_of(web, "hangs up") if row[0] == "done"], "the end of the call")
    assert reason == "stopped"
    assert isinstance(tokens, int)
    assert tokens < 4000


def test_a_key_that_is_revoked_at_one_ends_its_calls_at_the_other(cluster: Cluster) -> None:
    one, two = cluster.webs
    key = api_key(one, "revoked")
    ((device,),) = Store(one).rows("SELECT id FROM chat_device WHERE name = ?", "revoked")
    with openai.OpenAI(base_url=f"{two.http}/v1", api_key=key, max_retries=0, timeout=LIMIT_S) as client:
        stream = client.chat.completions.create(model="fake", messages=[{"role": "user", "content": "!say 4000"}], stream=True)
        next(iter(stream))
        assert submit(one, "/pair/device/", {"device": str(device), "action": "revoke"}) == 302
        with pytest.raises(openai.APIError) as ended:
            list(stream)
    assert ended.value.code == "invalid_api_key"


# --- what is asked over HTTP ---------------------------------------------------------------------------------------------------------


def test_each_process_says_the_same_of_the_server(cluster: Cluster) -> None:
    health = [ask(web, "GET", "/healthz").json for web in cluster.webs]
    assert [(one["status"], one["model"]) for one in health] == [("ready", "fake")] * 2
    assert health[0]["computer"] == health[1]["computer"] != ""
    models = [ask(web, "GET", "/api/models").json for web in cluster.webs]
    assert models[0] == models[1]
    assert (models[0][0]["name"], models[0][0]["state"]) == ("fake", "ready")
    assert ask(cluster.webs[1], "GET", "/").status == 200


async def test_figures_are_those_of_all_processes(cluster: Cluster) -> None:
    """Whichever process is asked: the engine process counts answers, each web process its requests."""
    web = cluster.webs[1]
    async with Client(web) as phone:
        await phone.ask("hello")
    answered = re.compile(r'llmsite_runs_total\{model="fake",process="engine",reason="stop"\} [1-9]')
    metrics = await asyncio.to_thread(
        until, lambda: text if 'process="web-1"' in (text := ask(web, "GET", "/metrics").text) and answered.search(text) else "", "figures"
    )
    assert re.search(r'llmsite_http_requests_total\{method="GET",process="web-2",route="/healthz",status="200"\} [1-9]', metrics)
    assert 'llmsite_model_state{model="fake",process="engine",state="ready"} 1.0' in metrics
    assert metrics.count("# TYPE llmsite_runs_total counter") == 1
