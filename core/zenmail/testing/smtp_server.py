"""An SMTP server for tests: real sockets, real TLS, and faults by script.

```python
with SMTPServer(users={"u": "p"}) as server:
    server.on("rcpt", "550 5.1.1 Unknown", matching="bob@")
    mailer = Mailer("smtp", options=server.options(username="u", password="p"))
    receipt = mailer.send(email)
assert server.mails[0].recipients == ["alice@example.com"]
```
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import select
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal

__all__ = [
    "Action",
    "Authority",
    "Cut",
    "Delay",
    "Drip",
    "Drop",
    "Endless",
    "Hang",
    "Inject",
    "Line",
    "Phase",
    "ReceivedMail",
    "SMTPServer",
    "Send",
]

Phase = Literal[
    "connect",
    "banner",
    "ehlo",
    "starttls",
    "handshake",
    "auth",
    "mail",
    "rcpt",
    "data",
    "bdat",
    "body",
    "dot",
    "rset",
    "noop",
    "quit",
]

DEFAULT_EXTENSIONS = (
    "PIPELINING",
    "SIZE 35882577",
    "8BITMIME",
    "SMTPUTF8",
    "ENHANCEDSTATUSCODES",
    "CHUNKING",
)
_LONGEST_LINE = 1 << 20


@dataclass(frozen=True)
class Drop:
    """Close the connection in place of an answer.

    Attributes:
        after: What to send first, a reply without its line end, or "".
        reset: Whether with RST, as a crashed machine does, in place of FIN.
    """

    after: str = ""
    reset: bool = False


@dataclass(frozen=True)
class Hang:
    """Answer nothing and keep the connection open until the server is closed."""


@dataclass(frozen=True)
class Drip:
    """Send the answer a byte at a time.

    Attributes:
        seconds: The pause after each byte.
    """

    seconds: float = 0.1


@dataclass(frozen=True)
class Endless:
    """Send the same bytes over and over, as fast as the client takes them or slower.

    Attributes:
        data: The bytes.
        seconds: The pause in between.
    """

    data: bytes
    seconds: float = 0.0


@dataclass(frozen=True)
class Send:
    """Send some bytes, whatever they are, in place of the answer, and go on."""

    data: bytes


@dataclass(frozen=True)
class Inject:
    """Send the answer, and some bytes behind it in the same packet."""

    data: bytes


@dataclass(frozen=True)
class Delay:
    """Wait some seconds before the answer."""

    seconds: float


@dataclass(frozen=True)
class Cut:
    """Close the connection after so many bytes. Only for the phase "connect".

    Bytes are counted as the dialogue has them, without TLS.

    Attributes:
        sent: After this many bytes from the server, or None.
        received: After this many bytes from the client, or None.
    """

    sent: int | None = None
    received: int | None = None


Action = str | Drop | Hang | Drip | Endless | Send | Inject | Delay | Cut
"""What the server does in a phase; a str is the reply to give, "550 5.1.1 Unknown"."""


@dataclass
class _Rule:
    action: Action
    matching: str
    times: int | None


@dataclass(frozen=True)
class Line:
    """One line of a dialogue.

    Attributes:
        connection: Which connection, counted from 0.
        speaker: "C" for the client, "S" for the server.
        text: What was said, without the line end; mails are left out.
        encrypted: Whether TLS was on.
    """

    connection: int
    speaker: Literal["C", "S"]
    text: bytes
    encrypted: bool


@dataclass(frozen=True)
class ReceivedMail:
    """A mail that the server took, even if its answer did not get through.

    Attributes:
        sender: The address of MAIL.
        recipients: The addresses of RCPT that were accepted.
        content: The mail, without the dots that DATA doubles.
        parameters: The parameters of MAIL, such as ``SIZE=321``.
        connection: Which connection, counted from 0.
        command: "DATA" or "BDAT".
        username: Who was logged in, or "".
        encrypted: Whether TLS was on.
    """

    sender: str
    recipients: list[str]
    content: bytes = field(repr=False)
    parameters: str = ""
    connection: int = 0
    command: Literal["DATA", "BDAT"] = "DATA"
    username: str = ""
    encrypted: bool = False

    @property
    def message(self) -> EmailMessage:
        """The mail, parsed."""
        return message_from_bytes(self.content, policy=policy.default)


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


class SMTPServer:
    """An SMTP server on the loopback interface, a thread for each connection.

    It keeps to RFC 5321, 2920 (PIPELINING), 3030 (CHUNKING), 3207 (STARTTLS), 4954 (AUTH)
    and 1870 (SIZE), except where `on` tells it not to.

    Args:
        security: ``starttls`` offers STARTTLS and takes no mail without it, ``tls``
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
        host: The address to listen on.

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
        extensions: Iterable[str] = DEFAULT_EXTENSIONS,
        settle: float = 0.0,
        host: str = "127.0.0.1",
    ) -> None:
        self.security = security
        self.users = dict(users or {})
        self.tokens = tokens
        self.extensions = tuple(extensions)
        self.settle = settle
        self.host = host
        if mechanisms is None:
            mechanisms = (["PLAIN", "LOGIN"] if self.users else []) + (
                ["XOAUTH2"] if tokens else []
            )
        self.mechanisms = tuple(mechanisms)
        self.mails: list[ReceivedMail] = []
        self.transcript: list[Line] = []
        self.logins: list[str] = []
        self.round_trips: list[int] = []
        self.ca_file: Path | None = None
        self._rules: dict[str, list[_Rule]] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._folder = tempfile.TemporaryDirectory(prefix="zenmail-smtp-")
        try:
            self.tls = tls
            if tls is None and security != "none":
                authority = Authority(Path(self._folder.name))
                self.ca_file = authority.ca_file
                self.tls = authority.context()
            if self.tls is not None:
                self.tls.sslsocket_class = _TLSSocket
            self._listener = socket.create_server((host, 0), backlog=128)
        except BaseException:
            self._folder.cleanup()
            raise
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
        options: dict[str, Any] = {
            "host": "localhost" if self.host == "127.0.0.1" else self.host,
            "port": self.port,
            "security": self.security,
        }
        if self.ca_file is not None:
            options["ca_file"] = str(self.ca_file)
        return {**options, **more}

    def on(
        self,
        phase: Phase,
        action: Action,
        *,
        matching: str = "",
        times: int | None = None,
    ) -> None:
        """Tell the server what to do in a phase in place of what is right.

        Args:
            phase: "connect" and "banner" come before the first line; "handshake" in place
                of TLS; "body" when the first bytes of a mail are in (a reply refuses it,
                and is the only one), "dot" when the last ones are; the others when the
                command has been read. A reply to "bdat" is
                that of a server that does not know BDAT: what follows is read as commands.
            action: What to do.
            matching: Only when the command's argument holds this text.
            times: How often; for ever by default. Rules for one phase take turns in the
                order in which they were made: the first that still applies does.
        """
        with self._lock:
            self._rules.setdefault(phase, []).append(_Rule(action, matching, times))

    def forget(self) -> None:
        """Take back every rule."""
        with self._lock:
            self._rules.clear()

    def lines(
        self, speaker: Literal["C", "S"] = "C", connection: int | None = None
    ) -> list[str]:
        """Return what one side said, without line ends.

        Args:
            speaker: "C" for the client, "S" for the server.
            connection: Only of this connection.
        """
        return [
            line.text.decode("utf-8", "replace")
            for line in list(self.transcript)
            if line.speaker == speaker and connection in (None, line.connection)
        ]

    def drop_connections(self) -> None:
        """Close all open connections, as a server does that restarts."""
        with self._lock:
            sockets = list(self._sockets)
        for sock in sockets:
            _shut(sock)

    def close(self) -> None:
        """Stop listening, close all connections and wait for the threads."""
        self._stopped.set()
        self._acceptor.join()
        self._listener.close()
        self.drop_connections()
        for thread in self._threads:
            thread.join()
        self._folder.cleanup()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                sock, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            sock.setblocking(True)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                number = len(self.round_trips)
                self.round_trips.append(0)
            connection = _Connection(self, sock, number)
            thread = threading.Thread(
                target=connection.serve, name=f"zenmail-smtp-server-{number}", daemon=True
            )
            self._threads = [item for item in self._threads if item.is_alive()] + [thread]
            thread.start()

    def _take_rule(self, phase: Phase, argument: str) -> Action | None:
        with self._lock:
            for rule in self._rules.get(phase, ()):
                if rule.times != 0 and rule.matching in argument:
                    if rule.times is not None:
                        rule.times -= 1
                    return rule.action
        return None


