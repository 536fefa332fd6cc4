"""Redis, where the processes of one server meet: the keys, the streams and the lock. It knows nothing of the chat.

Streams carry everything: a reader that was away for a moment reads on where it was. Nothing stays for ever: streams are cut at a length, and every
key has a time after which it goes. Bodies are JSON.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

log = logging.getLogger(__name__)

PREFIX = "llmsite:"
ENGINE = f"{PREFIX}engine"
"""The lock: the id of the one engine process. It goes LEASE_S after that has stopped renewing it."""
STATUS = f"{PREFIX}status"
"""What the engine process says of itself, each BEAT_S; it stays for a while after the process."""
LOG = f"{PREFIX}log"
"""Everything that runs came to, of all runs, a batch an entry: what web processes follow."""
NEWS = f"{PREFIX}news"
"""What any process tells all others: conversations that changed, devices that were revoked."""
COUNTS = f"{PREFIX}counts"
"""What each web process gave to whom, for the limits: addresses and ids of devices, of the last minutes."""
KEPT_COUNTS = 1000
NAME = f"{PREFIX}name"
"""The server's .local name, while one of its processes publishes it."""

FIGURES = f"{PREFIX}metrics"
"""Of each process, by its name, what it counts: written every FIGURES_S."""

BEAT_S = 1.0
FIGURES_S = 5.0
OLD_S = 30.0
"""Figures that were not written again for so long are those of a process that is gone."""
LEASE_S = 4.0
FENCE_S = 3600
KEPT_ENTRIES = 12_000
"""Of the log, at GATHER_S a minute at least."""
KEPT_S = 120
GATHER_S = 0.005
"""Between two writes: what comes meanwhile goes together."""
RETRY_S = 0.25
TIMEOUT_S = 5.0
BLOCK_MS = 1000
AT_ONCE = 500
"""So many entries of a stream are read at once."""

TAKE = """
if redis.call('EXISTS', KEYS[2]) == 1 then return -1 end
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
"""Take the lock, or renew it. -1: another process has made final what this one left; 0: another one holds it."""
RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
FENCE = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SET', KEYS[2], '1', 'EX', ARGV[3])
return 1
"""
"""Take the lock of an engine process that is gone, and shut that out for good, should it only have slept."""
REAPER = "reaper:"


class BusDown(Exception):
    """Redis does not answer; str(error) holds no password."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a stream, to be written."""

    stream: str
    body: str
    kept: int = KEPT_ENTRIES
    """So long the stream may be."""


def requests_of(engine: str) -> str:
    return f"{PREFIX}requests:{engine}"


def inbox_of(web: str) -> str:
    return f"{PREFIX}inbox:{web}"


def alive_key(web: str) -> str:
    return f"{PREFIX}web:{web}"


def fence_of(engine: str) -> str:
    return f"{PREFIX}fenced:{engine}"


def place_of(url: str) -> str:
    """A Redis address as it may be shown: without what it takes to get in."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


def dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Bus:
    """Redis on the event loop. Whatever fails raises BusDown; nothing is tried again here."""

    def __init__(self, url: str) -> None:
        """Raises ValueError for an address that is none. Connects when it is first used."""
        asynchronous = _package().asyncio
        self._redis = asynchronous.Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, decode_responses=True, retry=None, retry_on_error=[]
        )

    async def close(self) -> None:
        await self._safe(self._redis.aclose())

    async def write(self, entries: Iterable[Entry]) -> None:
        """One round trip for all of them."""
        pipe = self._redis.pipeline(transaction=False)
        streams = set()
        for entry in entries:
            pipe.xadd(entry.stream, {"b": entry.body}, maxlen=entry.kept, approximate=True)
            streams.add(entry.stream)
        for stream in streams:
            pipe.expire(stream, KEPT_S)
        await self._safe(pipe.execute())

    async def read(self, positions: Mapping[str, str], block_ms: int = BLOCK_MS) -> list[tuple[str, str, Any]]:
        """(stream, its new position, body) of what is behind `positions`; waits `block_ms` where there is nothing.

        Streams come in the order of `positions`, and one waits until all that there is of those before it is read.
        """
        found = await self._safe(self._redis.xread(dict(positions), count=AT_ONCE, block=block_ms))
        said: list[tuple[str, str, Any]] = []
        for stream, entries in found.items() if isinstance(found, dict) else found or ():
            flat = list(_flat(entries))
            said += [(stream, place, json.loads(fields["b"])) for place, fields in flat]
            if len(flat) == AT_ONCE:
                break
        return said

    async def end_of(self, stream: str) -> str:
        """The position behind which everything is new."""
        newest = await self._safe(self._redis.xrevrange(stream, count=1))
        return str(newest[0][0]) if newest else "0-0"

    async def all_of(self, stream: str) -> list[Any]:
        return [json.loads(fields["b"]) for _, fields in await self._safe(self._redis.xrange(stream))]

    async def pulse(self, web: str) -> tuple[str | None, dict[str, Any], str]:
        """A web process is alive. Returns the engine process that holds the lock, what it or the last one said of itself, and the .local name."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.set(alive_key(web), "1", px=int(LEASE_S * 1000))
        pipe.expire(inbox_of(web), KEPT_S)
        pipe.mget(ENGINE, STATUS, NAME)
        holder, status, name = (await self._safe(pipe.execute()))[-1]
        engine = holder if holder and not holder.startswith(REAPER) else None
        return engine, json.loads(status) if status else {}, name or ""

    async def set_name(self, name: str) -> None:
        await self._safe(self._redis.set(NAME, name, ex=10))

    async def write_figures(self, process: str, figures: Any) -> None:
        await self._safe(self._redis.hset(FIGURES, process, dumps({"at": time.time(), "figures": figures})))
        await self._safe(self._redis.expire(FIGURES, FENCE_S))

    async def figures(self) -> dict[str, Any]:
        """By process; of those that live."""
        found = {process: json.loads(text) for process, text in (await self._safe(self._redis.hgetall(FIGURES))).items()}
        if old := [process for process, one in found.items() if time.time() - one["at"] > OLD_S]:
            await self._safe(self._redis.hdel(FIGURES, *old))
        return {process: one["figures"] for process, one in found.items() if process not in old}

    async def are_alive(self, webs: list[str]) -> list[bool]:
        pipe = self._redis.pipeline(transaction=False)
        for web in webs:
            pipe.exists(alive_key(web))
        return [bool(found) for found in await self._safe(pipe.execute())]

    async def fence(self, engine: str, reaper: str, hold_s: float) -> bool:
        """Take the place of an engine process that is gone, to make final what it left. False when somebody has it."""
        return bool(await self._safe(self._redis.eval(FENCE, 2, ENGINE, fence_of(engine), REAPER + reaper, int(hold_s * 1000), FENCE_S)))

    async def unfence(self, reaper: str) -> None:
        """The place is free for a new engine process."""
        await self._safe(self._redis.eval(RELEASE, 1, ENGINE, REAPER + reaper))

    async def _safe(self, work: Any) -> Any:
        exceptions = _package().exceptions
        try:
            return await work
        except (TimeoutError, exceptions.RedisError, OSError) as error:
            raise BusDown(reason_of(error)) from error


