"""The script of a server, what it keeps of a mail, and its open connections."""

from __future__ import annotations

import smtplib
from typing import Any

import pytest

from zenmail.testing.smtp_server import SMTPServer

MAIL = b"Subject: x\r\n\r\n.dot\r\n"


def test_reply_for_some_and_for_a_while(server: SMTPServer, send: Any) -> None:
    """A rule applies to what it matches and as often as it says; then the next one does."""
    server.on("rcpt", "550 5.1.1 No", matching="c@", times=1)
    server.on("rcpt", "451 4.7.1 Later", matching="c@", times=1)
    recipients = ["b@example.com", "c@example.com"]
    assert send(server, *recipients) == {"c@example.com": (550, b"5.1.1 No")}
    assert send(server, *recipients) == {"c@example.com": (451, b"4.7.1 Later")}
    assert send(server, *recipients) == {}
    server.on("mail", "550 no")
    with pytest.raises(smtplib.SMTPSenderRefused):
        send(server)
    server.forget()
    assert send(server) == {}


def test_drop_connections(server: SMTPServer, send: Any, dial: Any) -> None:
    """drop_connections closes what is open, and new ones are welcome."""
    with dial(server) as sock:
        server.drop_connections()
        assert sock.recv(1000) == b""
    assert send(server) == {}


def test_mail_is_kept(server: SMTPServer, send: Any) -> None:
    """A mail is kept with its envelope, its bytes and how it came."""
    send(server, "b@example.com", "c@example.com")
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