class _Closed(Exception):
    """This connection is over."""


class _TLSSocket(ssl.SSLSocket):
    """Of a connection that the client has reset, wrap_socket loses it before CPython 3.13."""

    def getpeername(self) -> Any:
        try:
            return super().getpeername()
        except OSError:
            self.close()
            raise _Closed from None


class _Connection:
    """The server's side of one dialogue."""

    def __init__(self, server: SMTPServer, sock: socket.socket, number: int) -> None:
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
        with self._server._lock:
            self._server._sockets.add(self._socket)
        try:
            if self._server._stopped.is_set():
                return
            self._dialogue()
        except (_Closed, OSError, EOFError):
            pass
        finally:
            with self._server._lock:
                self._server._sockets.discard(self._socket)
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
                raise _Closed
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
                raise _Closed
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
            raise _Closed
        self._socket.sendall(data)
        self._sent += len(data)

    def _log(self, speaker: Literal["C", "S"], text: bytes) -> None:
        self._server.transcript.append(Line(self._number, speaker, text, self._encrypted))

    # Faults.

    def _perform(self, phase: Phase, argument: str, usual: Callable[[], None]) -> bool:
        """Do what the script says, or the usual; return whether the usual was done."""
        return self._act(self._server._take_rule(phase, argument), usual)

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
            raise _Closed
        self._server._stopped.wait()
        raise _Closed

    def _pause(self, seconds: float) -> None:
        if self._server._stopped.wait(seconds) or self._server._stopped.is_set():
            raise _Closed

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
        with self._server._lock:
            self._server._sockets.discard(plain)
            self._server._sockets.add(secure)
        self._socket = secure
        if self._server._stopped.is_set():
            raise _Closed
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
                username = _MECHANISMS[mechanism](self, initial)
            except (binascii.Error, ValueError, IndexError):
                self._say("501 5.5.2 Malformed")
                return
            if username is None:
                self._say("535 5.7.8 Authentication credentials invalid")
                return
            self._username = username
            self._server.logins.append(username)
            self._say("235 2.7.0 Accepted")

        self._perform("auth", argument, usual)

    def ask(self, challenge: bytes) -> str:
        """Send a challenge and return the client's answer, decoded."""
        self._say("334 " + base64.b64encode(challenge).decode())
        return _decode(self._read_line().decode())

    def check(self, username: str, password: str) -> str | None:
        """Return the user name if the password is right."""
        return username if self._server.users.get(username) == password else None

    def check_token(self, username: str, token: str) -> str | None:
        """Return the user name if the token is right; else have the client confirm."""
        if token in self._server.tokens:
            return username
        self._say("334 " + base64.b64encode(b'{"status":"401"}').decode())
        self._read_line()
        return None

    def check_digest(self, username: str, challenge: bytes, digest: str) -> str | None:
        """Return the user name if the CRAM-MD5 digest is right."""
        key = self._server.users.get(username)
        if key is None:
            return None
        right = hmac.new(key.encode(), challenge, "md5").hexdigest()
        return username if hmac.compare_digest(right, digest) else None

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
        action = self._server._take_rule("body", "")
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
        action = self._server._take_rule("bdat", argument)
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
        action = self._server._take_rule("dot", "")
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
        raise _Closed


