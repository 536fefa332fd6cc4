"""The time zone of this computer."""

from __future__ import annotations

import logging
from zoneinfo import ZoneInfo

import tzlocal

log = logging.getLogger(__name__)


def local_zone() -> str:
    """Its IANA name, as Django wants it; UTC where the computer does not say one that is known."""
    try:
        name = tzlocal.get_localzone_name()
        ZoneInfo(name)
    except Exception as error:  # whatever a computer has written down there, its clock is no reason not to start
        log.info("this computer's time zone is not known, so times are in UTC: %s", error)
        return "UTC"
    return name
