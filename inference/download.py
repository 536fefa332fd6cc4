"""Fetches a model from a hub (huggingface.co or a mirror of it) into a folder, so that an interruption costs nothing.

The hub's own client tells what there is. The bytes are fetched here, because huggingface_hub 2.4.0 throws a file that is not complete away
(file_download.py, `_download_to_tmp_and_move`): after a break at 4.9 of 5 GB it starts at 0. Everything goes into `<folder>.part`, each
file behind what is there already, is checked against the hub's checksum, and only the complete folder gets its name.

The hub's token (HF_TOKEN), where there is one, goes only to the hub that huggingface_hub is set to, never to a mirror named here.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import filelock
import httpx2
import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status  # type: ignore[attr-defined]

from inference.catalog import UNFINISHED, folder_name, is_hub_name
from inference.errors import EngineError
from inference.fit import size
from inference.hub_files import RemoteFile, checksum, needed, weights_of

MANIFEST = ".llmsite-download.json"
TIMEOUT = httpx2.Timeout(30.0, connect=10.0)
PATIENCE = 5
"""How often a broken connection is made anew without a single byte coming between."""
BLOCK = 1024 * 1024
SPARE_BYTES = 200 * 1024**2
"""Left free on the disk."""
PAUSE_S = 0.25
"""Before the second attempt; doubled for each further one."""
REPORT_EVERY_S = 0.2
SPEED_WINDOW_S = 10.0


class DownloadFailed(EngineError):
    code: ClassVar[str] = "download_failed"
    sentence: ClassVar[str] = "{reason}"


class HubUnreachable(DownloadFailed):
    code = "hub_unreachable"
    sentence = "{hub} cannot be reached. Is there internet? Where it is blocked, a mirror helps: --mirror URL."


class HubBroke(DownloadFailed):
    code = "hub_broke"
    sentence = "The connection to {hub} keeps breaking. Run the same command again: it goes on where it stopped."
    retryable = True


class HubFailed(DownloadFailed):
    code = "hub_failed"
    sentence = "{hub} failed (status {status}). Try again later, or another mirror."
    retryable = True


class HubOffline(DownloadFailed):
    code = "hub_offline"
    sentence = "HF_HUB_OFFLINE is set, so nothing is downloaded."


class HubModelUnknown(DownloadFailed):
    code = "hub_model_unknown"
    sentence = "{hub} has no model named {name} (or it is private). Names look like Qwen/Qwen2.5-0.5B-Instruct."


class HubGated(DownloadFailed):
    code = "hub_gated"
    sentence = "{name} is given only to people who accepted its terms: do so at {hub}/{name}, then set HF_TOKEN to your token and try again."


class NoWeights(DownloadFailed):
    code = "no_weights"
    sentence = "{name} has no weights that can be loaded here; expected .safetensors or pytorch_model.bin, found {found}."


class NoSpace(DownloadFailed):
    code = "no_space"
    sentence = "The disk is too full for {name}: {needed} are still to be fetched, and {free} are free in {folder}."


class Damaged(DownloadFailed):
    code = "damaged"
    sentence = "{file} came damaged and was removed. Run the same command again to fetch it anew."
    retryable = True


class AlreadyDownloading(DownloadFailed):
    code = "already_downloading"
    sentence = "{name} is being downloaded already, by another process."


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a download is. Bytes and seconds; `seconds_left` None while the speed is not known."""

    done: int
    total: int
    bytes_per_s: float
    seconds_left: float | None
    file: str


ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """What a hub has under a name, at one revision."""

    name: str
    revision: str
    """The commit: all files come from it, also when the model changes meanwhile."""
    files: tuple[RemoteFile, ...]
    """Only those that are needed."""

    @property
    def total_bytes(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def weight_bytes(self) -> int:
        return sum(file.size for file in weights_of(self.files))


class Hub:
    """One hub. `mirror`: its address; None takes huggingface_hub's own setting (HF_ENDPOINT, else huggingface.co)."""

    def __init__(self, mirror: str | None = None) -> None:
        self.url = (mirror or constants.ENDPOINT).rstrip("/")
        self._token: bool | None = False if mirror else None

    def look_up(self, name: str) -> RemoteModel:
        """What there is to download. Raises DownloadFailed with the sentence that says why there is nothing."""
        if not is_hub_name(name):
            raise HubModelUnknown(hub=self.url, name=name)
        api = huggingface_hub.HfApi(endpoint=self.url, token=self._token)
        with self._sentences(name):
            revision = api.model_info(name, timeout=TIMEOUT.read).sha
            entries = api.list_repo_tree(name, recursive=True, revision=revision)
            found = [RemoteFile.of(entry) for entry in entries if isinstance(entry, huggingface_hub.RepoFile)]
        files = needed(found)
        if not weights_of(files):
            kinds = sorted({Path(file.path).suffix for file in found if file.size > BLOCK and Path(file.path).suffix})
            raise NoWeights(name=name, found=", ".join(kinds) or "none")
        return RemoteModel(name, str(revision), tuple(files))

    def read_json(self, model: RemoteModel, path: str) -> dict[str, Any]:
        """A small JSON file of the model, without keeping it."""
        with self._sentences(model.name), self._get(model, path, 0) as response:
            data = json.loads(response.read())
        if not isinstance(data, dict):
            raise DownloadFailed(reason=f"{path} of {model.name} is no JSON object.")
        return data

    @contextlib.contextmanager
    def _get(self, model: RemoteModel, path: str, start: int) -> Iterator[httpx2.Response]:
        url = f"{self.url}/{model.name}/resolve/{model.revision}/{quote(path)}"
        # identity: a compressed body could not be resumed in the middle
        headers = build_hf_headers(token=self._token) | {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        with get_session().stream("GET", url, headers=headers, timeout=TIMEOUT, follow_redirects=True) as response:
            if response.status_code != 416:
                if response.status_code >= 400:
                    response.read()
                hf_raise_for_status(response)
            yield response

    @contextlib.contextmanager
    def _sentences(self, name: str) -> Iterator[None]:
        """Turns what the client raises into sentences. `from None`: its messages carry addresses and request ids that help nobody."""
        try:
            yield
        except OfflineModeIsEnabled:
            raise HubOffline from None
        except GatedRepoError:
            raise HubGated(hub=self.url, name=name) from None
        except (RepositoryNotFoundError, HFValidationError):
            raise HubModelUnknown(hub=self.url, name=name) from None
        except EntryNotFoundError:
            raise HubFailed(hub=self.url, status=404) from None
        except HfHubHTTPError as error:
            if error.response.status_code in (401, 403):
                raise HubGated(hub=self.url, name=name) from None
            raise HubFailed(hub=self.url, status=error.response.status_code) from None
        except (httpx2.HTTPError, httpx2.InvalidURL):
            raise HubUnreachable(hub=self.url) from None
        except (json.JSONDecodeError, KeyError, TypeError):
            raise DownloadFailed(reason=f"{self.url} sent something that no model hub sends. Is the address right?") from None


def download(name: str, models_dir: Path, *, mirror: str | None = None, progress: ProgressCallback = lambda progress: None) -> Path:
    """Fetch a model, or the rest of it. Returns its folder. Raises DownloadFailed; then the same call again goes on where it stopped.

    A model that is there, complete by its own list, is returned without asking the hub.
    """
    if not is_hub_name(name):
        raise HubModelUnknown(hub=Hub(mirror).url, name=name)
    target = models_dir / folder_name(name)
    if is_complete(target):
        return target
    hub = Hub(mirror)
    model = hub.look_up(name)
    partial = target.with_name(target.name + UNFINISHED)
    if target.exists() and not partial.exists():
        target.rename(partial)
    partial.mkdir(parents=True, exist_ok=True)
    with _alone(partial, name):
        try:
            _fetch_all(hub, model, partial, progress)
        except OSError as error:
            raise _disk_trouble(error, model, partial) from None
    _lock_path(partial).unlink(missing_ok=True)
    os.replace(partial, target)
    return target


def _fetch_all(hub: Hub, model: RemoteModel, partial: Path, progress: ProgressCallback) -> None:
    _adopt(partial, model)
    missing = model.total_bytes - sum(_present(partial, file) for file in model.files)
    free = shutil.disk_usage(partial).free
    if missing and missing + SPARE_BYTES > free:
        raise NoSpace(name=model.name, needed=size(missing), free=size(free), folder=partial.parent)
    meter = _Meter(model.total_bytes, model.total_bytes - missing, progress)
    for file in model.files:
        _fetch(hub, model, file, partial, meter)
    meter.report(model.files[-1].path, always=True)


def _disk_trouble(error: OSError, model: RemoteModel, partial: Path) -> DownloadFailed:
    if error.errno == errno.ENOSPC:
        missing = model.total_bytes - sum(_present(partial, file) for file in model.files)
        return NoSpace(name=model.name, needed=size(missing), free=size(shutil.disk_usage(partial).free), folder=partial.parent)
    return DownloadFailed(reason=f"{error.filename or partial} cannot be written: {error.strerror}.")


def is_complete(folder: Path) -> bool:
    """True for a downloaded folder in which every file of its list is there, as long as it must be."""
    try:
        listed = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        return all((folder / path).stat().st_size == entry["size"] for path, entry in listed.items())
    except (OSError, ValueError, KeyError, TypeError):
        return False


@contextlib.contextmanager
def _alone(partial: Path, name: str) -> Iterator[None]:
    """Two processes that append to one file would spoil it. The lock ends with its process, however that ends."""
    try:
        with filelock.FileLock(_lock_path(partial), timeout=0):
            yield
    except filelock.Timeout:
        raise AlreadyDownloading(name=name) from None


def _lock_path(partial: Path) -> Path:
    return partial.with_name(f".{partial.name}.lock")


def _adopt(partial: Path, model: RemoteModel) -> None:
    """Keep of an earlier attempt what is the same on the hub now, remove what is not, and note what belongs here."""
    try:
        earlier = json.loads((partial / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError):
        earlier = {}
    listed = {file.path: {"size": file.size, "checksum": file.checksum} for file in model.files}
    for path in earlier:
        if earlier[path] != listed.get(path):
            (partial / path).unlink(missing_ok=True)
            _part(partial, path).unlink(missing_ok=True)
    written = partial / (MANIFEST + ".new")
    written.write_text(json.dumps({"name": model.name, "revision": model.revision, "files": listed}, indent=1), encoding="utf-8")
    os.replace(written, partial / MANIFEST)


def _part(partial: Path, path: str) -> Path:
    return partial / (path + UNFINISHED)


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _present(partial: Path, file: RemoteFile) -> int:
    """Bytes of a file that are on the disk already."""
    for path in (partial / file.path, _part(partial, file.path)):
        if path.is_file():
            return min(path.stat().st_size, file.size)
    return 0


def _fetch(hub: Hub, model: RemoteModel, file: RemoteFile, partial: Path, meter: _Meter) -> None:
    """Fetch one file behind what is there of it, check it, and give it its name."""
    whole, part = partial / file.path, _part(partial, file.path)
    if whole.is_file() and whole.stat().st_size == file.size:
        return
    whole.unlink(missing_ok=True)
    part.parent.mkdir(parents=True, exist_ok=True)
    failures = 0
    while (have := _length(part)) < file.size or not part.is_file():
        with contextlib.suppress(HubUnreachable), hub._sentences(model.name), hub._get(model, file.path, have) as response:
            _receive(response, part, have, file, meter)
        if _length(part) > have or (part.is_file() and file.size == 0):
            failures = 0
            continue
        failures += 1
        if failures >= PATIENCE:
            raise HubBroke(hub=hub.url)
        time.sleep(min(2**failures, 16) * PAUSE_S)
    if part.stat().st_size != file.size or checksum(part, file) != file.checksum:
        meter.add(-min(part.stat().st_size, file.size), file.path)
        part.unlink()
        raise Damaged(file=file.path)
    with part.open("rb+") as stream:
        os.fsync(stream.fileno())  # else a power cut could leave a file of the right length and no content
    os.replace(part, whole)


def _receive(response: httpx2.Response, part: Path, have: int, file: RemoteFile, meter: _Meter) -> None:
    """Write a response's bytes behind the `have` that are there; from the start when the server does not do ranges."""
    if have and (response.status_code != 206 or not response.headers.get("content-range", "").startswith(f"bytes {have}-")):
        meter.add(-have, file.path)
        part.unlink()
        if response.status_code in (206, 416):
            return  # the next round asks for the whole file
        have = 0
    with part.open("ab") as stream:
        for block in response.iter_raw():
            stream.write(block)
            meter.add(len(block), file.path)


class _Meter:
    """Counts bytes and reports them, a few times a second, with the speed of the last seconds."""

    def __init__(self, total: int, done: int, progress: ProgressCallback) -> None:
        self._total = total
        self._done = done
        self._progress = progress
        self._history: deque[tuple[float, int]] = deque([(time.monotonic(), done)])
        self._reported = 0.0

    def add(self, count: int, file: str) -> None:
        self._done += count
        self.report(file)

    def report(self, file: str, *, always: bool = False) -> None:
        now = time.monotonic()
        if not always and now - self._reported < REPORT_EVERY_S:
            return
        self._reported = now
        self._history.append((now, self._done))
        while len(self._history) > 2 and now - self._history[0][0] > SPEED_WINDOW_S:
            self._history.popleft()
        began, before = self._history[0]
        seconds = now - began
        speed = max(0.0, (self._done - before) / seconds) if seconds > 0 else 0.0
        left = (self._total - self._done) / speed if speed > 0 else None
        self._progress(Progress(self._done, self._total, speed, left, file))