def _shut(sock: socket.socket) -> None:
    # Not SSLSocket.shutdown: that takes TLS away from under the thread that reads.
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _decode(text: str) -> str:
    return base64.b64decode(text, validate=True).decode("utf-8")


def _plain(connection: _Connection, initial: str) -> str | None:
    answer = _decode(initial) if initial else connection.ask(b"")
    _, username, password = answer.split("\0")
    return connection.check(username, password)


def _login(connection: _Connection, initial: str) -> str | None:
    username = _decode(initial) if initial else connection.ask(b"Username:")
    return connection.check(username, connection.ask(b"Password:"))


def _cram_md5(connection: _Connection, initial: str) -> str | None:
    challenge = f"<{time.time_ns()}@test.example>".encode()
    username, _, digest = connection.ask(challenge).rpartition(" ")
    return connection.check_digest(username, challenge, digest)


def _xoauth2(connection: _Connection, initial: str) -> str | None:
    user, bearer = _decode(initial).split("\1")[:2]
    return connection.check_token(
        user.removeprefix("user="), bearer.removeprefix("auth=Bearer ")
    )


def _oauthbearer(connection: _Connection, initial: str) -> str | None:
    header, *pairs = _decode(initial).split("\1")
    fields = {name: value for name, _, value in (pair.partition("=") for pair in pairs)}
    user = header.split(",")[1].removeprefix("a=").replace("=2C", ",").replace("=3D", "=")
    return connection.check_token(user, fields["auth"].removeprefix("Bearer "))


_MECHANISMS: dict[str, Callable[[_Connection, str], str | None]] = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram_md5,
    "XOAUTH2": _xoauth2,
    "OAUTHBEARER": _oauthbearer,
}
