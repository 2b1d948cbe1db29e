"""What a server can be told to do wrong, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "Action",
    "Cut",
    "Delay",
    "Drip",
    "Drop",
    "Endless",
    "Hang",
    "Inject",
    "Phase",
    "Rule",
    "Send",
]

Phase = Literal[
    "connect", "banner", "ehlo", "starttls", "handshake", "auth", "mail", "rcpt", "data",
    "bdat", "body", "dot", "rset", "noop", "quit",
]  # fmt: skip


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
    """Send the answer a byte at a time, with a pause of some seconds after each."""

    seconds: float = 0.1


@dataclass(frozen=True)
class Endless:
    """Send the same bytes over and over, with a pause of some seconds in between."""

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
    """Close the connection after a number of bytes. Only for the phase "connect".

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
class Rule:
    """An action, and how often it is still taken for what holds the text ``matching``."""

    action: Action
    matching: str
    times: int | None

    def take(self, argument: str) -> bool:
        """Return whether the rule applies, and count it when it does."""
        if self.times == 0 or self.matching not in argument:
            return False
        if self.times is not None:
            self.times -= 1
        return True
