"""The script of a server, and its open connections."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from zenmail.testing.smtp_server import (
    SMTPServer,
)

MAIL = b"Subject: x\r\n\r\n.dot\r\n"


@pytest.fixture
def server() -> Iterator[SMTPServer]:
    """A server in clear."""
    with SMTPServer(security="none") as found:
        yield found


def client(server: SMTPServer) -> smtplib.SMTP:
    """Return smtplib's client, connected."""
    return smtplib.SMTP("127.0.0.1", server.port, local_hostname="test", timeout=10)


def send(server: SMTPServer, recipients: Any = ("b@example.com",)) -> Any:
    """Send a mail with smtplib."""
    with client(server) as smtp:
        return smtp.sendmail("a@example.com", list(recipients), MAIL)


def dial(server: SMTPServer) -> socket.socket:
    """Return a bare connection, its banner read."""
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    assert sock.recv(1000).startswith(b"220 ")
    return sock


def test_reply_for_some_and_for_a_while(server: SMTPServer) -> None:
    """A rule applies to what it matches and as often as it says; then the next one does."""
    server.on("rcpt", "550 5.1.1 No", matching="c@", times=1)
    server.on("rcpt", "451 4.7.1 Later", matching="c@", times=1)
    recipients = ["b@example.com", "c@example.com"]
    assert send(server, recipients) == {"c@example.com": (550, b"5.1.1 No")}
    assert send(server, recipients) == {"c@example.com": (451, b"4.7.1 Later")}
    assert send(server, recipients) == {}
    server.on("mail", "550 no")
    with pytest.raises(smtplib.SMTPSenderRefused):
        send(server)
    server.forget()
    assert send(server) == {}


def test_drop_connections(server: SMTPServer) -> None:
    """drop_connections closes what is open, and new ones are welcome."""
    with dial(server) as sock:
        server.drop_connections()
        assert sock.recv(1000) == b""
    assert send(server) == {}
