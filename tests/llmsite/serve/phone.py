"""What a phone does, as a program of its own in the phone's network namespace: test_netns.py runs it there."""

from __future__ import annotations

import re
import sys
import time
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urlsplit

from zeroconf import AddressResolver, IPVersion, ServiceBrowser, ServiceInfo, ServiceListener, Zeroconf

SERVICE = "_http._tcp.local."


def zeroconf(ip: str) -> Zeroconf:
    return Zeroconf(interfaces=[ip], ip_version=IPVersion.V4Only)


def request(host: str, ip: str, method: str, path: str, body: str = "", headers: dict[str, str] | None = None) -> tuple[int, SimpleCookie, str]:
    """Ask the server at `ip`, calling it `host`."""
    called = urlsplit(f"//{host}")
    connection = HTTPConnection(ip or called.hostname or "", called.port or 80, timeout=10)
    connection.request(method, path, body or None, {"Host": host, **(headers or {})})
    answer = connection.getresponse()
    cookies: SimpleCookie = SimpleCookie()
    for line in answer.headers.get_all("Set-Cookie") or []:
        cookies.load(line)
    return answer.status, cookies, answer.read().decode()


def get(url: str, ip: str) -> str:
    parts = urlsplit(url)
    return request(parts.netloc, ip, "GET", parts.path)[2]


def find(name: str, by: str, seconds: str) -> str:
    resolver, asking = AddressResolver(f"{name}."), zeroconf(by)
    resolver.request(asking, float(seconds) * 1000)
    asking.close()
    return " ".join(resolver.parsed_addresses())


def find_from(by: str, name: str) -> str:
    """For a program that adds the name to its own command."""
    return find(name, by, "3")


class Found(ServiceListener):
    def __init__(self) -> None:
        self.servers: list[str] = []

    def add_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        if name.startswith("llmsite on ") and (info := zc.get_service_info(type_, name)):
            self.servers.append(f"{(info.server or '').rstrip('.')}:{info.port}")

    def update_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        pass

    def remove_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        pass


def browse(by: str) -> str:
    found, asking = Found(), zeroconf(by)
    ServiceBrowser(asking, SERVICE, found)
    deadline = time.monotonic() + 10
    while not found.servers and time.monotonic() < deadline:
        time.sleep(0.05)
    asking.close()
    return " ".join(found.servers)


def pair(host: str, ip: str, code: str) -> str:
    _, cookies, page = request(host, ip, "GET", f"/pair/?code={code}")
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', page)
    form = urlencode({"code": code, "name": "Test phone", "csrfmiddlewaretoken": token[1] if token else ""})
    headers = {"Cookie": f"csrftoken={cookies['csrftoken'].value}", "Content-Type": "application/x-www-form-urlencoded"}
    status, cookies, _ = request(host, ip, "POST", "/pair/", form, headers | {"Origin": f"http://{host}"})
    return f"{status} {' '.join(name for name in cookies if name != 'csrftoken')}"


def claim(name: str, ip: str) -> str:
    asking = zeroconf(ip)
    asking.register_service(ServiceInfo(SERVICE, f"somebody.{SERVICE}", port=9, server=f"{name}.", parsed_addresses=[ip]))
    print("claimed", flush=True)
    sys.stdin.read()  # until it is killed
    return ""


print({"get": get, "find": find, "find_from": find_from, "browse": browse, "pair": pair, "claim": claim}[sys.argv[1]](*sys.argv[2:]))