class SyncBus:
    """Redis from a thread: what the engine process's heart and the supervisor need."""

    def __init__(self, url: str) -> None:
        """Raises ValueError for an address that is none."""
        self._redis = _package().Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, decode_responses=True, retry=None, retry_on_error=[]
        )

    def ping(self) -> None:
        """Raises BusDown."""
        self._safe(self._redis.ping)

    def take(self, engine: str) -> int:
        """See TAKE."""
        return int(self._safe(self._redis.eval, TAKE, 2, ENGINE, fence_of(engine), engine, int(LEASE_S * 1000)))

    def release(self, engine: str) -> None:
        self._safe(self._redis.eval, RELEASE, 1, ENGINE, engine)

    def set_status(self, status: Mapping[str, Any]) -> None:
        self._safe(self._redis.set, STATUS, dumps(status), ex=FENCE_S)

    def status(self) -> dict[str, Any]:
        found = self._safe(self._redis.get, STATUS)
        return json.loads(found) if found else {}

    def name(self) -> str:
        """The server's .local name."""
        return str(self._safe(self._redis.get, NAME) or "")

    def all_of(self, stream: str) -> list[Any]:
        return [json.loads(fields["b"]) for _, fields in self._safe(self._redis.xrange, stream)]

    def close(self) -> None:
        self._safe(self._redis.close)

    def _safe(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except (_package().exceptions.RedisError, OSError) as error:
            raise BusDown(reason_of(error)) from error


class Writer:
    """One task that writes what there is to write, in its order: a batch while the one before is on its way is one batch."""

    def __init__(self, bus: Bus, collect: Callable[[], list[Entry]]) -> None:
        self._bus = bus
        self._collect = collect
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def wake(self) -> None:
        """There is something. Cheap: called for each token of each run."""
        if not self._news.is_set():
            self._news.set()
            self._idle.clear()

    async def drained(self) -> None:
        """Until everything that there was is written."""
        await self._idle.wait()

    async def run(self) -> None:
        """For ever. What Redis does not take now, it is given again."""
        while True:
            await self._news.wait()
            self._news.clear()
            entries = self._collect()
            while entries:
                try:
                    await self._bus.write(entries)
                    break
                except BusDown as error:
                    log.warning("Redis does not take what is written; trying again: %s", error)
                    await asyncio.sleep(RETRY_S)
            if not self._news.is_set():
                self._idle.set()
            await asyncio.sleep(GATHER_S)


def reason_of(error: BaseException) -> str:
    """In the library's words, which name neither address nor password."""
    return " ".join(str(error).split()) or type(error).__name__


def _flat(entries: Any) -> Iterable[tuple[str, Mapping[str, str]]]:
    """Newer protocols wrap the entries of a stream in one more list."""
    if entries and isinstance(entries[0], list) and entries[0] and not isinstance(entries[0][0], str):
        return [one for some in entries for one in some]
    return entries  # type: ignore[no-any-return]


def _package() -> Any:
    """Imported only where it is used: a server of one process has no Redis, and need not have the package."""
    import redis
    import redis.asyncio

    return redis
