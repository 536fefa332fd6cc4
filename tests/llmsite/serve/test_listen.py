from __future__ import annotations

import os
import socket

import pytest

from llmsite.serve.exits import Exit, Stopped
from llmsite.serve.listen import listen


def test_it_listens_at_once() -> None:
    (listener,) = listen("127.0.0.1", 0)
    with listener, socket.create_connection(listener.getsockname(), timeout=1):
        pass


def test_a_taken_port_names_who_has_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Stopped, match=rf"Port {port} is taken by \S+ \(process {os.getpid()}\).*--port {port + 1}") as caught:
            listen("127.0.0.1", port)
    assert caught.value.code is Exit.PORT_TAKEN


def test_two_starts_never_share_a_port() -> None:
    """SO_REUSEADDR would let both bind; that is why the first listens before anything else."""
    (first,) = listen("127.0.0.1", 0)
    with first, pytest.raises(Stopped):
        listen("127.0.0.1", first.getsockname()[1])


def test_a_restart_need_not_wait_for_old_connections() -> None:
    (listener,) = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    client = socket.create_connection(("127.0.0.1", port))
    listener.setblocking(True)
    connection, _ = listener.accept()
    connection.close()  # the server's side closes first and so lingers
    client.close()
    listener.close()
    (again,) = listen("127.0.0.1", port)
    again.close()


@pytest.mark.parametrize("host", ["203.0.113.7", "no such name", "256.1.1.1"])
def test_an_address_that_is_not_ours(host: str) -> None:
    with pytest.raises(Stopped, match="no address") as caught:
        listen(host, 0)
    assert caught.value.code is Exit.USAGE


def test_a_privileged_port(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(Stopped, match="Listening on port 80 is not permitted") as caught:
        listen("127.0.0.1", 80)
    assert caught.value.code is Exit.NO_PERMISSION


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this system has no IPv6")
def test_both_kinds_on_one_socket() -> None:
    (listener,) = listen("::", 0)
    with listener:
        port = listener.getsockname()[1]
        for address in ("127.0.0.1", "::1"):
            socket.create_connection((address, port), timeout=1).close()
