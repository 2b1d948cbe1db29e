"""The SMTP server for tests, looked at with the standard library's client."""

from __future__ import annotations

import smtplib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from zenmail.testing.smtp_server import (
    Hang,
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


def test_close_ends_everything() -> None:
    """Closing the server ends hanging connections and leaves no thread."""
    server = SMTPServer(security="none")
    server.on("noop", Hang())
    with dial(server) as sock:
        sock.sendall(b"NOOP\r\n")
        server.close()
        assert sock.recv(1000) == b""
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("zenmail-smtp-server")]


def test_round_trips_are_counted() -> None:
    """The library waits for the banner and for each command."""
    with SMTPServer(security="none", settle=0.05) as server:
        send(server)
        # Banner, EHLO, MAIL, RCPT, DATA, the mail.
        assert server.round_trips == [6]
        assert server.connections == 1
