from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

import pytest

from zenmail import Email
from zenmail.runtime import forks
from zenmail.testing.smtp_server import SMTPServer

Start = Callable[..., SMTPServer]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_forks_wait_for_locks_of_libc_and_openssl(
    start: Start, client: Any, email: Email, monkeypatch: pytest.MonkeyPatch, security: str
) -> None:
    """Looking up, building the context and each step of the handshake are sections.

    None of them is over a wait for the server, which could be long.
    """
    server = start(security=security)
    found: dict[str, set[bool]] = {}
    real = ssl.SSLSocket.do_handshake

    def watch(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def call(*arguments: Any, **more: Any) -> Any:
            inside = threading.get_ident() in forks._inside
            found.setdefault(name, set()).add(inside)
            return original(*arguments, **more)

        monkeypatch.setattr(owner, name, call)

    def handshake(sock: ssl.SSLSocket, *arguments: Any) -> None:
        if not sock.server_side:
            inside = threading.get_ident() in forks._inside
            found.setdefault("do_handshake", set()).add(inside and sock.gettimeout() == 0)
        real(sock, *arguments)

    watch(socket, "getaddrinfo")
    watch(ssl, "create_default_context")
    monkeypatch.setattr(ssl.SSLSocket, "do_handshake", handshake)
    client.send(server, email)
    assert found == {
        "getaddrinfo": {True},
        "create_default_context": {True},
        "do_handshake": {True},
    }
