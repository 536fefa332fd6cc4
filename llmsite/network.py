"""The addresses that a phone can reach this computer by: found, ranked, and checked by connecting to ourselves.

Nothing here sends a packet out of the computer: a connection to one of its own addresses never leaves it.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import re
import socket
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

Kind = Literal["hotspot", "lan", "virtual"]
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# Interfaces of containers, virtual machines and VPNs: a phone in the room is never behind one.
VIRTUAL = re.compile(
    r"docker|br-[0-9a-f]{6,}|veth|virbr|vmnet|vboxnet|virtualbox|vmware|vethernet|wsl|hyper-v|loopback|lxc|lxd|podman|cni|flannel|cali|kube|ifb"
    r"|tun\d|tap\d|utun|wg\d|wireguard|tailscale|zt[0-9a-z]{6,}|zerotier|ppp\d|ipsec|nordlynx|proton|awdl|llw|anpi|p2p-dev",
    re.IGNORECASE,
)
# The addresses a computer gives itself when it is the hotspot: Windows, NetworkManager on Linux, macOS Internet Sharing (on a bridge).
HOTSPOT_HOSTS = (ipaddress.ip_network("192.168.137.1/32"), ipaddress.ip_network("10.42.0.0/16"))
MAC_SHARING = re.compile(r"bridge1\d\d$")
# The networks of a phone that is the hotspot itself: iPhone, Android before 11. (Later ones choose at random.)
PHONE_HOTSPOTS = (ipaddress.ip_network("172.20.10.0/28"), ipaddress.ip_network("192.168.43.0/24"))
ROUTES = Path("/proc/net/route")


@dataclass(frozen=True, slots=True)
class Address:
    """One of this computer's addresses. `kind` says why a phone may be there."""

    ip: str
    interface: str
    kind: Kind

    def url(self, port: int, path: str = "/") -> str:
        host = f"[{self.ip}]" if ":" in self.ip else self.ip
        return f"http://{host}:{port}{path}"


def addresses() -> list[Address]:
    """The addresses of interfaces that are up, without loopback and link-local ones; the one to try first comes first."""
    stats = psutil.net_if_stats()
    default_ip, default_interface = _default_route()
    ranked = []
    for interface, entries in psutil.net_if_addrs().items():
        if interface not in stats or not stats[interface].isup:
            continue
        for entry in entries:
            if entry.family not in (socket.AF_INET, socket.AF_INET6):
                continue
            ip = ipaddress.ip_address(entry.address.partition("%")[0])
            if ip.is_loopback or ip.is_link_local or ip.is_unspecified or ip.is_multicast:
                continue
            kind = _kind(interface, ip)
            is_default = interface == default_interface or str(ip) == default_ip
            ranked.append((_rank(ip, kind, is_default=is_default), Address(str(ip), interface, kind)))
    return [address for _, address in sorted(ranked, key=lambda pair: (pair[0], pair[1].interface, pair[1].ip))]


def listened(found: Iterable[Address], hosts: Iterable[str]) -> list[Address]:
    """Those of `found` that a socket bound to one of `hosts` (IP addresses, as getsockname says them) takes connections for.

    A socket on :: is ours and takes both families (see serve.listen).
    """
    bound = set(hosts)
    return [a for a in found if a.ip in bound or "::" in bound or ("0.0.0.0" in bound and ":" not in a.ip)]  # noqa: S104 - compared, not bound


def own_sockets() -> dict[int, tuple[str, ...]]:
    """The TCP ports that this very process listens on, each with the addresses it is bound to."""
    try:
        connections = psutil.Process().net_connections("tcp")
    except (psutil.Error, OSError):
        return {}
    bound: dict[int, tuple[str, ...]] = {}
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN:
            ip, port = connection.laddr
            bound[port] = (*bound.get(port, ()), ip)
    return bound


def reachable(host: str) -> str:
    """An address of this computer that reaches a socket bound to `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound


def answers(ip: str, port: int, instance: str, timeout: float = 2.0) -> bool:
    """Whether this very server answers there: another one may sit on the same port of another address."""
    connection = http.client.HTTPConnection(ip, port, timeout=timeout)
    try:
        connection.request("GET", "/healthz", headers={"Accept": "application/json", "Connection": "close"})
        body = json.loads(connection.getresponse().read(65536))
        return isinstance(body, dict) and body.get("instance") == instance
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()


def checked(candidates: list[Address], port: int, instance: str, timeout: float = 2.0) -> list[Address]:
    """Those that answer as this server, in the same order. Asks all at once; blocks, so never on the event loop."""
    if not candidates:
        return []
    with ThreadPoolExecutor(max_workers=min(8, len(candidates))) as pool:
        good = list(pool.map(lambda a: answers(a.ip, port, instance, timeout), candidates))
    return [address for address, ok in zip(candidates, good, strict=True) if ok]


def _kind(interface: str, ip: IPAddress) -> Kind:
    if MAC_SHARING.match(interface) or any(ip in network for network in HOTSPOT_HOSTS):
        return "hotspot"
    if VIRTUAL.match(interface):
        return "virtual"
    if any(ip in network for network in PHONE_HOTSPOTS):
        return "hotspot"
    return "lan"


def _rank(ip: IPAddress, kind: Kind, *, is_default: bool) -> tuple[bool, bool, int]:
    """Smaller is better: real before virtual, IPv4 before IPv6 (shorter to type, and every phone has it), then by how likely phones are there.

    A hotspot of this computer goes before its way to the internet: it was switched on for the phones.
    """
    likely = 0 if kind == "hotspot" else 1 if is_default else 2 if ip.is_private else 3
    return kind == "virtual", ip.version == 6, likely


def _default_route() -> tuple[str | None, str | None]:
    """(address, interface) that the internet would be reached by: usually the Wi-Fi that the phones are in, too. One of the two, or neither."""
    if sys.platform == "linux":
        return None, _linux_default_interface()
    # Elsewhere: connecting a UDP socket only looks the route up; nothing is sent.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address that documentation is given (RFC 5737): nobody's
            return probe.getsockname()[0], None
        except OSError:
            return None, None


def _linux_default_interface(table: Path = ROUTES) -> str | None:
    try:
        rows = [line.split() for line in table.read_text(encoding="ascii").splitlines()[1:]]
    except OSError:
        return None
    defaults = [(int(row[6]), row[0]) for row in rows if len(row) > 7 and row[1] == "00000000" and row[7] == "00000000"]
    return min(defaults)[1] if defaults else None
