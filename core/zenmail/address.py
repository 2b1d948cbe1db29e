"""Mail addresses as people write them, and as they travel."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from .clean import clean_line
from .errors import AddressError

__all__ = ["Mailbox", "parse_mailbox", "split_addresses"]

_ANGLED = re.compile(r"\A(?P<name>[^<>]*)<(?P<address>[^<>]*)>\s*\Z")
_RESERVED_SUFFIX = ".example.com"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One sender or recipient.

    Attributes:
        name: Display name, or "".
        address: ``local@domain``, the domain in ASCII (IDNA 2008 A-labels).
    """

    name: str
    address: str

    @property
    def domain(self) -> str:
        """The part behind the last @."""
        return self.address.rpartition("@")[2]

    @property
    def smtputf8(self) -> bool:
        """Whether only servers that offer SMTPUTF8 (RFC 6531) can take the address."""
        return not self.address.isascii()

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>" if self.name else self.address


@lru_cache(maxsize=1024)
def parse_mailbox(text: str) -> Mailbox:
    """Read ``local@domain`` or ``Name <local@domain>``.

    Args:
        text: One address.

    Raises:
        AddressError: It is not an address that can be put on the wire.
    """
    match = _ANGLED.match(text)
    name, address = (match["name"], match["address"]) if match else ("", text)
    name = clean_line(name).strip()
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return Mailbox(name=name, address=_normalise(address.strip(), shown=text))


def _normalise(address: str, *, shown: str) -> str:
    from email_validator import EmailNotValidError, EmailSyntaxError, validate_email

    def check(candidate: str) -> str:
        found = validate_email(
            candidate,
            check_deliverability=False,
            globally_deliverable=False,
            allow_quoted_local=True,
            allow_domain_literal=True,
        )
        return f"{found.ascii_local_part or found.local_part}@{found.ascii_domain}"

    try:
        try:
            return check(address)
        except EmailSyntaxError as error:
            if "special-use" not in str(error):
                raise
            # The library refuses localhost, .local and .test; relays inside a cluster
            # are called just that.
            return check(address + _RESERVED_SUFFIX).removesuffix(_RESERVED_SUFFIX)
    except EmailNotValidError as error:
        raise AddressError(
            f"{clean_line(shown, limit=200)!r} is not a mail address: {clean_line(str(error))}",
            remedy="Write it as name@example.com or 'Name <name@example.com>'.",
        ) from None


def split_addresses(value: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return the single addresses of a list, a JSON list or a comma-separated string.

    Commas inside quotation marks or angle brackets do not separate.

    Args:
        value: What a user gave; None and "" are no address.
    """
    if value is None:
        return ()
    if not isinstance(value, str):
        return tuple(part for item in value for part in split_addresses(item))
    text = value.strip()
    if text.startswith("["):
        try:
            listed = json.loads(text)
        except ValueError:
            listed = None
        if isinstance(listed, list) and all(isinstance(item, str) for item in listed):
            return split_addresses(listed)
    parts, start, quoted, angled = [], 0, False, False
    for position, character in enumerate(text):
        if character == '"' and (position == 0 or text[position - 1] != "\\"):
            quoted = not quoted
        elif not quoted and character in "<>":
            angled = character == "<"
        elif not quoted and not angled and character in ",;\n":
            parts.append(text[start:position])
            start = position + 1
    parts.append(text[start:])
    return tuple(part.strip() for part in parts if part.strip())
