"""The dialogue, held with the standard library's client and with a bare socket."""

from __future__ import annotations

import gc
import smtplib
import socket
import ssl
import threading
import warnings
from typing import Any

import pytest

from zenmail.testing.smtp_server import SMTPServer

PASSWORD = "canary-password-7f3a"
MAIL = b"Subject: x\r\n\r\n.dot\r\n"
# SO_LINGER with no time: a close is a reset.
RESET = b"\1\0\0\0\0\0\0\0"


def test_starttls_and_login(client: Any) -> None:
    """STARTTLS and AUTH are demanded before a mail, and the certificate is good."""
    with SMTPServer(users={"u": PASSWORD}) as server:
        with client(server) as smtp, pytest.raises(smtplib.SMTPSenderRefused, match="STARTTLS"):
            smtp.sendmail("a@example.com", ["b@example.com"], MAIL)
        context = ssl.create_default_context(cafile=str(server.ca_file))
        with smtplib.SMTP("localhost", server.port, timeout=10) as smtp:
            smtp.starttls(context=context)
            with pytest.raises(smtplib.SMTPSenderRefused, match="Authentication"):
                smtp.sendmail("a@example.com", ["b@example.com"], MAIL)
            with pytest.raises(smtplib.SMTPAuthenticationError):
                smtp.login("u", "canary-wrong-password-0c6e")
            smtp.login("u", PASSWORD)
            smtp.sendmail("a@example.com", ["b@example.com"], MAIL)
        assert server.logins == ["u"]
        assert server.mails[0].username == "u"
        assert {line.text[:4].upper() for line in server.transcript if not line.encrypted} >= {
            b"EHLO"
        }


def test_reset_before_the_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that resets the connection after STARTTLS leaves no socket open."""
    gone = threading.Event()
    original = ssl.SSLContext.wrap_socket

    def wrap(*arguments: Any, **more: Any) -> ssl.SSLSocket:
        gone.wait(10)
        return original(*arguments, **more)

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", wrap)
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with SMTPServer() as server, smtplib.SMTP("localhost", server.port) as smtp:
            assert smtp.docmd("STARTTLS")[0] == 220
            assert smtp.sock is not None
            smtp.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            smtp.close()
            gone.set()
        gc.collect()
    # Other threads of this process may warn of what is theirs.
    left_open = [str(item.message) for item in caught if item.category is ResourceWarning]
    assert left_open == []


def test_pipelining_and_chunking(server: SMTPServer, dial: Any) -> None:
    """Commands in one packet are answered in one; BDAT takes bytes as they are."""
    with dial(server) as sock:
        sock.sendall(
            b"MAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nBDAT 3\r\n.\r\n"
            b"BDAT 4 LAST\r\n\n.\r\n"
        )
        answer = b""
        while answer.count(b"\r\n") < 4:
            answer += sock.recv(1000)
        assert [line[:3] for line in answer.splitlines()] == [b"250"] * 4
        sock.sendall(b"MAIL FROM:<a@x.example>\r\nBDAT 2 LAST\r\nxx")
        answer = b""
        while answer.count(b"\r\n") < 2:
            answer += sock.recv(1000)
        assert answer.splitlines()[1].startswith(b"503")
    assert [mail.content for mail in server.mails] == [b".\r\n\n.\r\n"]
    assert server.mails[0].command == "BDAT"


def test_bdat_that_is_not_known(server: SMTPServer, dial: Any) -> None:
    """A reply to bdat is that of a server that takes the content for commands."""
    server.on("bdat", "502 5.5.1 Unknown")
    with dial(server) as sock:
        sock.sendall(b"BDAT 6 LAST\r\nNOOP\r\n")
        answer = b""
        while answer.count(b"\r\n") < 2:
            answer += sock.recv(1000)
    assert answer == b"502 5.5.1 Unknown\r\n250 2.0.0 Ok\r\n"


def test_order_of_commands(server: SMTPServer, dial: Any) -> None:
    """Commands out of order or out of shape are refused, and nothing is kept."""
    with dial(server) as sock:
        for command, code in (
            (b"RCPT TO:<b@x.example>", b"503"),
            (b"DATA", b"503"),
            (b"MAIL a@x.example", b"501"),
            (b"MAIL FROM:<a@x.example>", b"250"),
            (b"MAIL FROM:<a@x.example>", b"503"),
            (b"DATA", b"554"),
            (b"RCPT b", b"501"),
            (b"XYZ", b"500"),
            (b"AUTH PLAIN =", b"504"),
            (b"STARTTLS", b"503"),
        ):
            sock.sendall(command + b"\r\n")
            assert sock.recv(1000)[:3] == code
    assert not server.mails
