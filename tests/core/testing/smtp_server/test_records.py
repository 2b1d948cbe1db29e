"""What a server keeps of a mail."""

from __future__ import annotations

import smtplib
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


def test_mail_is_kept(server: SMTPServer) -> None:
    """A mail is kept with its envelope, its bytes and how it came."""
    send(server, ["b@example.com", "c@example.com"])
    (mail,) = server.mails
    assert (mail.sender, mail.recipients) == (
        "a@example.com",
        ["b@example.com", "c@example.com"],
    )
    assert mail.content == MAIL
    assert mail.message["subject"] == "x"
    assert (mail.command, mail.encrypted, mail.username) == ("DATA", False, "")
    assert server.connections == 1
    assert server.lines()[0] == "ehlo test"
