"""A private PostgreSQL server for the tests: made in a temporary folder, on loopback only, ended with them."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from itertools import count
from pathlib import Path

import psycopg

OWNER = "llmsite"
_SERIAL = count(1)


def programs() -> Path | None:
    """Where initdb and pg_ctl are; Debian keeps them off the PATH."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return versions[-1].parent if versions else None


class Postgres:
    """`with Postgres() as postgres: url = postgres.database()`."""

    def __init__(self) -> None:
        found = programs()
        assert found is not None, "there is no PostgreSQL here: install the package postgresql"
        self._programs = found
        self._user = _unprivileged()
        self._home = Path(tempfile.mkdtemp(prefix="llmsite-postgres-"))
        self._data = self._home / "data"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    def __enter__(self) -> Postgres:
        if self._user is not None:
            shutil.chown(self._home, self._user)
        try:
            self._run("initdb", "-D", self._data, "-U", OWNER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if (self._data / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self._home, ignore_errors=True)

    def start(self) -> None:
        # fsync off: what these tests kill is our server, and a restart of this one, not the computer.
        options = f"-h 127.0.0.1 -p {self.port} -k {self._home} -c fsync=off -c max_connections=50"
        self._run("pg_ctl", "-D", self._data, "-l", self._home / "log", "-w", "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """`fast` ends all connections; `immediate` is a crash."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", mode, "stop")

    def database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"test_{next(_SERIAL)}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self._url(name)

    def _url(self, name: str) -> str:
        return f"postgres://{OWNER}@127.0.0.1:{self.port}/{name}"

    def _run(self, program: str, *arguments: str | Path) -> None:
        # Its own log file, not a pipe: a server that inherits a pipe keeps it open for ever.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [str(self._programs / program), *map(str, arguments)],
                user=self._user,
                cwd=self._home,
                stdout=output,
                stderr=output,
                check=False,
                timeout=120,
            )
            output.seek(0)
            assert done.returncode == 0, f"{program}: {output.read().decode('utf-8', 'replace')}"


def _unprivileged() -> str | None:
    """PostgreSQL refuses to run as root; its package has made it a user."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"
