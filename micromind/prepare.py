"""Cleans the sources, drops duplicates, and takes the held-out part away: `python -m micromind.prepare --data FOLDER`.

Leaves two folders of the same form, `train` and `held_out`, and prepared.json with the counts. The stages read `train` and nothing else;
evaluation reads `held_out`. A stage that is given raw data does this first by itself.

What is held out is decided by a hash of a record's question (of prose: of its text), so the same question falls on the same side in every
file, for ever. Of two near duplicates the first stays; a training record that is nearly the same as a held-out one goes, in whichever file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import random
import shutil
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from micromind import data, duplicates, folders, sources
from micromind.document import Document
from micromind.problems import StageError, command
from micromind.sources import Source

log = logging.getLogger(__name__)

RECORD = "prepared.json"
FORM = 1  # to be raised when what this module does to the data changes
HELD_OUT_PERCENT = 2


@dataclass
class Counts:
    """What became of a file's records."""

    read: int = 0
    unfit: int = 0
    exact: int = 0
    near: int = 0
    like_held_out: int = 0
    train: int = 0
    held_out: int = 0


def held_out(record: dict[str, Any]) -> bool:
    """Whether a record belongs to the held-out part. Depends on nothing but its question or text."""
    digest = hashlib.sha256(f"held out:{duplicates.normalised(question(record))}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % 100 < HELD_OUT_PERCENT


def question(record: dict[str, Any]) -> str:
    """What two records share that must not be on both sides: the first thing asked, or of prose the text."""
    messages = record.get("messages") or record.get("chosen")
    if messages:
        return next((str(message["content"]) for message in messages if message["role"] == "user"), "")
    return str(record.get("instruction") or record.get("en") or record.get("text") or "")


def whole_text(record: dict[str, Any]) -> str:
    """All that a record says, for finding duplicates."""
    messages = record.get("messages") or record.get("chosen")
    if messages:
        return "\n".join(str(message["content"]) for message in messages)
    return "\n".join(str(record[key]) for key in ("instruction", "input", "output", "en", "zh", "text") if record.get(key))


def split_file(path: Path, counts: Counts, *, limit: int | None = None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A file's fit and different records: (training, held out). Near duplicates are left to `prepare`, which sees all files."""
    training: list[dict[str, Any]] = []
    kept: list[dict[str, Any]] = []
    seen: set[str] = set()
    for record in data.read_jsonl(path):
        counts.read += 1
        if not _fit(record, path):
            counts.unfit += 1
            continue
        print_ = duplicates.fingerprint(whole_text(record))
        if print_ in seen:
            counts.exact += 1
            continue
        seen.add(print_)
        (kept if held_out(record) else training).append(record)
    if limit and len(training) > limit:
        training = random.Random(1).sample(training, limit)
    return training, kept


def _fit(record: dict[str, Any], path: Path) -> bool:
    if "chosen" in record:
        return all(data.wanted(data.chat(record[side])) for side in ("chosen", "rejected")) and record["chosen"] != record["rejected"]
    return bool(data.documents_of(record, path, random.Random(0)))


def prepare(folder: Path, target: Path, *, limit: int | None = None, files: tuple[Source, ...] | None = None) -> dict[str, Any]:
    """Write `target`/train, `target`/held_out and prepared.json.

    Args:
        limit: so many training records of a file at most.
    Raises:
        data.DataError: a file is missing or broken.
    """
    files = files or tuple(source for source in sources.THIRD_PARTY if not source.left_out)
    counts = {source.path: Counts() for source in files}
    parts = {}
    for source in files:
        path = folder / source.path
        if not path.is_file():
            raise data.missing(path)
        parts[source.path] = split_file(path, counts[source.path], limit=limit)
    (target / RECORD).unlink(missing_ok=True)  # first of all: whenever this is killed, the record must not say that the rest is there
    shutil.rmtree(target, ignore_errors=True)
    apart = duplicates.NearIndex()
    for name, (_, kept) in parts.items():
        _write(target / "held_out" / name, _unlike(kept, [apart], counts[name], ["near"], name))
        counts[name].held_out = sum(1 for _ in data.read_jsonl(target / "held_out" / name))
    pairs = {source.path for source in files if source.dpo}
    # A pair's better answer may well be in a conversation too: that is another stage.
    seen = {True: duplicates.NearIndex(), False: duplicates.NearIndex()}
    for name, (training, _) in parts.items():
        rows = _unlike(training, [seen[name in pairs], apart], counts[name], ["near", "like_held_out"], name)
        counts[name].train = len(rows)
        _write(target / "train" / name, rows)
    record = {"form": FORM, "limit": limit, "held_out_percent": HELD_OUT_PERCENT, "files": {name: asdict(count) for name, count in counts.items()}}
    folders.write_record(target, record | {"inputs": fingerprints(folder, files)}, RECORD)
    return record


def _unlike(rows: list[dict[str, Any]], indexes: list[duplicates.NearIndex], counts: Counts, reasons: list[str], name: str) -> list[dict[str, Any]]:
    """The rows that are near to none in the indexes; those are added to the first of them."""
    kept = []
    for row in tqdm(rows, desc=name, leave=False, unit="record", disable=len(rows) < 500):
        one = duplicates.signature(whole_text(row))
        near = next((reason for index, reason in zip(indexes, reasons, strict=True) if index.find(one) is not None), None)
        if near:
            setattr(counts, near, getattr(counts, near) + 1)
            continue
        indexes[0].add(one)
        kept.append(row)
    return kept


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def fingerprints(folder: Path, files: tuple[Source, ...]) -> dict[str, str]:
    """The inputs' sizes and times: enough to see that a file is another."""
    return {source.path: f"{stat.st_size}-{stat.st_mtime_ns}" for source in files for stat in [(folder / source.path).stat()]}


def prepared(folder: Path | None, root: Path, *, limit: int | None = None, also: frozenset[str] = frozenset()) -> Path | None:
    """The prepared form of a data folder: itself, if it is one, else made (once) below `root`. None without a folder.

    Args:
        also: files that the list leaves out and that are wanted all the same.
    """
    if folder is None or (folder / RECORD).is_file():
        return folder
    if not folder.is_dir():
        raise StageError(f"{folder} is no folder. --data names the folder with the sources that micromind/sources.toml lists.")
    added = [name.partition("/")[0] for name in sorted(also)]
    target = root.parent / "training" / "-".join(["prepared", str(limit or "all"), *added])
    files = tuple(source for source in sources.THIRD_PARTY if not source.left_out or source.path in also)
    for source in files:
        if not (folder / source.path).is_file():
            raise data.missing(folder / source.path)
    known = folders.read_record(target, RECORD)
    if known.get("form") != FORM or known.get("inputs") != fingerprints(folder, files):
        log.info("preparing %s (cleaning, duplicates, held-out part): once", folder)
        prepare(folder, target, limit=limit, files=files)
    return target


def plain_documents(path: Path) -> list[Document]:
    """A held-out file's documents, each once."""
    return data.documents(path, random.Random(0))


@command
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m micromind.prepare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data.add_arguments(parser)
    parser.add_argument("--output", type=Path, help="default: training/prepared-all below the server's data folder")
    parser.add_argument("--limit", type=int, help="so many training records of a file at most")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    if options.data is None:
        raise StageError("--data (or MICROMIND_DATA) must name the folder with the sources; `python -m micromind.fetch` fills one.")
    target = options.output or folders.ROOT.parent / "training" / f"prepared-{options.limit or 'all'}"
    record = prepare(options.data, target, limit=options.limit)
    total: Counter[str] = Counter()
    for name, counts in record["files"].items():
        total.update(counts)
        log.info("%-50s %s", name, _line(counts))
    log.info("%-50s %s", target, _line(total))


def _line(counts: dict[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counts.items() if count)


if __name__ == "__main__":
    main()
