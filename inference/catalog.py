"""Which models are on this computer, and the folder that a name means. Looks at folders only: no network, no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from inference.errors import BrokenModel, ModelNotFound
from inference.fit import weight_files

Source = Literal["embedded", "downloaded"]

HUB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?")
"""`owner/name`, or a bare `name` as a few old models have."""
UNFINISHED = ".part"
"""Ends the name of a folder whose download is not complete; such a folder is no model yet."""


class UnknownModel(ModelNotFound):
    """A name that means no model here. Says what there is, and how to get it when it could be a hub's name."""

    code: ClassVar[str] = "model_unknown"
    sentence: ClassVar[str] = "There is no model {path} on this computer. There is: {known}.{hint}"


@dataclass(frozen=True, slots=True)
class FoundModel:
    name: str
    """What to call it by: "micromind", "Qwen/Qwen2.5-0.5B-Instruct"."""
    folder: Path
    source: Source
    weight_bytes: int
    """The files that would be loaded; 0 for a broken model."""
    broken: str = ""
    """Why it could not be loaded, as far as a look at the files tells."""


def folder_name(hub_name: str) -> str:
    """Where a downloaded model lies below the models folder: `owner--name`. Raises ValueError for what is no hub name."""
    if not is_hub_name(hub_name):
        raise ValueError(f"expected OWNER/NAME, got {hub_name!r}")
    return hub_name.replace("/", "--")


def is_hub_name(name: str) -> bool:
    """What a hub would take as a name. "--" and ".." it takes nowhere, so that folder names stay reversible and inside their folder."""
    return bool(HUB_NAME.fullmatch(name)) and "--" not in name and ".." not in name and len(name) <= 96


def found_models(models_dir: Path, embedded: Path) -> list[FoundModel]:
    """The embedded model, if it is there, then the downloaded ones by name."""
    models = [_look(embedded.name, embedded, "embedded")] if (embedded / "config.json").is_file() else []
    folders = sorted(models_dir.iterdir(), key=lambda path: path.name.lower()) if models_dir.is_dir() else []
    for folder in folders:
        if folder.is_dir() and not folder.name.startswith(".") and not folder.name.endswith(UNFINISHED) and not _in_training(folder):
            models.append(_look(folder.name.replace("--", "/", 1), folder, "downloaded"))
    return models


def _in_training(folder: Path) -> bool:
    """micromind writes config.json last; until then its checkpoints are there, or what the run was asked for."""
    return not (folder / "config.json").is_file() and any((folder / name).exists() for name in ("checkpoints", "run.json"))


def unfinished_downloads(models_dir: Path) -> list[str]:
    """Names of models whose download was begun and not finished."""
    folders = sorted(models_dir.glob(f"*{UNFINISHED}")) if models_dir.is_dir() else []
    return [folder.name.removesuffix(UNFINISHED).replace("--", "/", 1) for folder in folders if folder.is_dir()]


def _look(name: str, folder: Path, source: Source) -> FoundModel:
    try:
        if not (folder / "config.json").is_file():
            raise BrokenModel(path=str(folder), reason="config.json is missing.")
        return FoundModel(name, folder, source, sum(path.stat().st_size for path in weight_files(folder)))
    except BrokenModel as error:
        return FoundModel(name, folder, source, 0, str(error.params["reason"]))


def resolve(name: str, models_dir: Path, embedded: Path) -> Path:
    """The folder that a name means: the embedded model's name, a folder, a downloaded model's hub name or the last part of it.

    Raises ModelNotFound for a folder without config.json, UnknownModel for a name that means nothing here or more than one thing.
    """
    if name == embedded.name:
        return embedded
    if name:
        folder = Path(name).expanduser()
        if (folder / "config.json").is_file():
            return folder.resolve()
        if folder.is_dir() or folder.is_absolute() or name.startswith(("./", "../", "~")):
            raise ModelNotFound(path=str(folder))
    models = found_models(models_dir, embedded)
    wanted = name.lower()
    matches = [m for m in models if m.name.lower() == wanted] or [m for m in models if m.name.lower().rpartition("/")[2] == wanted]
    if len(matches) == 1:
        return matches[0].folder
    raise UnknownModel(
        path=name or "without a name",
        known=", ".join(m.name for m in matches or models) or "none",
        hint=_hint(name, models_dir, several=bool(matches)),
    )


def _hint(name: str, models_dir: Path, *, several: bool) -> str:
    if several:
        return " Say which one, with its owner."
    if name in unfinished_downloads(models_dir):
        return f" Its download is not finished: `python manage.py models download {name}` goes on with it."
    return f" `python manage.py models download {name}` fetches it, if the hub has it." if "/" in name and is_hub_name(name) else ""
