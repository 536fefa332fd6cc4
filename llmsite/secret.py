"""What only the owner of the computer may read: the data folder, and the secret key in it, which is made once and never in the code or the database.

On Windows a folder has no such rights to set; one in the owner's profile, where a home folder is, is closed to other accounts by the system.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def secret_key(data: Path) -> str:
    """The key in `data`/secret_key; made with 384 random bits when there is none."""
    path = data / "secret_key"
    private_folder(data)
    if key := _read(path):
        close_to_others(path)
        return key
    _place(secrets.token_urlsafe(48), path)
    return _read(path)


def _read(path: Path) -> str:
    """ "" where there is none, or a power cut left the file empty."""
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""


def _place(key: str, path: Path) -> None:
    """Whole or not at all, because processes may start at once; a key that another one has placed meanwhile stays."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(beside, path)
    except OSError:  # it is there, or this disk knows no hard links
        if not _read(path):
            beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def private_folder(path: Path) -> None:
    """Make it, or take away what others may do in one that is there."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path not in (Path.home(), *Path.home().parents):  # whoever keeps the data right there did not mean to hide everything else
        close_to_others(path)


def close_to_others(path: Path) -> None:
    """Take the rights of others away from a file or folder that is ours; what is somebody else's stays as they want it."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):  # not there, or on a disk that knows no rights
        status = path.stat()
        if status.st_uid == os.geteuid() and status.st_mode & OTHERS:
            path.chmod(stat.S_IMODE(status.st_mode) & ~OTHERS)


def make_only_private_files() -> None:
    """Whatever this process makes from here on (database, logs, downloads) is its owner's alone."""
    os.umask(0o077)
