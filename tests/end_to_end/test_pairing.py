"""Who may chat, and whose conversations are whose."""

from __future__ import annotations

import asyncio
from signal import Signals
from uuid import uuid4

import pytest

from tests.end_to_end.client import Client, Refused
from tests.end_to_end.conftest import FreshServer
from tests.end_to_end.phones import STRANGER, me, pair, pairing_code, redeem, submit
from tests.end_to_end.server import Server

pytestmark = pytest.mark.process


async def test_a_stranger_is_told_to_pair_and_let_go(server: Server) -> None:
    client = await Client(server, headers=STRANGER).connect()
    await client.gone()
    assert [frame["code"] for frame in client.frames] == ["not_paired"]
    assert client.closed is not None
    assert client.closed[0] == 4401


async def test_a_stranger_with_a_made_up_cookie_is_a_stranger(server: Server) -> None:
    client = await Client(server, headers=STRANGER | {"Cookie": "llmsite_device=" + "A" * 43}).connect()
    await client.gone()
    assert client.closed is not None
    assert client.closed[0] == 4401


async def test_a_paired_phone_chats(server: Server) -> None:
    headers = await asyncio.to_thread(pair, server)
    async with Client(server, headers=headers) as phone:
        assert (await phone.ask("hello")).answer == "echo: hello"


async def test_a_code_makes_one_device(server: Server) -> None:
    code = await asyncio.to_thread(pairing_code, server)
    both = await asyncio.gather(*(asyncio.to_thread(redeem, server, code) for _ in range(2)))
    assert sorted(status for status, _ in both) == [302, 403]


async def test_nobody_reads_writes_or_stops_what_is_another_owners(server: Server) -> None:
    headers = await asyncio.to_thread(pair, server)
    async with Client(server) as owner, Client(server, headers=headers) as other:
        mine = await owner.say("!say 60", conversation=(conversation := str(uuid4())))
        await owner.pieces(mine, 3)
        await other.send(type="resume", run=mine.run, after=-1)
        await other.error("no_run")
        await other.send(type="stop", run=mine.run)
        await other.until(lambda: other.count("error") == 2, "a refusal to stop")
        attempts = [
            {"type": "message", "message": "let me in", "conversation": conversation},
            {"type": "message", "message": "let me in", "parent": mine.message},
            {"type": "regenerate", "message": mine.message},
            {"type": "continue", "message": mine.message},
            {"type": "edit", "message": mine.known["parent"], "content": "mine now"},
        ]
        for frame in attempts:
            with pytest.raises(Refused) as refused:
                await other.submit(**frame)
            assert refused.value.code in ("no_conversation", "no_message"), frame
        assert not other.runs
        await owner.finish(mine)
    assert mine.reason == "stop"


# --- a phone's browser and the API, as real requests ------------------------------------------------------------------------------


async def test_two_phones_of_one_person_see_the_same_conversation(server: Server) -> None:
    first = await asyncio.to_thread(pair, server)
    owner = (await asyncio.to_thread(me, server, first))["owner"]
    code = await asyncio.to_thread(pairing_code, server, further=owner)
    status, second = await asyncio.to_thread(redeem, server, code)
    assert status == 302
    async with Client(server, headers=first) as phone, Client(server, headers=second) as tablet:
        run = await phone.ask("!say 5")
        seen = await tablet.finish(await tablet.resume(run.run, -1))
        assert seen.answer == run.answer
        assert (await tablet.ask("and more", conversation=run.conversation)).conversation == run.conversation


async def test_a_removed_phone_is_gone_at_once(server: Server) -> None:
    headers = await asyncio.to_thread(pair, server)
    phone = await Client(server, headers=headers).connect()
    await phone.ping()
    device = (await asyncio.to_thread(me, server, headers))["device"]["id"]
    assert await asyncio.to_thread(submit, server, "/pair/device/", {"device": device, "action": "revoke"}) == 302
    await phone.gone()
    assert phone.closed is not None
    assert phone.closed[0] == 4401


async def test_the_wifis_password_is_in_no_log_and_no_database(fresh: FreshServer) -> None:
    """With every word that the server says, and with runserver, which logs every address."""
    for kind in ("serve", "runserver"):
        server = fresh(kind, LLMSITE_DEBUG="1")
        await asyncio.to_thread(server.start)
        assert await asyncio.to_thread(submit, server, "/pair/wifi/", {"name": "Anna", "security": "wpa", "password": "s3cret-pass"}) == 200
        assert await asyncio.to_thread(submit, server, "/pair/wifi/", {"name": "", "security": "wpa", "password": "s3cret-pass"}) == 422
        assert await server.end(Signals.SIGINT) == 0
        kept = [path for path in server.data.rglob("*") if path.is_file()]
        assert any(path.suffix == ".sqlite3" for path in kept)
        assert [path for path in kept if b"s3cret" in path.read_bytes()] == []
