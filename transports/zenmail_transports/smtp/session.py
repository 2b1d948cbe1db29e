"""A connection to a server, step by step to the login, and the dialogues over it."""

from __future__ import annotations

import ssl
import time
from typing import TypeVar

from zenmail import Deadline, PermanentFailure

from .auth import Credentials, log_in
from .dialogue import Capabilities, Dialogue, greet, introduce, upgrade
from .options import SMTPOptions
from .reach import Address, connect
from .wire import Lost, Wire

__all__ = ["Session"]

_T = TypeVar("_T")
# How much of the time left one phase before the end of a mail may take: a server that
# hangs in it, one of several behind a name, leaves time for another.
_PHASE = 0.4
# Mails in flight on a new connection.
_FIRST_WINDOW = 5


class Session:
    """One connection.

    Args:
        options: The server and who logs in.
        wire: A fresh connection to it.

    Attributes:
        capabilities: What the server offers.
        mechanism: How the client logged in, or "".
        mails: How many mails it has carried.
        proven: Whether the last mail it carried was taken in chunks.
        window: How many mails may be in flight on it, once it is proven.
        opened: When it was opened, in seconds of ``time.monotonic()``.
        last_used: When it last carried a mail, likewise.
    """

    def __init__(self, options: SMTPOptions, wire: Wire) -> None:
        self.wire = wire
        self._options = options
        self.capabilities = Capabilities()
        self.mechanism = ""
        self.mails = 0
        self.proven = False
        self.window = _FIRST_WINDOW
        self.opened = self.last_used = time.monotonic()

    @classmethod
    def dial(
        cls, options: SMTPOptions, addresses: list[Address], deadline: Deadline
    ) -> Session:
        """Connect to one of the addresses; those that were tried are taken out.

        Raises:
            TemporaryFailure: None answers.
        """
        sock = connect(addresses, options.host, options.port, deadline.part(_PHASE))
        try:
            return cls(options, Wire(sock, options.host, options.port))
        except BaseException:
            sock.close()
            raise

    def converse(self, dialogue: Dialogue[_T], deadline: Deadline) -> _T:
        """Hold a dialogue and return its result.

        Raises:
            Lost: The connection broke, and the dialogue made nothing of it.
            DeliveryError: As the dialogue says.
        """
        try:
            flight = next(dialogue)
            while True:
                limit = deadline if flight.final else deadline.part(_PHASE)
                try:
                    replies = self.wire.exchange(
                        flight.pieces, flight.replies, flight.what, limit
                    )
                except Lost as lost:
                    flight = dialogue.throw(lost)
                else:
                    flight = dialogue.send(replies)
        except StopIteration as stop:
            result: _T = stop.value
            return result

    def encrypt(self, context: ssl.SSLContext | None, deadline: Deadline) -> None:
        """Go from a fresh connection to the server's greeting over TLS, if it is wanted.

        Raises:
            DeliveryError: The server does not greet, or cannot be trusted.
        """
        if self._options.security == "tls" and context is not None:
            self.wire.start_tls(context, deadline.part(_PHASE))
        self.converse(greet(), deadline)
        if self._options.security == "starttls" and context is not None:
            self.introduce(deadline)
            self.converse(upgrade(self.capabilities, self._options.port), deadline)
            if not self.wire.quiet:
                # An attacker in between wants their words taken for the server's
                # (CVE-2011-0411 and its kin).
                raise PermanentFailure(
                    "Unencrypted data arrived after STARTTLS, before TLS was established.",
                    code="starttls-injection",
                    remedy="Somebody may be tampering with the connection: set `security` "
                    "to 'tls' and `port` to 465.",
                )
            self.wire.start_tls(context, deadline.part(_PHASE))

    def introduce(self, deadline: Deadline) -> None:
        """Say EHLO; what was known of the server before is forgotten.

        Raises:
            DeliveryError: The server takes neither EHLO nor HELO.
        """
        self.capabilities = self.converse(introduce(self._name()), deadline)

    def _name(self) -> str:
        if self._options.ehlo_name:
            return self._options.ehlo_name
        # RFC 5321, 4.1.3; asking for this machine's name could ask a name server.
        address = self.wire.local_address.partition("%")[0]
        return f"[IPv6:{address}]" if ":" in address else f"[{address}]"

    def log_in(self, credentials: Credentials, deadline: Deadline) -> None:
        """Log in.

        Raises:
            DeliveryError: The server refuses the credentials, or the connection is not
                encrypted.
        """
        if not (self.wire.encrypted or self._options.allow_insecure_login):
            raise PermanentFailure(
                "The connection is not encrypted, so no credentials were sent.",
                code="insecure-login",
                remedy="Set `security` to 'starttls' or 'tls'.",
            )
        self.mechanism = self.converse(log_in(credentials, self.capabilities), deadline)

    def close(self) -> None:
        """Say goodbye and close the connection."""
        self.wire.say_goodbye()
        self.wire.close()
