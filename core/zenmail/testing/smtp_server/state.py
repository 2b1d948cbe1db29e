"""What all connections of a server share: its set-up, its script and its records."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Literal

from .faults import Action, Phase, Rule

__all__ = ["Line", "ReceivedMail", "ServerState"]


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


class ServerState:
    """A server's set-up, its script, its records and its open connections."""

    security: Literal["starttls", "tls", "none"]
    tls: ssl.SSLContext | None
    users: dict[str, str]
    tokens: Collection[str]
    mechanisms: tuple[str, ...]
    extensions: tuple[str, ...]
    settle: float

    def __init__(self) -> None:
        self.mails: list[ReceivedMail] = []
        self.transcript: list[Line] = []
        self.logins: list[str] = []
        self.round_trips: list[int] = []
        self.stopped = threading.Event()
        self._rules: dict[str, list[Rule]] = {}
        self._lock = threading.Lock()
        self.sockets: set[socket.socket] = set()

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
            self._rules.setdefault(phase, []).append(Rule(action, matching, times))

    def forget(self) -> None:
        """Take back every rule."""
        with self._lock:
            self._rules.clear()

    def take_rule(self, phase: Phase, argument: str) -> Action | None:
        """Return what to do in a phase in place of what is right, if anything."""
        with self._lock:
            for rule in self._rules.get(phase, ()):
                if rule.take(argument):
                    return rule.action
        return None

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
        for sock in list(self.sockets):
            # Not SSLSocket.shutdown: that takes TLS away from under the thread that reads.
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
