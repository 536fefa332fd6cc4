"""Servers for the tests: shared ones, which live as long as the session, and fresh ones, which a test may kill."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.client import Client
from tests.end_to_end.server import Kind, Server

FreshServer = Callable[..., Server]

SHARED: list[tuple[Kind, str]] = [("serve", "sqlite"), ("uvicorn", "postgres"), ("daphne", "sqlite")]
if os.environ.get("LLMSITE_TEST_WORKERS"):
    # The same tests on a server of several processes: LLMSITE_TEST_WORKERS=1 pytest tests/end_to_end -k workers
    SHARED = [("workers", "postgres")]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None]:
    """A failure shows the logs of the servers that ran."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.failed:
        report.sections += [(f"server {server.kind}", server.log_tail()) for server in Server.running]


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="llmsite-end-to-end-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="session", params=SHARED, ids=["-".join(both) for both in SHARED])
def _shared(request: pytest.FixtureRequest, folder: Path) -> Iterator[Server]:
    kind, database = request.param
    url = request.getfixturevalue("postgres").database() if database == "postgres" else ""
    more = {"REDIS_URL": request.getfixturevalue("redis").url(62)} if kind == "workers" else {}
    # A folder of its own each time: pytest may end it and start it again, and its log must not tell of the one before.
    server = Server(kind, Path(tempfile.mkdtemp(prefix=f"shared-{kind}-{database}-", dir=folder)), database_url=url, environment=more)
    try:
        yield server.start()
    finally:
        server.kill()


@pytest.fixture
def server(_shared: Server) -> Iterator[Server]:
    """A server that others use, too: of each kind one."""
    yield _shared
    _shared.check_log()


@pytest.fixture
def fresh(folder: Path, request: pytest.FixtureRequest) -> Iterator[FreshServer]:
    """Makes servers that a test has for itself; they are not started yet."""
    made: list[Server] = []

    def make(kind: Kind = "uvicorn", database: str = "sqlite", *, model: str = "fake", **environment: str) -> Server:
        url = request.getfixturevalue("postgres").database() if database == "postgres" else ""
        server = Server(kind, Path(tempfile.mkdtemp(dir=folder)), model=model, database_url=url, environment=environment)
        made.append(server)
        return server

    try:
        yield make
    finally:
        for server in made:
            server.kill()
    for server in made:
        server.check_log()


@pytest.fixture(autouse=True)
async def _no_client_stays() -> AsyncIterator[None]:
    """A test that failed may have left connections open."""
    yield
    for client in list(Client.connected):
        await client.leave()
