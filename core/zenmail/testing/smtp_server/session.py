"""The server's side of one dialogue, and the faults in it."""

from __future__ import annotations

import re
import select
import socket
import ssl
from collections.abc import Callable
from typing import Any, Literal

from .faults import Action, Cut, Delay, Drip, Drop, Endless, Inject, Phase, Send
from .logins import Login
from .records import Line, ReceivedMail
from .state import ServerState

__all__ = ["Closed", "Session", "TLSSocket"]

_LONGEST_LINE = 1 << 20


class Closed(Exception):
    """This connection is over."""


class TLSSocket(ssl.SSLSocket):
    """Of a connection that the client has reset, wrap_socket loses it before CPython 3.13."""

    def getpeername(self) -> Any:
        """Return the client's address, unless the client is gone."""
        try:
            return super().getpeername()
        except OSError:
            self.close()
            raise Closed from None


class Session:
    """The server's side of one dialogue."""

    def __init__(self, server: ServerState, sock: socket.socket, number: int) -> None:
        self._server = server
        self._socket = sock
        self._number = number
        self._input = bytearray()
        self._output = bytearray()
        self._sent = 0
        self._received = 0
        self._cut = Cut()
        self._encrypted = False
        self._username = ""
        self._forget_mail()

    def _forget_mail(self) -> None:
        self._sender: str | None = None
        self._parameters = ""
        self._recipients: list[str] = []
        self._chunks = bytearray()
        self._refused = False

    def serve(self) -> None:
        """Hold the dialogue until one side ends it."""
        self._server.opened(self._socket)
        try:
            if self._server.stopped.is_set():
                return
            self._dialogue()
        except (Closed, OSError, EOFError):
            pass
        finally:
            self._server.closed(self._socket)
            self._socket.close()

    def _dialogue(self) -> None:
        self._perform("connect", "", lambda: None)
        if self._server.security == "tls":
            self._start_tls()
        self._perform("banner", "", lambda: self._say("220 test.example ESMTP"))
        while True:
            line = self._read_line()
            verb, _, argument = line.decode("utf-8", "replace").partition(" ")
            handler = getattr(self, f"_on_{verb.lower()}", None)
            if handler is None:
                self._say("500 5.5.2 Unknown command")
            else:
                handler(argument.strip())

    # What is read and written.

    def _read_line(self, *, logged: bool = True) -> bytes:
        while (end := self._input.find(b"\n")) < 0:
            if len(self._input) > _LONGEST_LINE:
                raise Closed
            self._fill()
        line = bytes(self._input[:end]).rstrip(b"\r")
        del self._input[: end + 1]
        if logged:
            self._log("C", line)
        return line

    def _fill(self) -> None:
        """Read more; the client only sees our answers when it has nothing more to say."""
        if not self._pending(self._server.settle if self._output else 0.0):
            self._flush()
        room = 1 << 16
        if self._cut.received is not None:
            room = min(room, self._cut.received - self._received)
            if room <= 0:
                raise Closed
        data = self._socket.recv(room)
        if not data:
            raise EOFError
        self._received += len(data)
        self._input += data

    def _pending(self, seconds: float) -> bool:
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        return bool(select.select([self._socket], [], [], seconds)[0])

    def _say(self, reply: str) -> None:
        """Put a reply, whose lines are separated by a line feed, into the next flight."""
        for line in reply.split("\n"):
            self._log("S", line.encode())
            self._output += line.encode() + b"\r\n"

    def _flush(self) -> None:
        data, self._output = bytes(self._output), bytearray()
        if data:
            self._server.round_trips[self._number] += 1
            self._send(data)

    def _send(self, data: bytes) -> None:
        if self._cut.sent is not None and self._sent + len(data) >= self._cut.sent:
            self._socket.sendall(data[: self._cut.sent - self._sent])
            raise Closed
        self._socket.sendall(data)
        self._sent += len(data)

    def _log(self, speaker: Literal["C", "S"], text: bytes) -> None:
        self._server.transcript.append(Line(self._number, speaker, text, self._encrypted))

    # Faults.

    def _perform(self, phase: Phase, argument: str, usual: Callable[[], None]) -> bool:
        """Do what the script says, or the usual; return whether the usual was done."""
        return self._act(self._server.take_rule(phase, argument), usual)

    def _act(self, action: Action | None, usual: Callable[[], None]) -> bool:
        if action is None:
            usual()
            return True
        if isinstance(action, str):
            self._say(action)
            return False
        if isinstance(action, Delay):
            self._pause(action.seconds)
            usual()
            return True
        if isinstance(action, Cut):
            self._cut = action
            usual()
            return True
        if isinstance(action, Inject):
            usual()
            self._output += action.data
            return True
        if isinstance(action, Drip):
            self._flush()
            usual()
            data, self._output = bytes(self._output), bytearray()
            for position in range(len(data)):
                self._send(data[position : position + 1])
                self._pause(action.seconds)
            return True
        self._flush()
        if isinstance(action, Send):
            self._send(action.data)
            return False
        if isinstance(action, Endless):
            while True:
                self._send(action.data)
                self._pause(action.seconds)
        if isinstance(action, Drop):
            if action.after:
                self._say(action.after)
                self._flush()
            if action.reset:
                self._socket.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
                )
            raise Closed
        self._server.stopped.wait()
        raise Closed

    def _pause(self, seconds: float) -> None:
        if self._server.stopped.wait(seconds) or self._server.stopped.is_set():
            raise Closed

    # Commands.

    def _on_ehlo(self, argument: str) -> None:
        offers = list(self._server.extensions)
        if self._server.security == "starttls" and not self._encrypted:
            offers.append("STARTTLS")
        if self._server.mechanisms and (self._encrypted or self._server.security == "none"):
            offers.append("AUTH " + " ".join(self._server.mechanisms))
        *first, last = "test.example", *offers
        text = "\n".join([*(f"250-{item}" for item in first), f"250 {last}"])
        self._forget_mail()
        self._perform("ehlo", argument, lambda: self._say(text))

    def _on_helo(self, argument: str) -> None:
        self._forget_mail()
        self._perform("ehlo", argument, lambda: self._say("250 test.example"))

    def _on_starttls(self, argument: str) -> None:
        if self._server.security != "starttls" or self._encrypted:
            self._say("503 5.5.1 Not now")
            return
        if self._perform("starttls", argument, lambda: self._say("220 2.0.0 Ready")):
            self._flush()
            self._input.clear()
            self._forget_mail()
            self._start_tls()

    def _start_tls(self) -> None:
        self._perform("handshake", "", self._shake_hands)

    def _shake_hands(self) -> None:
        assert self._server.tls is not None
        plain = self._socket
        secure = self._server.tls.wrap_socket(
            plain, server_side=True, do_handshake_on_connect=False
        )
        self._server.opened(secure)
        self._server.closed(plain)
        self._socket = secure
        if self._server.stopped.is_set():
            raise Closed
        secure.do_handshake()
        self._encrypted = True
        self._server.round_trips[self._number] += 1

    def _on_auth(self, argument: str) -> None:
        mechanism, _, initial = argument.partition(" ")
        mechanism = mechanism.upper()

        def usual() -> None:
            if mechanism not in self._server.mechanisms:
                self._say("504 5.5.4 Unrecognized authentication type")
                return
            try:
                login = Login(self._server.users, self._server.tokens, self._challenge)
                username = login.attempt(mechanism, initial)
            except (ValueError, IndexError):
                self._say("501 5.5.2 Malformed")
                return
            if username is None:
                self._say("535 5.7.8 Authentication credentials invalid")
                return
            self._username = username
            self._server.logins.append(username)
            self._say("235 2.7.0 Accepted")

        self._perform("auth", argument, usual)

    def _challenge(self, challenge: str) -> str:
        self._say(f"334 {challenge}")
        return self._read_line().decode()

    def _may_send(self) -> bool:
        if self._server.security == "starttls" and not self._encrypted:
            self._say("530 5.7.0 Must issue a STARTTLS command first")
            return False
        if (self._server.users or self._server.tokens) and not self._username:
            self._say("530 5.7.0 Authentication required")
            return False
        return True

    def _on_mail(self, argument: str) -> None:
        match = re.match(r"(?i)FROM:<([^>]*)> ?(.*)\Z", argument)

        def usual() -> None:
            if match is None:
                self._say("501 5.5.4 Syntax: MAIL FROM:<address>")
            elif self._sender is not None:
                self._say("503 5.5.1 Nested MAIL")
            elif self._may_send():
                self._sender, self._parameters = match[1], match[2]
                self._say("250 2.1.0 Ok")

        self._perform("mail", argument, usual)

    def _on_rcpt(self, argument: str) -> None:
        match = re.match(r"(?i)TO:<([^>]*)>", argument)

        def usual() -> None:
            if match is None:
                self._say("501 5.5.4 Syntax: RCPT TO:<address>")
            elif self._sender is None:
                self._say("503 5.5.1 Need MAIL")
            else:
                self._recipients.append(match[1])
                self._say("250 2.1.5 Ok")

        self._perform("rcpt", argument, usual)

    def _on_data(self, argument: str) -> None:
        def usual() -> None:
            if self._sender is None:
                self._say("503 5.5.1 Need MAIL")
            elif not self._recipients:
                self._say("554 5.5.1 No valid recipients")
            else:
                self._say("354 Go ahead")

        before = len(self._output)
        self._perform("data", argument, usual)
        if bytes(self._output[before:]).startswith(b"354"):
            self._finish(self._read_data(), "DATA")

    def _begin_body(self) -> None:
        action = self._server.take_rule("body", "")
        self._refused = isinstance(action, str)
        self._act(action, lambda: None)
        if self._refused:
            self._flush()

    def _read_data(self) -> bytes:
        lines: list[bytes] = []
        started = False
        while True:
            line = self._read_line(logged=False)
            if not started:
                started = True
                self._begin_body()
            if line == b".":
                return b"".join(lines)
            lines.append(line.removeprefix(b".") + b"\r\n")

    def _on_bdat(self, argument: str) -> None:
        action = self._server.take_rule("bdat", argument)
        if isinstance(action, str):
            self._say(action)
            return
        self._act(action, lambda: None)
        size, _, last = argument.partition(" ")
        left = int(size)
        chunk = bytearray()
        while len(chunk) < left:
            if not self._input:
                self._fill()
            if not chunk:
                self._begin_body()
            taken = self._input[: left - len(chunk)]
            del self._input[: len(taken)]
            chunk += taken
        if not self._recipients:
            self._say("503 5.5.1 No valid recipients")
            return
        self._chunks += chunk
        if last.upper() == "LAST":
            self._finish(bytes(self._chunks), "BDAT")
        else:
            self._say(f"250 2.0.0 {size} octets")

    def _finish(self, content: bytes, command: Literal["DATA", "BDAT"]) -> None:
        if self._refused:
            self._forget_mail()
            return
        action = self._server.take_rule("dot", "")
        # Whatever happens to the answer, the mail is in, unless the answer is a refusal.
        if not isinstance(action, str) or action.startswith("2"):
            self._keep(content, command)
        count = len(self._server.mails)
        self._act(action, lambda: self._say(f"250 2.0.0 Ok: queued as {count}"))
        self._forget_mail()

    def _keep(self, content: bytes, command: Literal["DATA", "BDAT"]) -> None:
        self._server.mails.append(
            ReceivedMail(
                sender=self._sender or "",
                recipients=self._recipients,
                content=content,
                parameters=self._parameters,
                connection=self._number,
                command=command,
                username=self._username,
                encrypted=self._encrypted,
            )
        )

    def _on_rset(self, argument: str) -> None:
        self._forget_mail()
        self._perform("rset", argument, lambda: self._say("250 2.0.0 Ok"))

    def _on_noop(self, argument: str) -> None:
        self._perform("noop", argument, lambda: self._say("250 2.0.0 Ok"))

    def _on_quit(self, argument: str) -> None:
        self._flush()
        self._perform("quit", argument, lambda: self._say("221 2.0.0 Bye"))
        self._send(bytes(self._output))
        raise Closed
