"""What a client says and when, without any I/O.

A dialogue is a generator: it yields a `Flight`, bytes to send and the number of replies
they call for, and is sent the replies. When the connection breaks, `Lost` is thrown into
it. So all that decides between delivered, refused and unknown can be read, and tested,
without a socket.
"""

from collections.abc import Generator, Iterable, Mapping
from typing import NamedTuple, TypeVar

from zenmail import PermanentFailure
from zenmail.patterns import pattern

from .advice import advise, failure
from .replies import Reply

__all__ = [
    "Capabilities",
    "Dialogue",
    "Flight",
    "command",
    "greet",
    "introduce",
    "probe",
    "upgrade",
]

_T = TypeVar("_T")

_CONTROL = pattern(r"[\x00-\x1f\x7f]")


class Flight(NamedTuple):
    """What travels before the client waits.

    Attributes:
        pieces: The bytes.
        replies: How many replies they call for.
        what: Name of what is waited for, for people: "EHLO", "the login".
        final: Whether it ends a mail, so that its loss leaves the outcome unknown.
    """

    pieces: Iterable[bytes]
    replies: int = 1
    what: str = ""
    final: bool = False


Dialogue = Generator[Flight, list[Reply], _T]


class Capabilities:
    """What a server announces in its answer to EHLO (RFC 5321, 4.1.1.1).

    Args:
        keywords: Keyword, in capitals, to parameters.
        greeting: The server's own name for itself.

    Attributes:
        size: The most bytes the server takes (RFC 1870), or 0 when it does not say.
    """

    def __init__(self, keywords: Mapping[str, str] | None = None, greeting: str = "") -> None:
        self.keywords = keywords or {}
        self.greeting = greeting
        value = self.keywords.get("SIZE", "").partition(" ")[0]
        known = value.isascii() and value.isdigit() and len(value) < 19
        self.size = int(value) if known else 0

    @classmethod
    def parse(cls, reply: Reply) -> "Capabilities":
        """Read the answer to EHLO."""
        keywords: dict[str, str] = {}
        for line in reply.lines[1:]:
            keyword, _, parameters = line.strip().partition(" ")
            if "=" in keyword and not parameters:  # "AUTH=PLAIN", as some old servers write it
                keyword, _, parameters = keyword.partition("=")
            name = keyword.upper()
            keywords[name] = f"{keywords.get(name, '')} {parameters}".strip()
        return cls(keywords, reply.lines[0].partition(" ")[0])

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.keywords

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The ways to log in (RFC 4954)."""
        return tuple(self.keywords.get("AUTH", "").upper().split())

    def without(self, keywords: Iterable[str]) -> "Capabilities":
        """Return the capabilities that are left when some are not to be used."""
        barred = set(keywords)
        if not barred or barred.isdisjoint(self.keywords):
            return self
        kept = {name: value for name, value in self.keywords.items() if name not in barred}
        return Capabilities(kept, self.greeting)


def greet() -> Dialogue[Reply]:
    """Wait for the server's first line.

    Raises:
        DeliveryError: It does not want to talk.
    """
    (reply,) = yield Flight((), what="the connection")
    if reply.code != 220:
        raise failure(reply, "greeting")
    return reply


def introduce(name: str) -> Dialogue[Capabilities]:
    """Say EHLO, or HELO to a server that knows no other.

    Raises:
        DeliveryError: It takes neither.
    """
    (reply,) = yield Flight([command("EHLO", name)], what="EHLO")
    if reply.code == 250:
        return Capabilities.parse(reply)
    if reply.code not in (500, 501, 502, 504, 550):
        raise failure(reply, "ehlo")
    (reply,) = yield Flight([command("HELO", name)], what="HELO")
    if reply.code != 250:
        raise failure(reply, "ehlo")
    return Capabilities(greeting=reply.lines[0].partition(" ")[0])


def upgrade(capabilities: Capabilities, port: int) -> Dialogue[None]:
    """Ask for TLS; the handshake comes next.

    Raises:
        PermanentFailure: The server does not offer it: it cannot, or somebody in between
            took the offer out (RFC 3207, 6).
    """
    if "STARTTLS" not in capabilities:
        raise PermanentFailure(
            "The server does not offer STARTTLS, so nothing was sent to it.",
            code="starttls-missing",
            remedy=(
                "Set `security` to 'tls' and `port` to 465. "
                if port != 465
                else "Set `security` to 'tls' for this port. "
            )
            + "For a relay on a network that you trust, set `security` to 'none'.",
        )
    (reply,) = yield Flight([b"STARTTLS\r\n"], what="STARTTLS")
    if reply.code != 220:
        if reply.permanent:
            raise PermanentFailure(
                f"The server offered STARTTLS but refused it: {reply}",
                code="starttls-missing",
                remedy=advise(reply, "starttls"),
            )
        raise failure(reply, "starttls")


def probe() -> Dialogue[bool]:
    """Return whether the server still answers."""
    (reply,) = yield Flight([b"NOOP\r\n"], what="NOOP")
    return reply.positive


def command(*words: str) -> bytes:
    """Return a command line.

    Raises:
        PermanentFailure: A word holds a control character, which could end the line.
    """
    line = " ".join(filter(None, words))
    if _CONTROL.search(line):
        raise PermanentFailure("A command would contain a control character.", code="address")
    return line.encode("utf-8") + b"\r\n"
