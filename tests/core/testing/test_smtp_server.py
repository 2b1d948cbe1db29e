"""The SMTP server for tests, looked at with the standard library's client."""

from __future__ import annotations

import gc
import smtplib
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from zenmail.testing.smtp_server import (
    Cut,
    Delay,
    Drip,
    Drop,
    Endless,
    Hang,
    Inject,
    Send,
    SMTPServer,
)

PASSWORD = "canary-password-7f3a"
MAIL = b"Subject: x\r\n\r\n.dot\r\n"
# SO_LINGER with no time: a close is a reset.
RESET = b"\1\0\0\0\0\0\0\0"


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


def received(sock: socket.socket) -> bytes:
    """Return what comes until the connection is closed, whichever way."""
    data = b""
    with suppress(ConnectionResetError):
        while more := sock.recv(1000):
            data += more
    return data


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


def test_starttls_and_login() -> None:
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
    assert [str(item.message) for item in caught] == []


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_mechanisms(mechanism: str) -> None:
    """The library logs in with each mechanism."""
    with SMTPServer(security="tls", users={"u": PASSWORD}, mechanisms=[mechanism]) as server:
        context = ssl.create_default_context(cafile=str(server.ca_file))
        with smtplib.SMTP_SSL("localhost", server.port, context=context) as smtp:
            smtp.login("u", PASSWORD)
        assert server.logins == ["u"]


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


@pytest.mark.parametrize("phase", ["connect", "banner", "ehlo", "mail", "rcpt", "data", "dot"])
@pytest.mark.parametrize("action", [Drop(), Drop(reset=True), Drop(after="250-half")])
def test_drop(server: SMTPServer, phase: Any, action: Any) -> None:
    """The connection is closed in the phase; a mail that was in is kept."""
    server.on(phase, action)
    with pytest.raises((smtplib.SMTPException, OSError)):
        send(server)
    assert len(server.mails) == (1 if phase == "dot" else 0)


def test_cut(server: SMTPServer) -> None:
    """A cut ends the connection after exactly so many bytes."""
    server.on("connect", Cut(sent=10), times=1)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        assert sock.recv(1000) == b"220 test.e"
        assert sock.recv(1000) == b""
    server.on("connect", Cut(received=4), times=1)
    with dial(server) as sock:
        sock.sendall(b"NOOP\r\n")
        assert not received(sock)
    assert not server.lines(connection=1)


def test_what_is_sent(server: SMTPServer) -> None:
    """Send replaces the answer, Inject adds to it, Delay and Drip put it off."""
    with dial(server) as sock:
        for action, answer in (
            (Send(b"\xff\n"), b"\xff\n"),
            (Inject(b"evil"), b"250 2.0.0 Ok\r\nevil"),
            (Delay(0.2), b"250 2.0.0 Ok\r\n"),
            ("250-a\n250 b", b"250-a\r\n250 b\r\n"),
        ):
            server.on("noop", action, times=1)
            started = time.monotonic()
            sock.sendall(b"NOOP\r\n")
            assert sock.recv(1000) == answer
            assert time.monotonic() - started >= (0.2 if isinstance(action, Delay) else 0)
        server.on("noop", Endless(b"220-x\r\n"), times=1)
        sock.sendall(b"NOOP\r\n")
        size = 0
        while size < 100_000:
            size += len(sock.recv(65536))
    with dial(server) as sock:
        server.on("noop", Drip(60), times=1)
        sock.sendall(b"NOOP\r\n")
        assert sock.recv(1000) == b"2"


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


def test_drop_connections(server: SMTPServer) -> None:
    """drop_connections closes what is open, and new ones are welcome."""
    with dial(server) as sock:
        server.drop_connections()
        assert sock.recv(1000) == b""
    assert send(server) == {}


def test_pipelining_and_chunking(server: SMTPServer) -> None:
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


def test_bdat_that_is_not_known(server: SMTPServer) -> None:
    """A reply to bdat is that of a server that takes the content for commands."""
    server.on("bdat", "502 5.5.1 Unknown")
    with dial(server) as sock:
        sock.sendall(b"BDAT 6 LAST\r\nNOOP\r\n")
        answer = b""
        while answer.count(b"\r\n") < 2:
            answer += sock.recv(1000)
    assert answer == b"502 5.5.1 Unknown\r\n250 2.0.0 Ok\r\n"


def test_round_trips_are_counted() -> None:
    """The library waits for the banner and for each command."""
    with SMTPServer(security="none", settle=0.05) as server:
        send(server)
        # Banner, EHLO, MAIL, RCPT, DATA, the mail.
        assert server.round_trips == [6]
        assert server.connections == 1


def test_order_of_commands(server: SMTPServer) -> None:
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
