"""The listening sockets: bound by us before anything slow begins, and then handed to uvicorn, so that nobody takes the port between."""

from __future__ import annotations

import errno
import socket
import sys

import psutil

from llmsite.serve.exits import Exit, Stopped
from llmsite.serve.words import say

BACKLOG = 512
WINDOWS_NO_PERMISSION = 10013


def listen(host: str, port: int) -> list[socket.socket]:
    """A listening socket for each address that `host` stands for. Raises Stopped with the sentence to show.

    They listen at once, not only when the model is there: on Linux two sockets may be bound to one port as long as neither listens.
    Who connects meanwhile waits.
    """
    sockets: list[socket.socket] = []
    try:
        for family, address in _resolve(host, port):
            sockets.append(_listen(family, address))
            port = sockets[0].getsockname()[1]
    except OSError as error:
        for opened in sockets:
            opened.close()
        raise _explain(error, host, port) from error
    return sockets


def _resolve(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise Stopped(Exit.USAGE, say("no_such_address", host=host)) from error
    return list(dict.fromkeys((family, (str(address[0]), int(address[1]))) for family, _, _, _, address in found))


def _listen(family: socket.AddressFamily, address: tuple[str, int]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            # There, SO_REUSEADDR would let another program take the port from us.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # Connections of the last run linger for a minute after their end; a restart need not wait for them.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # :: is both kinds here, on every system; a single IPv6 address is just that.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if address[0] == "::" else 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _explain(error: OSError, host: str, port: int) -> Stopped:
    if error.errno == errno.EADDRINUSE:
        return Stopped(Exit.PORT_TAKEN, say("port_taken", port=port, who=_owner(port), other=port + 1 if port < 65535 else 8000))
    if error.errno in (errno.EACCES, errno.EPERM, WINDOWS_NO_PERMISSION):
        return Stopped(Exit.NO_PERMISSION, say("port_forbidden", port=port))
    return Stopped(Exit.USAGE, say("no_such_address", host=host))


def _owner(port: int) -> str:
    """Who has the port, where the system tells (it may keep other users' connections to itself)."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return say("by_program", name=psutil.Process(connection.pid).name(), pid=connection.pid)
    except (psutil.Error, OSError):
        pass
    return ""
