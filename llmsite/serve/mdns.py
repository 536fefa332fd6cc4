"""The server's own .local name: published with zeroconf (Bonjour, mDNS), so that phones need no number and keep their address when it changes.

The name is llmsite-HOSTNAME.local. HOSTNAME.local itself belongs to Avahi or Bonjour, which answer for the whole computer; a bare llmsite.local
would be claimed by every computer in the room that runs this. Where another computer has the name already, -2, -3 … is added.
"""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import threading
from collections.abc import Iterable
from typing import Any

from llmsite.network import Address

logger = logging.getLogger(__name__)

SERVICE = "_http._tcp.local."
LABEL_BYTES = 63  # of one label of a DNS name
TRIES = 9
ASK_MS = 900
END_S = 0.6


def label(hostname: str) -> str:
    """A DNS label: letters, digits and single hyphens. A computer's name in Chinese leaves none of them, and then it is just llmsite."""
    plain = re.sub(r"[^a-z0-9]+", "-", hostname.partition(".")[0].lower()).strip("-")
    return f"llmsite-{plain}"[: LABEL_BYTES - 2].strip("-")


def names(hostname: str) -> list[str]:
    """The names that the server may come to have, the first if it is free."""
    return [f"{label(hostname)}{'' if number == 1 else f'-{number}'}.local" for number in range(1, TRIES + 1)]


class Publisher:
    """Publishes the newest addresses it was given. Everything that waits does so in its thread; a failure is one line in the log."""

    def __init__(self) -> None:
        self.name = ""
        """As it is known on the network; "" while it is not."""
        self._wanted: tuple[list[Address], int] = ([], 0)
        self._news = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._zeroconf: Any = None

    def publish(self, addresses: Iterable[Address], port: int) -> None:
        """Publish these instead of what was. Returns at once."""
        # Only phones of the room ask, and none of them is behind a virtual interface.
        self._wanted = ([address for address in addresses if address.kind != "virtual"], port)
        if self._thread is None and self._wanted[0] and not self._closing:
            self._thread = threading.Thread(target=self._run, name="mdns", daemon=True)
            self._thread.start()
        self._news.set()

    def stop(self) -> None:
        """Begin to take it back. Returns at once; `join` waits for it."""
        self._closing = True
        self._news.set()

    def join(self) -> None:
        """Wait until nothing is published any more, END_S at most: whoever does not hear of it forgets the name in two minutes."""
        if self._thread is not None:
            self._thread.join(END_S)

    def _run(self) -> None:
        while not self._closing:
            self._news.wait()
            self._news.clear()
            try:
                self._take_back()
                addresses, port = self._wanted
                if addresses and not self._closing:
                    self._announce(addresses, port)
            except Exception as error:
                logger.info("No .local name is published: %s", error or type(error).__name__)
        with contextlib.suppress(Exception):  # the network is gone, and so are those who would hear it
            self._take_back()

    def _take_back(self) -> None:
        self.name = ""
        zeroconf, self._zeroconf = self._zeroconf, None
        if zeroconf is not None:
            zeroconf.close()  # says goodbye first

    def _announce(self, addresses: list[Address], port: int) -> None:
        from zeroconf import IPVersion, ServiceInfo, Zeroconf  # a tenth of a second that only those wait for who are published

        ips = [address.ip for address in addresses]
        families = {":" in ip for ip in ips}
        version = IPVersion.All if len(families) == 2 else IPVersion.V6Only if True in families else IPVersion.V4Only
        self._zeroconf = Zeroconf(interfaces=ips, ip_version=version)
        hostname = socket.gethostname()
        name = self._free_name(names(hostname), set(ips))
        info = ServiceInfo(
            SERVICE,
            f"{_shown(hostname)}.{SERVICE}",
            port=port,
            server=f"{name}.",
            parsed_addresses=ips,
            properties={"path": "/"},
        )
        # The name that people see in a list; another llmsite on this computer has the same, and then a number is added.
        self._zeroconf.register_service(info, allow_name_change=True)
        self.name = name
        logger.info("Published as %s with %s", name, ", ".join(ips))

    def _free_name(self, candidates: list[str], ours: set[str]) -> str:
        """The first that nobody else answers to. A second server on this computer has the same addresses, and may share the name."""
        from zeroconf import AddressResolver

        for name in candidates:
            resolver = AddressResolver(f"{name}.")
            if not resolver.request(self._zeroconf, ASK_MS) or set(resolver.parsed_addresses()) <= ours:
                return name
        raise OSError(f"all names up to {candidates[-1]} are taken")


def _shown(hostname: str) -> str:
    """What people see in a list of services: LABEL_BYTES at most, and Chinese characters are allowed."""
    return f"llmsite on {hostname.partition('.')[0]}".encode()[:LABEL_BYTES].decode(errors="ignore")
