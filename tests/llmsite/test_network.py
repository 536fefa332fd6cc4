from __future__ import annotations

import http.server
import ipaddress
import json
import socket
import threading
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmsite import network
from llmsite.network import Address

Entry = namedtuple("Entry", "family address")
Stats = namedtuple("Stats", "isup")


@pytest.fixture
def interfaces(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pretend that the computer has these interfaces; a name that starts with "down" is down."""

    def pretend(table: dict[str, list[str]], default: str | None = None) -> None:
        entries = {
            name: [Entry(socket.AF_INET6 if ":" in ip else socket.AF_INET, ip) for ip in ips] + [Entry(-1, "00:11:22:33:44:55")]
            for name, ips in table.items()
        }
        monkeypatch.setattr(network.psutil, "net_if_addrs", lambda: entries)
        monkeypatch.setattr(network.psutil, "net_if_stats", lambda: {name: Stats(not name.startswith("down")) for name in table})
        monkeypatch.setattr(network, "_default_route", lambda: (None, default))

    return pretend


def found() -> list[str]:
    return [address.ip for address in network.addresses()]


def test_loopback_link_local_and_sleeping_interfaces_are_left_out(interfaces: Any) -> None:
    interfaces({"lo": ["127.0.0.1", "::1"], "wlan0": ["192.168.1.7", "fe80::1%wlan0", "169.254.3.4"], "down0": ["192.168.9.9"]})
    assert found() == ["192.168.1.7"]


@pytest.mark.parametrize(
    ("table", "default", "expected"),
    [
        pytest.param({"eth0": ["192.168.1.7"], "wlan0": ["192.168.2.7"]}, "wlan0", ["192.168.2.7", "192.168.1.7"], id="the default route first"),
        pytest.param({"eth0": ["192.168.1.7"], "wlp2s0": ["10.42.0.1"]}, "eth0", ["10.42.0.1", "192.168.1.7"], id="a NetworkManager hotspot"),
        pytest.param(
            {"Ethernet": ["192.168.1.7"], "Local Area Connection* 2": ["192.168.137.1"]}, "Ethernet", ["192.168.137.1", "192.168.1.7"], id="Windows"
        ),
        pytest.param({"en0": ["192.168.1.7"], "bridge100": ["192.168.2.1"]}, "en0", ["192.168.2.1", "192.168.1.7"], id="macOS Internet Sharing"),
        pytest.param({"en5": ["10.1.2.3"], "en0": ["172.20.10.3"]}, "en5", ["172.20.10.3", "10.1.2.3"], id="an iPhone's hotspot"),
        pytest.param(
            {"docker0": ["172.17.0.1"], "tun0": ["10.8.0.2"], "wlan0": ["192.168.1.7"], "br-0123456789ab": ["172.18.0.1"]},
            "tun0",
            ["192.168.1.7", "10.8.0.2", "172.18.0.1", "172.17.0.1"],
            id="containers and VPNs last, even as the way to the internet",
        ),
        pytest.param(
            {"eth0": ["fd00::2", "2001:db8::5", "192.168.1.7"], "vEthernet (WSL)": ["172.30.0.1"]},
            "eth0",
            ["192.168.1.7", "2001:db8::5", "fd00::2", "172.30.0.1"],
            id="IPv4 before IPv6",
        ),
    ],
)
def test_the_most_likely_address_comes_first(interfaces: Any, table: dict[str, list[str]], default: str, expected: list[str]) -> None:
    interfaces(table, default)
    assert found() == expected


def test_an_address_says_why_phones_may_be_there(interfaces: Any) -> None:
    interfaces({"docker0": ["172.17.0.1"], "wlan0": ["192.168.1.7"], "wlan1": ["10.42.0.1"]}, "wlan0")
    assert {address.interface: address.kind for address in network.addresses()} == {"docker0": "virtual", "wlan0": "lan", "wlan1": "hotspot"}


LAN4, LAN6 = Address("192.168.1.7", "wlan0", "lan"), Address("fd00::2", "wlan0", "lan")


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [(["0.0.0.0"], [LAN4]), (["::"], [LAN4, LAN6]), (["192.168.1.7"], [LAN4]), (["fd00::2"], [LAN6]), (["127.0.0.1"], []), (["192.168.1.8"], [])],  # noqa: S104
)
def test_only_what_is_listened_on_counts(hosts: list[str], expected: list[Address]) -> None:
    assert network.listened([LAN4, LAN6], hosts) == expected


def test_urls() -> None:
    assert LAN4.url(8000) == "http://192.168.1.7:8000/"
    assert LAN6.url(80, "/pair/?code=x") == "http://[fd00::2]:80/pair/?code=x"


class Health(http.server.BaseHTTPRequestHandler):
    body = b""

    def do_GET(self) -> None:
        self.send_response(503)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def health() -> Iterator[Any]:
    """A server on loopback that answers everything with the given text. Returns its port."""
    servers = []

    def start(body: bytes) -> int:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("H", (Health,), {"body": body}))
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return server.server_address[1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_our_own_answer_is_known_by_its_instance(health: Any) -> None:
    port = health(json.dumps({"instance": "me", "status": "loading"}).encode())
    assert network.answers("127.0.0.1", port, "me")
    assert not network.answers("127.0.0.1", port, "somebody else")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"me"', b'{"instance": 5}', b"\xff"])
def test_another_server_on_the_port_is_not_taken_for_ours(health: Any, body: bytes) -> None:
    assert not network.answers("127.0.0.1", health(body), "me")


def test_a_server_that_speaks_no_http_is_not_ours() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: _answer(listener, b"SSH-2.0-x\r\n"), daemon=True)
        thread.start()
        assert not network.answers("127.0.0.1", listener.getsockname()[1], "me", timeout=1)
        thread.join()


def _answer(listener: socket.socket, data: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(1000)
        connection.sendall(data)


def test_checked_keeps_the_order_and_only_what_answers(health: Any) -> None:
    port = health(b'{"instance": "me"}')
    good, bad = Address("127.0.0.1", "lo", "lan"), Address("127.0.0.99", "lo", "lan")
    assert network.checked([bad, good], port, "me", timeout=1) == [good]
    assert network.checked([], port, "me") == []


def test_the_default_route_with_the_smallest_metric(tmp_path: Path) -> None:
    table = tmp_path / "route"
    table.write_text(
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
        "wlan0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
        "wlan0\t0002A8C0\t00000000\t0001\t0\t0\t10\t00FFFFFF\t0\t0\t0\n"
    )
    assert network._linux_default_interface(table) == "wlan0"
    table.write_text("Iface\n")
    assert network._linux_default_interface(table) is None
    assert network._linux_default_interface(tmp_path / "none") is None


def test_this_computers_own_addresses_are_addresses() -> None:
    for address in network.addresses():
        assert not ipaddress.ip_address(address.ip).is_loopback
