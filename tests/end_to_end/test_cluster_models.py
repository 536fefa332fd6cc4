"""A server of several processes with a model, an adapter on it and an embedding model of its own, and limits that hold for all processes together."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import openai
import pytest
import torch

from tests.end_to_end.client import Client
from tests.end_to_end.cluster import Cluster
from tests.end_to_end.http import ask
from tests.end_to_end.phones import STRANGER, api_key, pair
from tests.end_to_end.server import LIMIT_S
from tests.inference.tiny_encoders import WIDTH, make_encoder
from tests.inference.tiny_models import PLAIN, save_model
from tests.postgres import Postgres
from tests.redis import Redis

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")]

GREEDY: dict[str, Any] = {"temperature": 0, "repetition_penalty": 1.0, "max_tokens": 24}
QUESTION = "Hello, how are you?"


def make_adapter(base: Path, folder: Path) -> Path:
    """As peft saves it, large enough to change every answer."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    lora = LoraConfig(r=4, lora_alpha=12, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), lora).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def _cluster(folder: Path, postgres: Postgres, redis: Redis) -> Iterator[Cluster]:
    data = Path(tempfile.mkdtemp(dir=folder))
    base = save_model(data / "base", template=PLAIN, seed=5)
    adapter, encoder = make_adapter(base, data / "adapter"), make_encoder(data / "encoder", pooling="pooling_mode_mean_tokens")
    tables = f'[models.base]\npath = "{base}"\n[models.cook]\nbase = "base"\npath = "{adapter}"\n[embeddings.tiny]\npath = "{encoder}"\n'
    far = "".join(f'[[models.far.backends]]\nname = "{name}"\nbase_url = "http://127.0.0.1:9/{name}"\n' for name in ("left", "right"))
    tables += f'[models.far]\nengine = "openai"\nmodel = "m"\n{far}'
    (data / "llmsite.toml").write_text(f"{tables}[limits]\ncharacters_per_day = 100_000\n", encoding="utf-8")
    made = Cluster(data, postgres.database(), redis.url(54), LLMSITE_MODEL="base")
    try:
        yield made.start()
    finally:
        made.kill()


@pytest.fixture
def cluster(_cluster: Cluster) -> Iterator[Cluster]:
    yield _cluster
    _cluster.check_logs()


async def test_a_model_and_the_adapter_on_it_answer_at_either_process(cluster: Cluster) -> None:
    one, two = cluster.webs
    async with Client(one) as here, Client(two) as there:
        runs = [
            (phone, await phone.say(QUESTION, conversation=str(uuid4()), model=model, options=GREEDY))
            for phone, model in ((here, "base"), (there, "cook"), (here, "cook"), (there, "base"))
        ]
        answers = [(await phone.finish(run)).answer for phone, run in runs]
    assert answers[0] == answers[3] != ""
    assert answers[1] == answers[2] != ""
    assert answers[0] != answers[1]
    assert [run.start["model"] for _, run in runs if run.start] == ["base", "cook", "cook", "base"]
    models = await asyncio.to_thread(ask, two, "GET", "/api/models")
    assert {"base": "ready", "cook": "ready"}.items() <= {model["name"]: model["state"] for model in models.json}.items()


def test_an_adapter_answers_other_programs(cluster: Cluster) -> None:
    web = cluster.webs[1]
    with openai.OpenAI(base_url=f"{web.http}/v1", api_key=api_key(web, "program"), max_retries=0, timeout=LIMIT_S) as client:
        said = [
            client.chat.completions.create(model=model, messages=[{"role": "user", "content": QUESTION}], temperature=0, max_tokens=12)
            for model in ("base", "cook")
        ]
    assert [one.model for one in said] == ["base", "cook"]
    assert said[0].choices[0].message.content != said[1].choices[0].message.content


async def test_how_the_servers_behind_a_model_are_is_known_at_either_process(cluster: Cluster) -> None:
    one, two = cluster.webs

    def states() -> list[list[tuple[str, str]]]:
        return [[(seen["name"], seen["state"]) for seen in ask(web, "GET", "/healthz").json["backends"]] for web in cluster.webs]

    assert await asyncio.to_thread(states) == [[("left", "unasked"), ("right", "unasked")]] * 2
    async with Client(one) as phone:
        run = await phone.finish(await phone.say("hello", conversation=str(uuid4()), model="far"))
        assert run.reason == "error"
    assert await asyncio.to_thread(states) == [[("left", "down"), ("right", "down")]] * 2
    stranger = await asyncio.to_thread(ask, two, "GET", "/healthz", STRANGER)
    assert stranger.json["status"] == "ready"
    assert "backends" not in stranger.json


def test_vectors_are_the_same_at_either_process(cluster: Cluster) -> None:
    found = []
    for number, web in enumerate(cluster.webs):
        with openai.OpenAI(base_url=f"{web.http}/v1", api_key=api_key(web, f"embeds {number}"), max_retries=0, timeout=LIMIT_S) as client:
            assert {"base", "cook", "tiny"} <= {model.id for model in client.models.list()}
            vectors = client.embeddings.create(model="tiny", input=["a fox", "你好"])
            found.append([row.embedding for row in vectors.data])
            assert [len(row) for row in found[-1]] == [WIDTH, WIDTH]
            assert vectors.usage.prompt_tokens > 0
            with pytest.raises(openai.BadRequestError) as long:
                client.embeddings.create(model="tiny", input="word " * 100)
            assert long.value.param == "input"
            with pytest.raises(openai.NotFoundError):
                client.embeddings.create(model="base", input="x")
    assert found[0] == found[1]


def test_limits_that_web_processes_count_hold_for_all_of_them(cluster: Cluster) -> None:
    """What is left at the second is what the first has not given; by itself it would take three."""
    one, two = cluster.webs
    phone = pair(one)
    message = {"id": "1", "parent": None, "role": "user", "content": "x" * 30_000}
    file = {"format": "llmsite-conversation", "version": 1, "messages": [message]}
    assert [ask(one, "POST", "/api/conversations/import", phone, file).status for _ in range(3)] == [201] * 3
    answers = [ask(two, "POST", "/api/conversations/import", phone, file) for _ in range(3)]
    assert (answers[-1].status, answers[-1].code) == (429, "too_much_today")
