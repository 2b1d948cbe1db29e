"""The server's side of one dialogue, and the faults in it."""

from __future__ import annotations

import re
import select
import socket
import ssl
from collections.abc import Callable
from typing import Any, Literal

from .faults import Action, Cut, Delay, Drip, Drop, Endless, Hang, Inject, Phase, Send
from .logins import log_in
from .state import Line, ReceivedMail, ServerState

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
        self._server.sockets.add(self._socket)
        try:
            if self._server.stopped.is_set():
                return
            self._dialogue()
        except (Closed, OSError, EOFError):
            pass
        finally:
            self._server.sockets.discard(self._socket)
            self._socket.close()

    def _dialogue(self) -> None:
        self._perform("connect", "", lambda: None)
        if self._server.security == "tls":
            self._perform("handshake", "", self._shake_hands)
        self._perform("banner", "", lambda: self._say("220 test.example ESMTP"))
        while True:
            verb, _, argument = self._read_line().decode("utf-8", "replace").partition(" ")
            self._obey(verb.lower(), argument.strip())

    def _obey(self, verb: str, argument: str) -> None:
        match verb:
            case "ehlo" | "helo":
                self._forget_mail()
                hello = self._extensions() if verb == "ehlo" else "250 test.example"
                self._answer("ehlo", argument, lambda: hello)
            case "starttls":
                self._on_starttls(argument)
            case "auth":
                self._answer("auth", argument, lambda: self._log_in(argument))
            case "mail":
                self._answer("mail", argument, lambda: self._begin_mail(argument))
            case "rcpt":
                self._answer("rcpt", argument, lambda: self._add_recipient(argument))
            case "data":
                self._on_data(argument)
            case "bdat":
                self._on_bdat(argument)
            case "rset":
                self._forget_mail()
                self._answer("rset", argument, lambda: "250 2.0.0 Ok")
            case "noop":
                self._answer("noop", argument, lambda: "250 2.0.0 Ok")
            case "quit":
                self._flush()
                self._answer("quit", argument, lambda: "221 2.0.0 Bye")
                self._send(bytes(self._output))
                raise Closed
            case _:
                self._say("500 5.5.2 Unknown command")

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

    def _answer(self, phase: Phase, argument: str, reply: Callable[[], str]) -> None:
        self._perform(phase, argument, lambda: self._say(reply()))

    def _perform(self, phase: Phase, argument: str, usual: Callable[[], None]) -> bool:
        """Do what the script says, or the usual; return whether the usual was done."""
        return self._act(self._server.take_rule(phase, argument), usual)

    def _act(self, action: Action | None, usual: Callable[[], None]) -> bool:
        match action:
            case str():
                self._say(action)
                return False
            case Send(data):
                self._flush()
                self._send(data)
                return False
            case None:
                usual()
            case Delay(seconds):
                self._pause(seconds)
                usual()
            case Cut():
                self._cut = action
                usual()
            case Inject(data):
                usual()
                self._output += data
            case Drip(seconds):
                self._flush()
                usual()
                data, self._output = bytes(self._output), bytearray()
                for position in range(len(data)):
                    self._send(data[position : position + 1])
                    self._pause(seconds)
            case Endless(data, seconds):
                self._flush()
                while True:
                    self._send(data)
                    self._pause(seconds)
            case Drop(after, reset):
                if after:
                    self._say(after)
                self._flush()
                if reset:
                    no_linger = b"\1\0\0\0\0\0\0\0"
                    self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
                raise Closed
            case Hang():
                self._flush()
                self._server.stopped.wait()
                raise Closed
        return True

    def _pause(self, seconds: float) -> None:
        if self._server.stopped.wait(seconds):
            raise Closed

    # Commands.

    def _extensions(self) -> str:
        offers = ["test.example", *self._server.extensions]
        if self._server.security == "starttls" and not self._encrypted:
            offers.append("STARTTLS")
        if self._server.mechanisms and (self._encrypted or self._server.security == "none"):
            offers.append("AUTH " + " ".join(self._server.mechanisms))
        return "\n".join([*(f"250-{offer}" for offer in offers[:-1]), f"250 {offers[-1]}"])

    def _on_starttls(self, argument: str) -> None:
        if self._server.security != "starttls" or self._encrypted:
            self._say("503 5.5.1 Not now")
        elif self._perform("starttls", argument, lambda: self._say("220 2.0.0 Ready")):
            self._flush()
            self._input.clear()
            self._forget_mail()
            self._perform("handshake", "", self._shake_hands)

    def _shake_hands(self) -> None:
        assert self._server.tls is not None
        plain = self._socket
        secure = self._server.tls.wrap_socket(
            plain, server_side=True, do_handshake_on_connect=False
        )
        self._server.sockets.add(secure)
        self._server.sockets.discard(plain)
        self._socket = secure
        if self._server.stopped.is_set():
            raise Closed
        secure.do_handshake()
        self._encrypted = True
        self._server.round_trips[self._number] += 1

    def _log_in(self, argument: str) -> str:
        server = self._server
        mechanism, _, initial = argument.partition(" ")
        mechanism = mechanism.upper()
        if mechanism not in server.mechanisms:
            return "504 5.5.4 Unrecognized authentication type"
        try:
            username = log_in(mechanism, initial, server.users, server.tokens, self._challenge)
        except (ValueError, LookupError):
            return "501 5.5.2 Malformed"
        if username is None:
            return "535 5.7.8 Authentication credentials invalid"
        self._username = username
        server.logins.append(username)
        return "235 2.7.0 Accepted"

    def _challenge(self, challenge: str) -> str:
        self._say(f"334 {challenge}")
        return self._read_line().decode()

    def _begin_mail(self, argument: str) -> str:
        match = re.match(r"(?i)FROM:<([^>]*)> ?(.*)\Z", argument)
        if match is None:
            return "501 5.5.4 Syntax: MAIL FROM:<address>"
        if self._sender is not None:
            return "503 5.5.1 Nested MAIL"
        if self._server.security == "starttls" and not self._encrypted:
            return "530 5.7.0 Must issue a STARTTLS command first"
        if (self._server.users or self._server.tokens) and not self._username:
            return "530 5.7.0 Authentication required"
        self._sender, self._parameters = match[1], match[2]
        return "250 2.1.0 Ok"

    def _add_recipient(self, argument: str) -> str:
        match = re.match(r"(?i)TO:<([^>]*)>", argument)
        if match is None:
            return "501 5.5.4 Syntax: RCPT TO:<address>"
        if self._sender is None:
            return "503 5.5.1 Need MAIL"
        self._recipients.append(match[1])
        return "250 2.1.5 Ok"

    def _on_data(self, argument: str) -> None:
        if self._sender is None:
            reply = "503 5.5.1 Need MAIL"
        else:
            reply = "354 Go ahead" if self._recipients else "554 5.5.1 No valid recipients"
        before = len(self._output)
        self._answer("data", argument, lambda: reply)
        if self._output.startswith(b"354", before):
            self._finish(self._read_data(), "DATA")

    def _begin_body(self) -> None:
        action = self._server.take_rule("body", "")
        self._refused = isinstance(action, str)
        self._act(action, lambda: None)
        if self._refused:
            self._flush()

    def _read_data(self) -> bytes:
        content = bytearray()
        line = self._read_line(logged=False)
        self._begin_body()
        while line != b".":
            content += line.removeprefix(b".") + b"\r\n"
            line = self._read_line(logged=False)
        return bytes(content)

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
        count = len(self._server.mails)
        self._act(action, lambda: self._say(f"250 2.0.0 Ok: queued as {count}"))
        self._forget_mail()
