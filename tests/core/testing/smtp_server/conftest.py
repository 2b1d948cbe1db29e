from __future__ import annotations

import smtplib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from zenmail.testing.smtp_server import SMTPServer

MAIL = b"Subject: x\r\n\r\n.dot\r\n"


@pytest.fixture
def server() -> Iterator[SMTPServer]:
    """A server in clear."""
    with SMTPServer(security="none") as found:
        yield found


def _client(server: SMTPServer) -> smtplib.SMTP:
    return smtplib.SMTP("127.0.0.1", server.port, local_hostname="test", timeout=10)


@pytest.fixture
def client() -> Callable[[SMTPServer], smtplib.SMTP]:
    """Return what connects smtplib's client."""
    return _client


@pytest.fixture
def send() -> Callable[..., Any]:
    """Return what sends a mail with smtplib."""

    def send(server: SMTPServer, *recipients: str) -> Any:
        with _client(server) as smtp:
            return smtp.sendmail("a@example.com", recipients or ["b@example.com"], MAIL)

    return send


@pytest.fixture
def dial() -> Callable[[SMTPServer], socket.socket]:
    """Return what makes a bare connection and reads its banner."""

    def dial(server: SMTPServer) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        assert sock.recv(1000).startswith(b"220 ")
        return sock

    return dial
