"""What a server keeps of a mail."""

from __future__ import annotations

from typing import Any

from zenmail.testing.smtp_server import SMTPServer

MAIL = b"Subject: x\r\n\r\n.dot\r\n"


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
