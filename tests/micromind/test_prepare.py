"""Cleaning, duplicates, and the held-out part, which nothing trains on (requires: requirements-train.txt)."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from micromind import data, duplicates, prepare, sources
from micromind.problems import StageError
from micromind.sources import Source
from tests.micromind.tiny import SOURCES, data_folder, write_lines

LONG = (
    "The quick brown fox jumps over the lazy dog while the sun sets behind the hills and the river runs to the sea. "
    "Down in the village people close their windows, a baker counts the loaves that are left, and children are called home for supper. "
    "Nobody sees the old ship that comes around the cape with torn sails, nor the lamp that swings slowly at its bow. "
    "Only the keeper of the lighthouse, who never sleeps before midnight, writes its name into his book and wonders where it has been."
)


@pytest.fixture(autouse=True)
def little_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "THIRD_PARTY", SOURCES)
    monkeypatch.setattr(sources, "OWN", ())


def similarity(one: str, other: str) -> float:
    return float((duplicates.signature(one) == duplicates.signature(other)).mean())


def test_a_signature_estimates_how_much_two_texts_share() -> None:
    """Against the Jaccard similarity counted directly; the estimate's deviation is at most 1 / (2 √64) = 0.0625, so four of them are allowed."""
    rng = random.Random(1)
    for kept in (0, 20, 50, 100):
        one = "".join(rng.choices("abcdefghij ", k=600))
        other = one[: 6 * kept] + "".join(rng.choices("klmnopqrst ", k=600 - 6 * kept))
        sets = [{text[place : place + 5] for place in range(len(text) - 4)} for text in map(duplicates.normalised, (one, other))]
        assert similarity(one, other) == pytest.approx(len(sets[0] & sets[1]) / len(sets[0] | sets[1]), abs=0.25)


def test_near_texts_are_found_and_others_are_not() -> None:
    index = duplicates.NearIndex()
    index.add(duplicates.signature("something else altogether, 完全不同的东西"))
    index.add(duplicates.signature(LONG))
    assert index.find(duplicates.signature(LONG.replace("lazy", "sleepy", 1))) == 1
    assert index.find(duplicates.signature("A" * 200)) is None


def test_case_width_and_punctuation_do_not_make_another_text() -> None:
    assert duplicates.fingerprint("你好，ＡＢＣ！") == duplicates.fingerprint("你好 abc")
    assert duplicates.fingerprint("你好") != duplicates.fingerprint("你们好")
    assert len(duplicates.signature("")) == duplicates.PERMUTATIONS


def test_no_held_out_question_is_trained_on(tmp_path: Path) -> None:
    """Over all stages: neither the records that are held out, nor others with their question, nor near copies of them."""
    folder = data_folder(tmp_path / "data")
    held = next(
        r
        for n in range(999)
        if prepare.held_out(r := {"messages": [{"role": "user", "content": f"{LONG} {n}"}, {"role": "assistant", "content": "好"}]})
    )
    question = held["messages"][0]["content"]
    near = {"text": question.replace("lazy", "sleepy", 1)}
    assert not prepare.held_out(near)
    for path, record in (
        ("chats/chats.jsonl", held),
        ("prose/texts.jsonl", near),
        ("chats/chats.jsonl", {"messages": [held["messages"][0], {"role": "assistant", "content": "another answer"}]}),
    ):
        with (folder / path).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")
    target = tmp_path / "prepared"
    counts = prepare.prepare(folder, target)["files"]
    kept = {prepare.question(record) for file in (target / "held_out").rglob("*.jsonl") for record in data.read_jsonl(file)}
    assert question in kept
    assert counts["prose/texts.jsonl"]["like_held_out"] == 1
    seen = [data.plain(d) for stage in ("pretrain", "sft", "reason", "lora:cooking") for d in data.mixture(target, stage=stage, seed=1)]
    seen += [message["content"] for pair in data.preferences(target, seed=1) for message in pair["prompt"]]
    assert len(seen) > 100
    assert not any(asked in text for text in seen for asked in kept)
    assert not any("sleepy dog" in text for text in seen)


def test_every_record_is_accounted_for(tmp_path: Path) -> None:
    folder = data_folder(tmp_path / "data")
    with (folder / "prose/texts.jsonl").open("a", encoding="utf-8") as lines:
        lines.write(json.dumps({"text": "short"}) + "\n" + json.dumps({"text": LONG}) + "\n" + json.dumps({"text": LONG.upper()}) + "\n")
    for counts in prepare.prepare(folder, tmp_path / "prepared")["files"].values():
        assert counts["read"] == sum(counts[name] for name in counts if name != "read")
    counts = json.loads((tmp_path / "prepared" / prepare.RECORD).read_text())["files"]["prose/texts.jsonl"]
    assert (counts["unfit"], counts["exact"]) == (1, 1)


def test_it_is_done_once_and_again_when_a_file_changes(tmp_path: Path) -> None:
    folder = data_folder(tmp_path / "data")
    target = prepare.prepared(folder, tmp_path / "models")
    stamp = (target / prepare.RECORD).stat().st_mtime_ns
    assert prepare.prepared(folder, tmp_path / "models") == target
    assert (target / prepare.RECORD).stat().st_mtime_ns == stamp
    assert prepare.prepared(target, tmp_path / "models") == target
    write_lines(folder / "prose/texts.jsonl", {"text": LONG})
    prepare.prepared(folder, tmp_path / "models")
    assert json.loads((target / prepare.RECORD).read_text())["files"]["prose/texts.jsonl"]["read"] == 1


def test_preparing_that_was_killed_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever it is killed, no record says that a half-written folder is whole."""
    folder, target = data_folder(tmp_path / "data"), tmp_path / "prepared"
    prepare.prepare(folder, target, files=SOURCES)
    remove = prepare.shutil.rmtree

    def killed(path: Path, **_: object) -> None:
        remove(path / "train")
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare.shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        prepare.prepare(folder, target, files=SOURCES)
    assert not (target / prepare.RECORD).exists()


def test_a_missing_folder_or_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="is no folder"):
        prepare.prepared(tmp_path / "nowhere", tmp_path)
    with pytest.raises(data.DataError, match=r"many\.jsonl is missing"):
        prepare.prepare(tmp_path, tmp_path / "out", files=(Source("many.jsonl", "own", pretrain=1),))


def test_the_split_does_not_change() -> None:
    """Held out is held out for ever: another rule would move questions that a trained model has seen."""
    asked = [{"messages": [{"role": "user", "content": f"question {number}"}]} for number in range(2000)]
    assert [number for number, record in enumerate(asked) if prepare.held_out(record)][:5] == HELD_OUT
    assert 20 < sum(map(prepare.held_out, asked)) < 60


HELD_OUT = [72, 76, 150, 203, 227]
