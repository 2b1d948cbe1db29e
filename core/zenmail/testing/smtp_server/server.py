"""The server: it listens, and serves each connection in a thread."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Collection, Iterable, Mapping
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from .session import Session, TLSSocket
from .state import ServerState

__all__ = ["Authority", "SMTPServer"]

_EXTENSIONS = (
    "PIPELINING",
    "SIZE 35882577",
    "8BITMIME",
    "SMTPUTF8",
    "ENHANCEDSTATUSCODES",
    "CHUNKING",
)


class Authority:
    """A throwaway certificate authority, from trustme.

    Args:
        folder: Where ``ca_file`` is written.
    """

    def __init__(self, folder: Path) -> None:
        import trustme

        self._ca = trustme.CA()
        self.ca_file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.ca_file))

    def context(
        self,
        *names: str,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> ssl.SSLContext:
        """Return a server's context with a certificate for these names.

        Args:
            names: Host names and IP addresses; localhost and 127.0.0.1 by default.
            not_before: When the certificate begins to be valid.
            not_after: When it expires.
        """
        certificate = self._ca.issue_cert(
            *(names or ("localhost", "127.0.0.1")),
            not_before=not_before,
            not_after=not_after,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return context


class SMTPServer(ServerState):
    """An SMTP server on the loopback interface, a thread for each connection.

    It keeps to RFC 5321, 2920 (PIPELINING), 3030 (CHUNKING), 3207 (STARTTLS), 4954 (AUTH)
    and 1870 (SIZE), except where `on` tells it not to.

    Args:
        security: ``starttls`` offers STARTTLS and does not accept mail without it, ``tls``
            speaks TLS from the first byte, ``none`` knows no TLS.
        tls: The server's context; by default one for localhost, by an `Authority` of the
            server's own whose certificate is at ``ca_file``. Needs trustme.
        users: Password by user name. When there are any, nobody sends without login.
        tokens: Access tokens that XOAUTH2 and OAUTHBEARER take, for any user.
        mechanisms: The ways to log in that are offered; by default PLAIN and LOGIN for
            passwords, XOAUTH2 for tokens.
        extensions: What EHLO offers beside STARTTLS and AUTH.
        settle: Seconds without input after which a client is taken to wait. With a value
            above 0, ``round_trips`` counts the same whatever the packets look like.

    Attributes:
        port: The port it listens on.
        mails: The mails taken, in order.
        transcript: All lines of all connections.
        logins: The user names that logged in, in order.
        connections: How many connections there have been.
        round_trips: For each connection, how often the client had to wait for the server:
            for the greeting, for the TLS handshake, and for each flight of commands.
        ca_file: The certificate to trust, or None when ``tls`` was given.
    """

    def __init__(
        self,
        *,
        security: Literal["starttls", "tls", "none"] = "starttls",
        tls: ssl.SSLContext | None = None,
        users: Mapping[str, str] | None = None,
        tokens: Collection[str] = (),
        mechanisms: Iterable[str] | None = None,
        extensions: Iterable[str] = _EXTENSIONS,
        settle: float = 0.0,
    ) -> None:
        if mechanisms is None:
            mechanisms = (["PLAIN", "LOGIN"] if users else []) + (["XOAUTH2"] if tokens else [])
        super().__init__()
        self.security = security
        self.users = dict(users or {})
        self.tokens = tokens
        self.mechanisms = tuple(mechanisms)
        self.extensions = tuple(extensions)
        self.settle = settle
        self.ca_file: Path | None = None
        self.tls = tls
        self._threads: list[threading.Thread] = []
        with ExitStack() as stack:
            if tls is None and security != "none":
                folder = stack.enter_context(TemporaryDirectory(prefix="zenmail-smtp-"))
                authority = Authority(Path(folder))
                self.ca_file = authority.ca_file
                self.tls = authority.context()
            if self.tls is not None:
                self.tls.sslsocket_class = TLSSocket
            self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
            stack.enter_context(self._listener)
            self._open = stack.pop_all()
        self._listener.settimeout(0.05)
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(
            target=self._accept, name="zenmail-smtp-server", daemon=True
        )
        self._acceptor.start()

    def __enter__(self) -> SMTPServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def connections(self) -> int:
        """How many connections there have been."""
        return len(self.round_trips)

    def options(self, **more: Any) -> dict[str, Any]:
        """Return the SMTP transport's options for this server.

        Args:
            more: Further options, or others than these.
        """
        trusted = {} if self.ca_file is None else {"ca_file": str(self.ca_file)}
        options = {"host": "localhost", "port": self.port, "security": self.security}
        return {**options, **trusted, **more}

    def close(self) -> None:
        """Stop listening, close all connections and wait for the threads."""
        self.stopped.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the acceptor on Linux
        self._acceptor.join()
        self.drop_connections()
        for thread in self._threads:
            thread.join()
        self._open.close()

    def _accept(self) -> None:
        while not self.stopped.is_set():
            try:
                sock, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            sock.setblocking(True)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            number = len(self.round_trips)
            self.round_trips.append(0)
            session = Session(self, sock, number)
            thread = threading.Thread(
                target=session.serve, name=f"zenmail-smtp-server-{number}", daemon=True
            )
            self._threads = [item for item in self._threads if item.is_alive()] + [thread]
            thread.start()
