"""Faults by script, as a bare socket and the standard library's client see them."""

from __future__ import annotations

import smtplib
import socket
import time
from contextlib import suppress
from typing import Any

import pytest

from zenmail.testing.smtp_server import (
    Cut,
    Delay,
    Drip,
    Drop,
    Endless,
    Inject,
    Send,
    SMTPServer,
)


def received(sock: socket.socket) -> bytes:
    """Return what comes until the connection is closed, whichever way."""
    data = b""
    with suppress(ConnectionResetError):
        while more := sock.recv(1000):
            data += more
    return data


@pytest.mark.parametrize("phase", ["connect", "banner", "ehlo", "mail", "rcpt", "data", "dot"])
@pytest.mark.parametrize("action", [Drop(), Drop(reset=True), Drop(after="250-half")])
def test_drop(server: SMTPServer, phase: Any, action: Any, send: Any) -> None:
    """The connection is closed in the phase; a mail that was in is kept."""
    server.on(phase, action)
    with pytest.raises((smtplib.SMTPException, OSError)):
        send(server)
    assert len(server.mails) == (1 if phase == "dot" else 0)


def test_cut(server: SMTPServer, dial: Any) -> None:
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


def test_what_is_sent(server: SMTPServer, dial: Any) -> None:
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
