"""A server: what it counts, and that closing it ends everything."""

from __future__ import annotations

import threading
from typing import Any

from zenmail.testing.smtp_server import Hang, SMTPServer


def test_close_ends_everything(dial: Any) -> None:
    """Closing the server ends hanging connections and leaves no thread."""
    server = SMTPServer(security="none")
    server.on("noop", Hang())
    with dial(server) as sock:
        sock.sendall(b"NOOP\r\n")
        server.close()
        assert sock.recv(1000) == b""
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("zenmail-smtp-server")]


def test_round_trips_are_counted(send: Any) -> None:
    """The library waits for the banner and for each command."""
    with SMTPServer(security="none", settle=0.05) as server:
        send(server)
        # Banner, EHLO, MAIL, RCPT, DATA, the mail.
        assert server.round_trips == [6]
        assert server.connections == 1
