"""The socket: TLS, and one deadline over all that is sent and read."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import ssl
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from zenmail import Deadline, DeadlineExceeded, DeliveryError, TemporaryFailure
from zenmail.runtime.forks import defer_forks

from .advice import CUT_OFF, tls_failure
from .advice import failure as failure_for
from .reach import Selector
from .replies import BadReply, Reply, ReplyReader

__all__ = ["Lost", "TLSSocket", "Wire"]

_PORTS = "Check `host`, `port` and `security`: 'starttls' goes with port 587, 'tls' with 465."
_READ = 65536
_WRITE = 65536
# Seconds within which an answer counts as prompt. A server on this machine or beside it takes
# less than a process takes to fall asleep and be woken, which is a fifth of a burst.
_PROMPT = 200e-6
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
_SLOW = "Raise the deadline if the server is slow; otherwise check `host` and `port`."
# A server that expects TLS at once waits for the client to begin.
_SILENT = {
    "the connection": "If the port expects TLS from the first byte, as 465 usually does, set "
    "`security` to 'tls'. " + _SLOW,
}


class Lost(Exception):
    """The connection is of no use any more.

    Attributes:
        failure: What to raise when it is certain that the mail was not taken.
        replies: The replies that came before.
        sent: Whether the last byte of what was to be sent had been handed over.
        handed_over: How many bytes of it had been.
    """

    def __init__(
        self,
        failure: DeliveryError,
        replies: list[Reply],
        *,
        sent: bool,
        handed_over: int = 0,
    ) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.replies = replies
        self.sent = sent
        self.handed_over = handed_over

    @property
    def in_step(self) -> bool:
        """Whether the replies can be matched with what was sent."""
        return self.failure.code != "protocol"


class TLSSocket(ssl.SSLSocket):
    """A TLS socket that is closed when it cannot be made."""

    def getpeername(self) -> Any:
        """Return the other end's address.

        Raises:
            ConnectionResetError: The connection is over; the socket is closed.
        """
        # SSLContext.wrap_socket asks for this before anything else. When the server has
        # reset the connection, CPython before 3.13 fails next and leaves the half-made
        # socket, which has taken over the descriptor, to the garbage collector.
        try:
            return super().getpeername()
        except OSError as error:
            self.close()
            raise ConnectionResetError(
                errno.ECONNRESET, os.strerror(errno.ECONNRESET)
            ) from error


class Wire:
    """A connection that ends by the deadline and reads while it writes.

    Reading while writing means that no number of pipelined commands can make both ends
    wait for each other, and that a server's last word is heard when it breaks off.

    Args:
        sock: A connected socket; the wire owns it from here on.
        host: The server's name, for certificates and messages.
        port: The server's port.
    """

    def __init__(self, sock: socket.socket, host: str, port: int) -> None:
        self._socket = sock
        self._host = host
        self._port = port
        self._reader = ReplyReader()
        self._handed_over = 0
        self._prompt = False
        # With a single processor, the server could not answer while we look.
        self._may_look = _processors() > 1
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def encrypted(self) -> bool:
        """Whether TLS is on."""
        return isinstance(self._socket, ssl.SSLSocket)

    @property
    def local_address(self) -> str:
        """This end's IP address."""
        return str(self._socket.getsockname()[0])

    @property
    def peer_address(self) -> str:
        """The server's IP address."""
        return str(self._socket.getpeername()[0])

    @property
    def quiet(self) -> bool:
        """Whether the server has said nothing that was not asked for, so far as is known."""
        return self._reader.empty

    def alive(self) -> bool:
        """Whether the idle connection still stands: neither closed nor holding a farewell."""
        if not self._reader.empty:
            return False
        try:
            # Past TLS: that nothing at all has come is the usual case, and known sooner.
            socket.socket.recv(self._socket, 1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        try:
            self._socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return True
        except OSError:
            return False
        return False

    def has_input(self, *, within: Deadline) -> bool:
        """Wait for the server's next bytes; return whether any came in time."""
        try:
            self._wait(selectors.EVENT_READ, within)
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Close the socket at once; over TLS nothing more is sent."""
        self._socket.close()

    def say_goodbye(self) -> None:
        """Send QUIT if that takes no time, and do not wait for the answer."""
        with suppress(OSError):
            self._socket.send(b"QUIT\r\n")

    def start_tls(self, context: ssl.SSLContext, deadline: Deadline) -> None:
        """Turn TLS on and verify whom this is.

        Raises:
            DeliveryError: The handshake fails, or the certificate is not trusted.
        """
        self._reader = ReplyReader()
        try:
            with defer_forks():
                self._socket = context.wrap_socket(
                    self._socket,
                    server_hostname=self._host.encode("ascii"),
                    do_handshake_on_connect=False,
                )
            while True:
                try:
                    with defer_forks():
                        self._socket.do_handshake()
                    return
                except ssl.SSLWantReadError:
                    self._wait(selectors.EVENT_READ, deadline)
                except ssl.SSLWantWriteError:
                    self._wait(selectors.EVENT_WRITE, deadline)
        except TimeoutError:
            raise DeadlineExceeded(
                f"{self._host}:{self._port} did not finish the TLS handshake.",
                remedy=_PORTS,
            ) from None
        except OSError as error:
            raise tls_failure(error, self._host, self._port) from error

    def certificate(self) -> dict[str, Any]:
        """Return the server's verified certificate, as the ssl module describes it."""
        assert isinstance(self._socket, ssl.SSLSocket)
        return self._socket.getpeercert() or {}

    def tls_version(self) -> str:
        """Return the TLS version in use, or ""."""
        return self._socket.version() or "" if isinstance(self._socket, ssl.SSLSocket) else ""

    def exchange(
        self, pieces: Iterable[bytes], replies: int, what: str, deadline: Deadline
    ) -> list[Reply]:
        """Send some bytes and read this many replies.

        Raises:
            Lost: It cannot be done. Errors of ``pieces`` itself pass through.
        """
        got: list[Reply] = []
        sent = False
        self._handed_over = 0
        try:
            if self._reader.starts_with(b"421"):
                self._await(got, 1, deadline)
                raise EOFError
            if not self._reader.empty:
                raise BadReply("more data than expected")
            self._send(pieces, got, replies, deadline)
            sent = True
            self._await(got, replies, deadline)
            # Whether the last of several is the answer to the last command, then nobody
            # knows; but a server may say goodbye.
            if replies > 1 and not (self._reader.empty or self._reader.starts_with(b"421")):
                raise BadReply("more data than expected")
            return got
        except TimeoutError:
            failure: DeliveryError = DeadlineExceeded(
                f"{self._host}:{self._port} did not {_phrase(what)} in time.",
                remedy=_SILENT.get(what, _SLOW),
            )
        except BadReply as error:
            failure = TemporaryFailure(
                f"{self._host}:{self._port} does not speak SMTP: it sent {error}.",
                code="protocol",
                remedy=_PORTS,
            )
        except _RepliedEarly:
            failure = TemporaryFailure(
                f"{self._host}:{self._port} answered before it had {what}.", code="protocol"
            )
        except (OSError, EOFError) as error:
            failure = _broken(error, self._host, self._port, what)
        with suppress(BadReply):
            self._reader.read(got, replies)
        if got and got[-1].code == 421 and (not sent or len(got) < replies):
            failure = failure_for(got[-1], "greeting")
        raise Lost(failure, got, sent=sent, handed_over=self._handed_over)

    def _await(self, got: list[Reply], wanted: int, deadline: Deadline) -> None:
        while True:
            self._reader.read(got, wanted)
            if len(got) >= wanted:
                return
            if _QUICKACK is not None and (got or not self._reader.empty):
                # A server that writes reply by reply holds the next one back until this end
                # has acknowledged the last (Nagle), for which it would take its time.
                self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
            self._receive(deadline)

    def _send(
        self, pieces: Iterable[bytes], got: list[Reply], replies: int, deadline: Deadline
    ) -> None:
        for block in _blocks(pieces):
            # Looking at the clock for each block keeps a fast reader from outliving it. Once
            # the last one is sent, only the answer tells the outcome.
            if deadline.expired:
                raise TimeoutError
            view = memoryview(block)
            while view:
                try:
                    taken = self._socket.send(view)
                    self._handed_over += taken
                    view = view[taken:]
                    continue
                except (BlockingIOError, ssl.SSLWantWriteError):
                    ready = self._wait(selectors.EVENT_READ | selectors.EVENT_WRITE, deadline)
                except ssl.SSLWantReadError:
                    ready = self._wait(selectors.EVENT_READ, deadline)
                except OSError:
                    with suppress(OSError, EOFError):
                        self._take()  # its last words
                    raise
                if ready & selectors.EVENT_READ:
                    self._take()
                    self._reader.read(got, replies)
                    if len(got) >= replies:
                        raise _RepliedEarly

    def _receive(self, deadline: Deadline) -> None:
        """Wait for what comes next and feed the reader."""
        left, began = _left(deadline), time.monotonic()
        while self._prompt:
            if self._take():
                return
            self._prompt = time.monotonic() - began < _PROMPT
        # The time-out of one recv() is a deadline, over TLS as well; it costs a tenth of what
        # a selector does.
        self._socket.settimeout(left)
        try:
            self._take()
        finally:
            self._socket.setblocking(False)
        self._prompt = self._may_look and time.monotonic() - began < _PROMPT

    def _take(self) -> bool:
        """Feed the reader what has come, and return whether there was any."""
        try:
            data = self._socket.recv(_READ)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        if not data:
            raise EOFError
        self._reader.feed(data)
        return True

    def _wait(self, events: int, deadline: Deadline) -> int:
        with Selector() as selector:
            selector.register(self._socket, events)
            ready = selector.select(_left(deadline))
        if not ready:
            raise TimeoutError
        return ready[0][1]


def _left(deadline: Deadline) -> float:
    """Return the seconds until the deadline.

    Raises:
        TimeoutError: There are none.
    """
    left = deadline.remaining()
    if not left:
        raise TimeoutError
    return left


def _processors() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _RepliedEarly(Exception):
    """All replies came before all was sent."""


def _phrase(what: str) -> str:
    return "send its greeting" if what == "the connection" else f"answer {what}"


def _broken(error: Exception, host: str, port: int, what: str) -> TemporaryFailure:
    if isinstance(error, ssl.SSLError) and not isinstance(
        error, ssl.SSLEOFError | ssl.SSLZeroReturnError
    ):
        return TemporaryFailure(
            f"The TLS connection to {host}:{port} failed: {error.reason}.",
            code="tls",
            remedy="If the server asks for a client certificate, set `client_cert_file`.",
        )
    if what == "the connection":
        return TemporaryFailure(
            f"{host}:{port} closed the connection before its greeting.",
            code="connection-lost",
            remedy=CUT_OFF,
        )
    return TemporaryFailure(
        f"{host}:{port} closed the connection and did not {_phrase(what)}.",
        code="connection-lost",
    )


def _blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the pieces in blocks: few packets for little, bounded memory for much."""
    block: list[bytes] = []
    size = 0
    for piece in pieces:
        block.append(piece)
        size += len(piece)
        if size >= _WRITE:
            yield b"".join(block)
            block.clear()
            size = 0
    if size:
        yield b"".join(block)
