"""What a server of several processes needs, looked at before anything is started: each thing that is missing is one sentence."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from django.db import connection

from llmsite.config import Config
from llmsite.serve.exits import Exit, Stopped
from llmsite.serve.words import say

if TYPE_CHECKING:
    from chat.cluster.bus import SyncBus

PACKAGES = "requirements-scale.txt"


def meeting_place(config: Config) -> SyncBus:
    """The Redis where the processes meet; it answers, and the database is one for several processes. Raises Stopped."""
    from chat.cluster.bus import BusDown, SyncBus, place_of

    if sys.platform == "win32":
        raise Stopped(Exit.USAGE, say("scale.windows"))
    if missing := [name for name in ("redis", "psycopg_pool") if find_spec(name) is None]:
        raise Stopped(Exit.INSTALL, say("scale.no_package", names=", ".join(missing), file=PACKAGES))
    if not config.redis_url:
        raise Stopped(Exit.USAGE, say("scale.no_redis_url"))
    if connection.vendor == "sqlite":
        raise Stopped(Exit.USAGE, say("scale.sqlite"))
    try:
        bus = SyncBus(config.redis_url)
        bus.ping()
    except ValueError:  # of a password with a slash in it, the error would hold a part
        raise Stopped(Exit.USAGE, say("scale.bad_redis_url")) from None
    except BusDown as error:
        raise Stopped(Exit.DATABASE, say("scale.redis_away", place=place_of(config.redis_url), reason=error)) from None
    return bus
