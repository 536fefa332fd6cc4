"""What the comparison makes of its figures, and what its clients make of what servers send."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import compare
from benchmarks.compare import Lengths, Scene, burst_figures, chosen, parse, plan
from benchmarks.compared import MARK, about, draw, key, markdown, ratio, same_beginning, summarise, targets, with_section
from benchmarks.peers import LlamaBatched, Llmsite, Setup, TransformersServe, TutorialServer
from benchmarks.roofline import share_of
from benchmarks.scenes import Texts
from benchmarks.talk import Heard, ask_openai


def one_round(**changes: Any) -> dict[str, Any]:
    fixed = {"tokens": 100, "seconds": 1.0, "first_s": [0.1], "gaps_s": [0.01, 0.02], "per_token_s": [0.01], "text": "abcd", "cpu_s": 0.5}
    return fixed | changes


def one_conversation(*first_s: float) -> dict[str, Any]:
    return {"first_s": list(first_s), "again_s": 0.1, "go_on_s": 0.2, "cpu_s": 0.5}


def result(**changes: Any) -> dict[str, Any]:
    ours, theirs = [one_round()], [one_round(seconds=2.0, first_s=[0.2], per_token_s=[0.02], text="abxx")]
    burst = {"llmsite": summarise("short", ours, ours) | {"of_roofline": 0.75}, "llama.cpp": summarise("short", theirs, ours) | {"of_roofline": None}}
    talk = [one_conversation(0.1, 0.2, 0.25)]
    peers = [
        {"name": name, "title": f"the {name}", "about": "a server", "memory_mb": 500, "left_out": None} for name in ("llmsite", "llama.cpp", "serve")
    ]
    peers[2] |= {"memory_mb": None, "left_out": "it is not installed"}
    return {
        "when": "2026-01-01",
        "machine": "a machine",
        "model": "half-b",
        "precision": "16bit",
        "rounds": 1,
        "tokens": {"answer": 32, "long": 2000, "turn": 12, "turn_answer": 12, "company": 48, "turns": 3},
        "asked_tokens": None,
        "versions": {"torch": "1"},
        "roofline": {"bandwidth": 2e10, "bytes_per_token": 10**9, "tokens_per_s": 20.0, "cache": 2**25},
        "peers": peers,
        "scenes": [
            {"kind": "short", "clients": 1, "figures": burst, "failed": {"serve": "it said no"}},
            {"kind": "short", "clients": 8, "figures": burst, "failed": {}},
            {"kind": "turns", "clients": 1, "figures": {"llmsite": summarise("turns", talk, talk)}, "failed": {}},
        ],
    } | changes


def test_above_one_ours_is_better() -> None:
    assert ratio("tokens_per_s", 200, 100) == 2
    assert ratio("first_ms", 200, 100) == 0.5


def test_ratios_are_taken_within_a_round() -> None:
    """A round in which the computer was busy is slow for both, and says the same; one that a slow peer has not is left out."""
    ours = [one_round(seconds=1.0), one_round(seconds=10.0), one_round(seconds=1.0), one_round(seconds=5.0)]
    theirs = [one_round(seconds=3.0), one_round(seconds=30.0), one_round(seconds=3.0)]
    found = summarise("short", theirs, ours)
    assert found["ratio"]["tokens_per_s"] == 3.0
    assert found["rounds"] == 3
    assert found["tokens_per_s"] == 33.3


def test_an_answer_that_came_at_once_has_no_time_between_tokens() -> None:
    found = summarise("short", [one_round(gaps_s=[], per_token_s=[])], [one_round()])
    assert found["gap_p99_ms"] is None
    assert found["per_token_ms"] is None
    assert found["ratio"]["per_token_ms"] is None


@pytest.mark.parametrize(
    ("theirs", "share"), [("I am here", 1.0), ("<think>\n\n</think>\n\nI am  here", 1.0), ("I am not", 3 / 7), ("", 0.0), ("I am here too", 7 / 10)]
)
def test_the_same_beginning(theirs: str, share: float) -> None:
    assert same_beginning("I am here", theirs) == pytest.approx(share)


def test_targets_are_reached_or_missed() -> None:
    found = {what: reached for what, _, reached in targets(result())}
    assert found["one client, decoding: at least 1 × the llama.cpp"]
    assert found["eight clients, tokens/s: at least 2 × the llama.cpp"]
    assert found["one client: at least 0.7 of the roofline"]
    assert found["first token at the last turn: at most 1.3 × that at turn 2"]
    slow = result()
    slow["scenes"][0]["figures"]["llmsite"]["of_roofline"] = 0.69
    slow["scenes"][1]["figures"]["llama.cpp"]["ratio"]["tokens_per_s"] = 1.99
    slow["scenes"][2]["figures"]["llmsite"]["growth"] = 1.31
    assert [reached for *_, reached in targets(slow)] == [True, False, False, False]


def test_each_round_is_held_against_the_memory_of_its_minute() -> None:
    limit = {"bytes_per_token": 10**9}
    assert share_of(limit, [100, 100, 200], [2e10, 1e10, 1e10]) == 0.5
    assert share_of(limit, [None, 200], [2e10, 1e10, 1e10]) == 0.5
    assert share_of(limit, [], [1e10]) is None


def test_the_tables_say_who_is_not_there_and_why() -> None:
    text = markdown(result())
    assert "**left out**: it is not installed" in text
    assert "**failed**: it said no" in text
    assert "50 (2 ×)" in text
    assert "held against what memory gave in it: the llmsite 0.75." in text
    assert "2026-01-01 on a machine; torch 1" in about(result())


def test_all_rows_of_a_table_are_equally_long() -> None:
    for block in markdown(result()).split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count(" |") + line.count(":|") + line.count("-|") for line in lines}) <= 2, block
        assert len({line.count("|") for line in lines}) <= 1, block


def test_a_section_is_replaced_and_a_new_one_added() -> None:
    empty = f"before\n\n{MARK.format('all', 'begin')}\n\n{MARK.format('all', 'end')}\n\nafter"
    first = with_section(empty, "half-b 16bit", "one \\1")
    both = with_section(first, "half-b int8", "two")
    changed = with_section(both, "half-b 16bit", "three")
    assert "one \\1" in both
    assert "one" not in changed
    assert changed.index("three") < changed.index("two") < changed.index(MARK.format("all", "end"))
    assert changed.startswith("before")
    assert changed.endswith("after")
    with pytest.raises(ValueError, match="mark"):
        with_section("nothing", "half-b 16bit", "one")


def test_answers_of_another_length_have_a_section_of_their_own() -> None:
    assert key(result()) == "half-b 16bit"
    assert key(result(asked_tokens=128)) == "half-b 16bit, answers of 128 tokens"


def test_one_number_of_clients_needs_no_picture(tmp_path: Path) -> None:
    alone = result()["scenes"][1]
    assert draw(result(scenes=[alone]), "no interpreter", tmp_path) == ""
    assert not list(tmp_path.iterdir())


def test_the_document_has_a_place_for_it() -> None:
    text = (Path(__file__).parents[2] / "docs" / "performance.md").read_text(encoding="utf-8")
    assert "new" in with_section(text, "another 16bit", "new")


# --- what is done --------------------------------------------------------------------------------------------------------------


def test_the_plan() -> None:
    options = parse(["--clients", "1,8", "--turns", "5"])
    kinds = [(scene.kind, scene.clients) for scene in plan(options)]
    assert kinds == [("short", 1), ("short", 8), ("long", 1), ("turns", 1), ("between", 1), ("company", 4)]
    assert plan(parse(["--clients", "1", "--long-clients", "", "--turns", "0", "--company", "0"])) == [Scene("short", 1)]


def test_ours_is_always_there() -> None:
    assert chosen(parse(["--only", "tutorial"])) == [Llmsite, TutorialServer]
    with pytest.raises(SystemExit, match="got vllm"):
        chosen(parse(["--only", "vllm"]))


def test_lengths_fit_into_the_context() -> None:
    small = Lengths.within(1024, None)
    assert small.long + small.answer < 1024
    assert 20 * (small.turn + small.turn_answer + 17) < 1024
    assert Lengths.within(4096, None).long == 2000


def test_texts_are_new_each_time_and_the_same_with_the_same_seed() -> None:
    def texts(seed: int) -> list[str]:
        made = Texts(lambda text: len(text.split()), seed)
        return [made.of(24), made.of(24)]

    assert texts(1) == texts(1)
    assert len({*texts(1), *texts(2)}) == 4
    assert all(24 <= len(text.split()) <= 26 for text in texts(3))


def test_texts_are_hardly_longer_than_asked_for() -> None:
    """With a vocabulary that knows no word: a token for every two letters."""
    made = Texts(lambda text: len(text) // 2)
    for wanted in (12, 24, 2000):
        assert wanted <= len(made.of(wanted)) // 2 <= wanted + 6


def test_who_suits_what() -> None:
    assert [Scene(kind).suits(LlamaBatched) for kind in ("short", "long", "turns", "company")] == [True, True, False, False]
    assert [Scene(kind).suits(TutorialServer) for kind in ("short", "between", "company")] == [True, False, True]
    assert [Scene(kind).suits(TransformersServe) for kind in ("turns", "between")] == [True, False]
    assert all(Scene(kind).suits(Llmsite) for kind in ("short", "long", "turns", "between", "company"))


def test_quantised_weights_are_asked_of_our_server_by_its_setting() -> None:
    setup = Setup(Path(), {}, "int8", 1024, Path(), "python", 2)
    peer = Llmsite(setup)
    assert peer.environment["LLMSITE_QUANTIZE"] == "int8"
    peer.close()


# --- the clients ---------------------------------------------------------------------------------------------------------------


def test_what_a_client_heard() -> None:
    heard = Heard(asked=1.0, arrivals=[1.5, 1.6, 1.8], ended=1.9, tokens=4)
    assert heard.first_s == pytest.approx(0.5)
    assert heard.gaps == pytest.approx([0.1, 0.2])
    assert heard.per_token_s == pytest.approx(0.1)  # a frame may hold more than one token
    figures = burst_figures([heard, Heard(asked=1.1, arrivals=[1.2], ended=2.0, tokens=1)])
    assert figures["tokens"] == 5
    assert figures["seconds"] == pytest.approx(1.0)
    assert figures["per_token_s"] == pytest.approx([0.1])


def test_white_space_before_the_text_is_not_its_first_token() -> None:
    heard = Heard()
    heard.hear("\n\n")
    assert not heard.arrivals
    heard.hear(" a")
    heard.hear("\n")
    assert len(heard.arrivals) == 2


async def openai_server(*events: dict[str, Any], status: str = "200 OK") -> tuple[asyncio.Server, int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().split(b"content-length:")[1].split()[0]))
        writer.write(f"HTTP/1.0 {status}\r\n\r\n".encode())
        for event in events:
            writer.write(b": ping\n\ndata: " + json.dumps(event).encode() + b"\n\n")
        writer.write(b"data: [DONE]\n\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


def chunk(reason: str | None = None, **delta: str) -> dict[str, Any]:
    return {"choices": [{"delta": delta, "finish_reason": reason}]}


async def test_an_openai_server_is_heard() -> None:
    server, port = await openai_server(chunk(role="assistant"), chunk(content="a"), chunk(reasoning_content="b"), chunk("length"), {"choices": []})
    async with server:
        heard = await ask_openai(port, "m", [{"role": "user", "content": "hello"}], 2)
    assert (heard.text, len(heard.arrivals), heard.tokens) == ("ab", 2, 2)
    assert heard.asked < heard.arrivals[0] <= heard.ended


async def test_an_answer_that_ended_early_is_no_figure() -> None:
    server, port = await openai_server(chunk(content="a"), chunk("stop"))
    async with server:
        with pytest.raises(RuntimeError, match="expected an answer of 9 tokens, got one that ended by 'stop' after 1 pieces"):
            await ask_openai(port, "m", [], 9)


async def test_a_refusal_is_told() -> None:
    server, port = await openai_server({"detail": "no such model"}, status="404 Not Found")
    async with server:
        with pytest.raises(RuntimeError, match=r"(?s)404 Not Found.*no such model"):
            await ask_openai(port, "m", [], 9)
    server, port = await openai_server({"error": "out of memory"})
    async with server:
        with pytest.raises(RuntimeError, match="out of memory"):
            await ask_openai(port, "m", [], 9)


async def test_a_conversation_that_is_over_in_a_moment_is_had_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The median of each turn; one that lasts is had once."""
    began: list[list[str]] = []

    async def turns(peer: Any, questions: list[str], max_tokens: int, others: list[str]) -> dict[str, Any]:
        began.append(questions)
        assert len(others) == len(questions) == 2
        return {"first_s": [float(len(began)), 10.0 * len(began)], "again_s": 0.5}

    monkeypatch.setattr(compare.scenes, "turns", turns)
    peer: Any = None
    texts = Texts(lambda text: len(text.split()), seed=1)
    found = await compare._play(peer, Scene("between"), texts, Lengths.within(1024, None), 2)
    assert found == {"first_s": [3.0, 30.0], "again_s": 0.5}
    assert len({text for questions in began for text in questions}) == 2 * compare.TALKS
    began.clear()
    monkeypatch.setattr(compare, "TALKS_S", 0.0)
    assert (await compare._play(peer, Scene("between"), texts, Lengths.within(1024, None), 2))["first_s"] == [1.0, 10.0]
