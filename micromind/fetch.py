"""Gets the sources from their upstreams and checks them: `python -m micromind.fetch --output FOLDER [NAME ...]`, or `--check FOLDER`.

Each upstream is fetched by git at the commit that sources.toml names; the commit's hash names its content, so git checks it. Converted files are
checked by their SHA-256. The files in CONVERTERS are made by this command; of the others it says which files to take and what was changed in them
(fields `paths` and `changes` of sources.toml). --mirror BASE asks BASE/owner/name in place of https://github.com/owner/name.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from micromind import data, sources
from micromind.problems import StageError, command
from micromind.sources import Source, Upstream

log = logging.getLogger(__name__)

HUB = "https://github.com/"
UPSTREAMS = "upstream"


def fetch(upstream: Upstream, target: Path, *, mirror: str = HUB) -> None:
    """The upstream's files at its commit, in `target`. A second call fetches nothing. Raises StageError where git fails or the commit is another."""
    if (target / ".git").is_dir() and _git(target, "rev-parse", "HEAD", check=False) == upstream.commit:
        return
    target.mkdir(parents=True, exist_ok=True)
    url = upstream.repository.replace(HUB, mirror if mirror.endswith("/") else f"{mirror}/")
    _git(target, "init", "--quiet")
    _git(target, "fetch", "--quiet", "--depth", "1", "--no-tags", url, upstream.commit)
    _git(target, "checkout", "--quiet", "--force", "FETCH_HEAD")
    got = _git(target, "rev-parse", "HEAD")
    if got != upstream.commit:
        raise StageError(f"{upstream.name}: expected commit {upstream.commit} of {url}, got {got}.")


def _git(folder: Path, *words: str, check: bool = True) -> str:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False, timeout=3600)
    except FileNotFoundError as error:
        raise StageError("git is not installed, and the sources are git repositories.") from error
    if check and done.returncode:
        raise StageError(f"git {' '.join(words)} in {folder}: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else done.returncode}")
    return done.stdout.strip()


# --- converting ------------------------------------------------------------------------------------------------------


def gsm8k(file: Path) -> Iterator[dict[str, Any]]:
    """`{"question", "answer": "steps with <<1+1=2>> notes\\n#### 2"}` to a conversation that thinks and then answers."""
    for record in data.read_jsonl(file):
        steps, mark, result = str(record["answer"]).partition("\n#### ")
        if not mark:
            raise data.DataError(f"{file}: an answer without its result (####).")
        steps, result = re.sub(r"<<[^>]*>>", "", steps).strip(), result.strip()
        answer = f"<think>\n{steps}\n</think>\n<answer>\n{result}\n</answer>"
        yield {"messages": [{"role": "user", "content": record["question"]}, {"role": "assistant", "content": answer}], "answer": result}


def instructions(file: Path) -> Iterator[dict[str, Any]]:
    """A list of `{"instruction", "input"?, "output"}`: a question, which the input ends, and its answer."""
    for record in _listed(file):
        yield {"messages": _asked(record, "output")}


def preferences(file: Path) -> Iterator[dict[str, Any]]:
    """The same with `chosen` and `rejected` in place of one output."""
    for record in _listed(file):
        yield {side: _asked(record, side) for side in ("chosen", "rejected")}


def identity(file: Path) -> Iterator[dict[str, Any]]:
    """As it is: the stages fill in {{name}} and {{author}}."""
    for record in _listed(file):
        yield {name: record[name] for name in ("instruction", "input", "output")}


def human_assistant(file: Path) -> Iterator[dict[str, Any]]:
    """`{"text": "### Human: … ### Assistant: …"}`"""
    for record in data.read_jsonl(file):
        question, mark, answer = str(record["text"]).removeprefix("### Human:").partition("### Assistant:")
        if not mark:
            raise data.DataError(f"{file}: a text without its answer (### Assistant:).")
        yield {"messages": _turns(question.strip(), answer.strip())}


