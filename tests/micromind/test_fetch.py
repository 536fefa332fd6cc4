"""Fetching from a git repository on this computer."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from micromind import fetch, sources
from micromind.problems import StageError
from micromind.sources import Source, Upstream

SUM = {"question": "How many is 1 and 1?", "answer": "He has 1+1=<<1+1=2>>2 of them.\n#### 2"}
CONVERTED = {
    "messages": [
        {"role": "user", "content": "How many is 1 and 1?"},
        {"role": "assistant", "content": "<think>\nHe has 1+1=2 of them.\n</think>\n<answer>\n2\n</answer>"},
    ],
    "answer": "2",
}


def git(folder: Path, *words: str) -> str:
    author = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", "-C", str(folder), *author, *words], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Upstream:
    """owner/name below tmp_path/hub, at its first commit; a second one has come since."""
    folder = tmp_path / "hub" / "openai" / "grade-school-math"
    file = folder / "grade_school_math" / "data" / "train.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(SUM) + "\n", encoding="utf-8")
    (file.parent / "test.jsonl").write_text(json.dumps(SUM) + "\n", encoding="utf-8")
    git(folder, "init", "--quiet")
    git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "one")
    commit = git(folder, "rev-parse", "HEAD")
    file.write_text("", encoding="utf-8")
    git(folder, "commit", "--quiet", "-am", "two")
    written = (json.dumps(CONVERTED, ensure_ascii=False) + "\n").encode()
    listed = Source("gsm8k/gsm8k_train_reason.jsonl", "MIT", sha256=hashlib.sha256(written).hexdigest(), bytes=len(written), records=1)
    made = Upstream("gsm8k", "https://github.com/openai/grade-school-math", commit, "MIT", "data", "none", (listed,))
    monkeypatch.setattr(sources, "upstreams", lambda: (made,))
    return made


def test_the_commit_is_fetched_converted_and_checked(tmp_path: Path, upstream: Upstream, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    fetch.main(["--output", str(tmp_path / "data"), "--mirror", (tmp_path / "hub").as_uri()])
    assert "gsm8k/gsm8k_train_reason.jsonl: as listed" in caplog.text
    assert json.loads((tmp_path / "data" / "gsm8k" / "gsm8k_train_reason.jsonl").read_text(encoding="utf-8")) == CONVERTED
    fetch.main(["--check", str(tmp_path / "data")])


def test_what_is_there_is_not_fetched_again(tmp_path: Path, upstream: Upstream) -> None:
    fetch.fetch(upstream, tmp_path / "clone", mirror=(tmp_path / "hub").as_uri())
    fetch.fetch(upstream, tmp_path / "clone", mirror="file:///nowhere")


def test_a_commit_that_is_not_there_is_told(tmp_path: Path, upstream: Upstream) -> None:
    gone = dataclasses.replace(upstream, commit="0" * 40)
    with pytest.raises(StageError, match="git fetch"):
        fetch.fetch(gone, tmp_path / "clone", mirror=(tmp_path / "hub").as_uri())


def test_a_changed_and_a_missing_file_are_told(tmp_path: Path, upstream: Upstream, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with pytest.raises(SystemExit, match="1 files are not as"):
        fetch.main(["--check", str(tmp_path)])
    assert "missing" in caplog.text
    (tmp_path / "gsm8k").mkdir()
    (tmp_path / "gsm8k" / "gsm8k_train_reason.jsonl").write_text("{}\n{}\n")
    with pytest.raises(SystemExit):
        fetch.main(["--check", str(tmp_path)])
    assert "another file: 6 bytes and 2 records" in caplog.text


def test_an_unknown_name_is_told(tmp_path: Path, upstream: Upstream) -> None:
    with pytest.raises(SystemExit, match="There is no upstream nothing; there is: gsm8k"):
        fetch.main(["nothing", "--output", str(tmp_path)])


ASKED = {"instruction": "Spell it right.", "input": "freind", "output": "friend", "chosen": "friend", "rejected": "look it up"}
QUESTION = {"role": "user", "content": "Spell it right.\nfreind"}


def said(*texts: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("path", "upstream_text", "records"),
    [
        ("rasbt_instruct_en/instruct.jsonl", json.dumps([ASKED]), [{"messages": [QUESTION, *said("", "friend")[1:]]}]),
        (
            "rasbt_instruct_en/dpo.jsonl",
            json.dumps([ASKED]),
            [{side: [QUESTION, {"role": "assistant", "content": text}] for side, text in (("chosen", "friend"), ("rejected", "look it up"))}],
        ),
        ("ruozhiba_zh/ruozhiba_qa.jsonl", json.dumps([{"instruction": "一加一？", "output": "二。"}]), [{"messages": said("一加一？", "二。")}]),
        (
            "dolly_openqa_en/dolly_openqa.jsonl",
            json.dumps({"text": "### Human: Why? ### Assistant: Because.\nSo it is. "}) + "\n",
            [{"messages": said("Why?", "Because.\nSo it is.")}],
        ),
        (
            "llamafactory_demo/identity.jsonl",
            json.dumps([{"instruction": "hi", "input": "", "output": "I am {{name}}.", "history": []}]),
            [{"instruction": "hi", "input": "", "output": "I am {{name}}."}],
        ),
        (
            "kdconv/kdconv_chat.jsonl",
            json.dumps([{"messages": [{"message": "看过吗？"}, {"message": "看过。", "attrs": []}, {"message": "好看。"}], "name": "x"}]),
            [{"messages": said("看过吗？", "看过。")}] * 6,  # three topics, two parts each
        ),
    ],
)
def test_each_form_is_converted(tmp_path: Path, path: str, upstream_text: str, records: list[object]) -> None:
    for part in fetch.CONVERTERS[path][1]:
        (tmp_path / "upstream" / part).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "upstream" / part).write_text(upstream_text, encoding="utf-8")
    assert fetch.convert(Source(path, "own"), tmp_path / "upstream", tmp_path)
    assert [json.loads(line) for line in (tmp_path / path).read_text(encoding="utf-8").splitlines()] == records


@pytest.mark.parametrize(
    ("path", "upstream_text", "sentence"),
    [
        ("ruozhiba_zh/ruozhiba_qa.jsonl", "[{", "ruozhiba_qa.json: not valid JSON"),
        ("ruozhiba_zh/ruozhiba_qa.jsonl", "{}", "ruozhiba_qa.json: expected a list of records, got dict"),
        ("dolly_openqa_en/dolly_openqa.jsonl", '{"text": "### Human: Why?"}\n', r"a text without its answer \(### Assistant:\)"),
    ],
)
def test_an_upstream_in_another_form_is_told(tmp_path: Path, path: str, upstream_text: str, sentence: str) -> None:
    (tmp_path / fetch.CONVERTERS[path][1][0]).write_text(upstream_text, encoding="utf-8")
    with pytest.raises(StageError, match=sentence):
        fetch.convert(Source(path, "own"), tmp_path, tmp_path / "data")


def test_every_converter_makes_a_listed_file() -> None:
    listed = {source.path for upstream in sources.upstreams() for source in upstream.files}
    assert listed.issuperset(fetch.CONVERTERS)
