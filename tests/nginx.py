"""A real nginx as an ordinary process in a folder of its own, on loopback: with deploy/nginx/llmsite.conf, or with another site."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.proxy import wait_for_port

SITE = Path(__file__).resolve().parents[1] / "deploy" / "nginx" / "llmsite.conf"
AROUND = """
{user}worker_processes 1;
pid nginx.pid;
error_log error.log warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
{site}
}}
"""


def program() -> str | None:
    """Debian keeps it off the PATH of ordinary users."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def certificate(folder: Path) -> Path:
    """For 127.0.0.1, signed by itself; the key is beside it."""
    made, key = folder / "fullchain.pem", folder / "privkey.pem"
    names = ["-subj", "/CN=chat.example", "-addext", "subjectAltName=DNS:chat.example,IP:127.0.0.1"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subprocess.run(["openssl", "req", "-x509", *kind, *names, "-keyout", key, "-out", made], check=True, capture_output=True)
    return made


class Nginx:
    """`with Nginx(folder, ports) as nginx`: in front of what listens on these ports of this computer."""

    def __init__(self, folder: Path, ports: Sequence[int], site: str | None = None) -> None:
        found = program()
        assert found is not None, "there is no nginx here: install the package nginx"
        self._command = [found, "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"]
        self._folder = folder
        self.port, self.plain_port = free_port(), free_port()
        folder.mkdir(parents=True, exist_ok=True)
        text = deployed(folder, ports, self.port, self.plain_port) if site is None else site.replace("LISTEN", f"127.0.0.1:{self.port}")
        (folder / "nginx.conf").write_text(AROUND.format(site=text, user="user root;\n" if os.geteuid() == 0 else ""))

    def check(self) -> str:
        """`nginx -t`: what it says of the configuration."""
        done = subprocess.run([*self._command, "-t"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def __enter__(self) -> Nginx:
        self._process = subprocess.Popen([*self._command, "-g", "daemon off;"], stderr=subprocess.PIPE)
        wait_for_port(self.port)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()  # at once: open sockets are not waited for
        self._process.communicate()

    def log(self) -> str:
        return (self._folder / "error.log").read_text()


def deployed(folder: Path, ports: Sequence[int], port: int, plain_port: int) -> str:
    """The site as it is shipped, but for what a test must have its own of: ports and certificate. Anything else it says is as it is."""
    text = SITE.read_text()
    certificate(folder)
    servers = "".join(f"    server 127.0.0.1:{one} max_fails=1 fail_timeout=2s;\n" for one in ports)
    for pattern, replacement, times in (
        (r"(    server 127\.0\.0\.1:800\d max_fails=1 fail_timeout=2s;\n)+", servers, 1),
        (r" *listen \[::\]:.*\n", "", 2),
        (r"listen 80;", f"listen 127.0.0.1:{plain_port};", 1),
        (r"listen 443 ssl", f"listen 127.0.0.1:{port} ssl", 1),
        (r"/etc/ssl/llmsite", str(folder), 2),
    ):
        text, found = re.subn(pattern, replacement, text)
        assert found == times, pattern
    return text
