"""A server: its certificates, what it counts, and that closing it ends everything."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from zenmail.testing.smtp_server import Authority, Hang, SMTPServer

NOW = datetime.now(timezone.utc)


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


@pytest.mark.parametrize(
    ("names", "validity", "says"),
    [
        ((), {}, ""),
        (("mail.example.com",), {}, "mismatch"),
        ((), {"not_after": NOW - timedelta(days=1)}, "expired"),
        ((), {"not_before": NOW + timedelta(days=1)}, "not yet valid"),
    ],
)
def test_only_a_good_certificate_is_trusted(
    tmp_path: Path, names: tuple[str, ...], validity: dict[str, Any], says: str
) -> None:
    """Whoever trusts ``ca_file`` trusts the names and the time that were asked for."""
    authority = Authority(tmp_path)
    trusting = ssl.create_default_context(cafile=str(authority.ca_file))
    with (
        SMTPServer(security="tls", tls=authority.context(*names, **validity)) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain,
    ):
        if says:
            with pytest.raises(ssl.SSLCertVerificationError, match=says):
                trusting.wrap_socket(plain, server_hostname="localhost")
        else:
            with trusting.wrap_socket(plain, server_hostname="localhost") as secure:
                assert secure.recv(1000).startswith(b"220 ")