def talks(file: Path) -> Iterator[dict[str, Any]]:
    """A list of `{"messages": [{"message"}]}`, where two people take turns. What nobody answered any more is left out."""
    for record in _listed(file):
        said = [str(turn["message"]).strip() for turn in record["messages"]]
        yield {"messages": _turns(*said[: len(said) // 2 * 2])}


def _listed(file: Path) -> list[dict[str, Any]]:
    try:
        records = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise data.DataError(f"{file}: not valid JSON ({error}).") from error
    if not isinstance(records, list):
        raise data.DataError(f"{file}: expected a list of records, got {type(records).__name__}.")
    return records


def _asked(record: dict[str, Any], answer: str) -> list[dict[str, str]]:
    question = "\n".join(str(record[name]) for name in ("instruction", "input") if record.get(name))
    return _turns(question, str(record[answer]))


def _turns(*said: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(said)]


Converter = Callable[[Path], Iterator[dict[str, Any]]]
CONVERTERS: dict[str, tuple[Converter, tuple[str, ...]]] = {
    "gsm8k/gsm8k_train_reason.jsonl": (gsm8k, ("grade_school_math/data/train.jsonl",)),
    "gsm8k/gsm8k_test_reason.jsonl": (gsm8k, ("grade_school_math/data/test.jsonl",)),
    "rasbt_instruct_en/instruct.jsonl": (instructions, ("ch07/01_main-chapter-code/instruction-data.json",)),
    "rasbt_instruct_en/dpo.jsonl": (preferences, ("ch07/04_preference-tuning-with-dpo/instruction-data-with-preference.json",)),
    "ruozhiba_zh/ruozhiba_qa.jsonl": (instructions, ("ruozhiba_qa.json",)),
    "dolly_openqa_en/dolly_openqa.jsonl": (human_assistant, ("chinkara-open_qa.jsonl",)),
    "llamafactory_demo/identity.jsonl": (identity, ("data/identity.json",)),
    "kdconv/kdconv_chat.jsonl": (talks, tuple(f"data/{topic}/{part}.json" for topic in ("film", "music", "travel") for part in ("dev", "test"))),
}
"""By the file that is made: how, and of which files of the upstream."""


def convert(source: Source, upstream_folder: Path, target: Path) -> bool:
    """Write `target`/source.path, where there is a converter for it; says whether there was one."""
    if source.path not in CONVERTERS:
        return False
    converter, parts = CONVERTERS[source.path]
    if absent := [part for part in parts if not (upstream_folder / part).is_file()]:
        raise StageError(f"{upstream_folder} has no {absent[0]}.")
    file = target / source.path
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="\n") as lines:
        for part in parts:
            lines.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in converter(upstream_folder / part))
    return True


# --- checking --------------------------------------------------------------------------------------------------------


def state(source: Source, folder: Path) -> str:
    """ "as listed", "missing", or what is different."""
    file = folder / source.path
    if not file.is_file():
        return "missing"
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() == source.sha256:
        return "as listed"
    records = sum(1 for line in content.splitlines() if line.strip())
    return f"another file: {len(content)} bytes and {records} records; listed are {source.bytes} bytes and {source.records} records"


def check(folder: Path, chosen: list[Upstream]) -> int:
    """Print the state of each file; returns how many are not as listed."""
    wrong = 0
    for upstream in chosen:
        for source in upstream.files:
            said = state(source, folder)
            wrong += said != "as listed"
            log.info("%-50s %s", source.path, said)
    return wrong


@command
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m micromind.fetch", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="these upstreams only (default: all that some stage reads)")
    parser.add_argument("--output", type=Path, help="the data folder to fill")
    parser.add_argument("--check", type=Path, metavar="FOLDER", help="fetch nothing: check the files of this data folder")
    parser.add_argument("--mirror", default=HUB, metavar="BASE", help="in place of %(default)s")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    known = {upstream.name: upstream for upstream in sources.upstreams()}
    if unknown := [name for name in options.names if name not in known]:
        raise StageError(f"There is no upstream {unknown[0]}; there is: {', '.join(known)}.")
    read = [upstream for upstream in known.values() if any(not file.left_out for file in upstream.files)]
    chosen = [known[name] for name in options.names] or read
    if (options.output is None) is (options.check is None):
        parser.error("give --output FOLDER to fetch, or --check FOLDER to check")
    if options.check:
        if wrong := check(options.check, chosen):
            raise StageError(f"{wrong} files are not as sources.toml lists them.")
        return
    for upstream in chosen:
        log.info("%s: %s at %s", upstream.name, upstream.repository, upstream.commit[:10])
        fetch(upstream, options.output / UPSTREAMS / upstream.name, mirror=options.mirror)
        for source in upstream.files:
            made = convert(source, options.output / UPSTREAMS / upstream.name, options.output)
            log.info(
                "  %s: %s", source.path, state(source, options.output) if made else f"to be made by hand from {upstream.paths}: {upstream.changes}"
            )


if __name__ == "__main__":
    main()
