"""A fast SMTP server that takes every mail, keeps none and counts what it saw.

It runs in a process of its own, one thread, one selector, so that what is measured is the
client. Each listener offers another set of extensions. A line on standard input is
answered with a line on standard output: ``counts`` tells what was counted since the last
time, ``quiet SECONDS`` changes how it counts; the end of the input ends the sink.

A round trip is one answer that the client had to wait for. With ``quiet`` above 0 the sink
waits for that long a silence before each answer: whatever arrives meanwhile was sent
without waiting and belongs to the same flight, so the count is exact, and slow. With 0
it answers at once, for speed, and the count is an upper bound.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import socket
import ssl
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path

EXTENSIONS = {
    "full": ("PIPELINING", "CHUNKING"),
    "pipelining": ("PIPELINING",),
    "bare": (),
}
_COMMON = ("SIZE 52428800", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")
_READ = 1 << 18
_END_OF_DATA = b"\r\n.\r\n"
_OK = b"250 2.1.0 Ok\r\n"


class Session:
    """One connection: its socket, what arrived and how far the dialogue is."""

    def __init__(self, sock: socket.socket, extensions: tuple[str, ...], sink: Sink) -> None:
        self.sock = sock
        self.over = False
        self.unsent = b""
        self._sink = sink
        self._extensions = extensions
        self._secured = self._handshaking = False
        self._flights = 0  # answers of the server during the TLS handshake
        self._rest = b""
        self._wanted: list[str] = []  # what the next lines are, when no commands
        self._reading_data = False
        self._chunk_left = 0
        self._last_chunk = False
        self._recipients = 0

    def greet(self) -> None:
        """Open the dialogue."""
        self._answer(b"220 sink.example ESMTP\r\n")

    def advance(self) -> None:
        """Take all that arrived and answer it at once."""
        if self._handshaking and not self._shake_hands():
            return
        answers: list[bytes] = []
        while not self.over and (block := self._read()):
            answers += self._consume(block)
        if answers and not self.over:
            self._answer(b"".join(answers))
            if self._handshaking:
                self._start_tls()

    def flush(self) -> None:
        """Send what the socket did not take before."""
        try:
            sent = self.sock.send(self.unsent)
        except (BlockingIOError, ssl.SSLWantWriteError):
            return
        except OSError:
            self.over = True
            return
        self.unsent = self.unsent[sent:]

    def _answer(self, data: bytes) -> None:
        self._sink.counts["round_trips"] += 1
        self.unsent += data
        self.flush()

    def _start_tls(self) -> None:
        self._sink.selector.unregister(self.sock)
        self.sock = self._sink.context.wrap_socket(
            self.sock, server_side=True, do_handshake_on_connect=False
        )
        self._sink.selector.register(self.sock, selectors.EVENT_READ, self)

    def _shake_hands(self) -> bool:
        assert isinstance(self.sock, ssl.SSLSocket)
        try:
            self.sock.do_handshake()
        except ssl.SSLWantReadError:
            self._flights += 1
            return False
        except OSError:
            self.over = True
            return False
        self._handshaking, self._secured = False, True
        # A client on the same processor may have answered before OpenSSL looks for more;
        # a full handshake waits for the server once (TLS 1.3) or twice all the same.
        least = 1 if self.sock.version() == "TLSv1.3" else 2
        self._sink.counts["round_trips"] += max(self._flights, least)
        self._sink.counts["handshakes"] += 1
        return True

    def _read(self) -> bytes:
        """Return what is there; none when that is all for now, or the client is gone."""
        try:
            block = self.sock.recv(_READ)
        except (BlockingIOError, ssl.SSLWantReadError):
            return b""
        except OSError:
            block = b""
        self.over = not block
        self._sink.counts["bytes"] += len(block)
        return block

    def _consume(self, block: bytes) -> Iterator[bytes]:
        """Yield the answers to what arrived; bodies are let go of at once."""
        data, self._rest = self._rest + block if self._rest else block, b""
        position = 0
        while position < len(data):
            if self._chunk_left:
                taken = min(self._chunk_left, len(data) - position)
                position += taken
                self._chunk_left -= taken
                if not self._chunk_left:
                    yield self._end_body()
            elif self._reading_data:
                end = data.find(_END_OF_DATA, max(position - 2, 0))
                if end < 0:
                    self._rest = data[-4:]
                    return
                position = end + len(_END_OF_DATA)
                self._reading_data = False
                yield self._end_body()
            else:
                end = data.find(b"\n", position) + 1
                if not end:
                    self._rest = data[position:]
                    return
                if answer := self._command(data[position:end]):
                    yield answer
                position = end
        if self._reading_data:
            self._rest = data[-4:]

    def _end_body(self) -> bytes:
        if self._last_chunk:
            self._sink.counts["mails"] += 1
            self._sink.counts["recipients"] += self._recipients
            self._recipients = 0
        return b"250 2.0.0 Ok: taken\r\n"

    def _command(self, line: bytes) -> bytes:
        if self._wanted:
            self._wanted.pop()
            return b"334 UGFzc3dvcmQ6\r\n" if self._wanted else b"235 2.7.0 Welcome\r\n"
        verb = line[:4].upper()
        if verb == b"RCPT":
            self._recipients += 1
            return b"250 2.1.5 Ok\r\n"
        if verb == b"MAIL":
            return _OK
        if verb == b"BDAT" and "CHUNKING" in self._extensions:
            words = line.split()
            self._chunk_left = int(words[1])
            self._last_chunk = len(words) > 2
            return b"" if self._chunk_left else self._end_body()
        if verb == b"DATA":
            self._reading_data = self._last_chunk = True
            return b"354 Go ahead\r\n"
        if verb == b"EHLO":
            offers = [*_COMMON, *self._extensions, "AUTH PLAIN LOGIN"]
            if not self._secured:
                offers.append("STARTTLS")
            lines = ["sink.example", *offers]
            return b"".join(
                f"250{' ' if item is lines[-1] else '-'}{item}\r\n".encode() for item in lines
            )
        return self._rare(verb, line)

    def _rare(self, verb: bytes, line: bytes) -> bytes:
        if verb == b"STAR":
            self._handshaking = True
            return b"220 2.0.0 Go ahead\r\n"
        if verb == b"AUTH":
            self._sink.counts["logins"] += 1
            words = line.split()
            if len(words) > 2:
                if words[1].upper() == b"PLAIN":
                    return b"235 2.7.0 Welcome\r\n"
                self._wanted.append("password")
                return b"334 UGFzc3dvcmQ6\r\n"
            self._wanted += ["user", "password"] if words[1].upper() == b"LOGIN" else ["both"]
            return b"334 VXNlcm5hbWU6\r\n"
        if verb == b"RSET":
            self._recipients = 0
            return _OK
        if verb == b"NOOP":
            return _OK
        if verb == b"QUIT":
            self._sink.counts["quits"] += 1
            return b"221 2.0.0 Bye\r\n"
        if verb == b"HELO":
            return b"250 sink.example\r\n"
        return b"502 5.5.1 Not known here\r\n"


class Sink:
    """All listeners and sessions.

    Args:
        certificate: PEM file with the server's key and certificate chain.
        quiet: Seconds of silence before each answer.
    """

    def __init__(self, certificate: Path, quiet: float = 0.0) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        self.selector = selectors.DefaultSelector()
        self.counts: Counter[str] = Counter()
        self.quiet = quiet
        self._waiting: deque[tuple[float, Session]] = deque()

    def listen(self, extensions: tuple[str, ...]) -> int:
        """Open a listener on loopback and return its port."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        listener.setblocking(False)
        self.selector.register(listener, selectors.EVENT_READ, extensions)
        return int(listener.getsockname()[1])

    def run(self) -> None:
        """Serve until standard input ends."""
        self.selector.register(sys.stdin.fileno(), selectors.EVENT_READ, "control")
        while True:
            pause = None
            if self._waiting:
                pause = max(0.0, self._waiting[0][0] - time.monotonic())
            for key, events in self.selector.select(pause):
                if isinstance(key.data, Session):
                    self._serve(key.data, events)
                elif key.data == "control":
                    if not self._control(os.read(key.fd, 4096).decode()):
                        return
                else:
                    assert isinstance(key.fileobj, socket.socket)
                    self._accept(key.fileobj, key.data)
            while self._waiting and self._waiting[0][0] <= time.monotonic():
                _, session = self._waiting.popleft()
                self.selector.register(session.sock, selectors.EVENT_READ, session)
                self._advance(session)

    def _accept(self, listener: socket.socket, extensions: tuple[str, ...]) -> None:
        sock, _ = listener.accept()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.counts["connections"] += 1
        session = Session(sock, extensions, self)
        self.selector.register(sock, selectors.EVENT_READ, session)
        session.greet()

    def _serve(self, session: Session, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            session.flush()
        if events & selectors.EVENT_READ:
            if self.quiet:
                self.selector.unregister(session.sock)
                self._waiting.append((time.monotonic() + self.quiet, session))
                return
            self._advance(session)
        elif not session.unsent:
            self.selector.modify(session.sock, selectors.EVENT_READ, session)

    def _advance(self, session: Session) -> None:
        session.advance()
        if session.over:
            self.selector.unregister(session.sock)
            session.sock.close()
        elif session.unsent:
            events = selectors.EVENT_READ | selectors.EVENT_WRITE
            self.selector.modify(session.sock, events, session)

    def _control(self, lines: str) -> bool:
        for line in lines.splitlines():
            verb, _, argument = line.partition(" ")
            if verb == "quiet":
                self.quiet = float(argument)
            print(json.dumps(self.counts), flush=True)
            self.counts = Counter()
        return bool(lines)


def main() -> None:
    """Listen once for each set of extensions, tell the ports, and serve."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("certificate", type=Path)
    parser.add_argument("--quiet", type=float, default=0.0, metavar="SECONDS")
    given = parser.parse_args()
    sink = Sink(given.certificate, given.quiet)
    ports = {name: sink.listen(extensions) for name, extensions in EXTENSIONS.items()}
    print(json.dumps(ports), flush=True)
    sink.run()


if __name__ == "__main__":
    main()
