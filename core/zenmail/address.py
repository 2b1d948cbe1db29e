"""Mail addresses: as people write them, and as SMTP takes them."""

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from .clean import clean_line
from .errors import AddressError
from .patterns import pattern
from .runtime.forks import defer_forks

__all__ = ["Mailbox", "as_sender", "parse_mailbox", "split_addresses", "split_valid"]

# What needs neither IDNA nor a look at the special cases: RFC 5321's Dot-string and
# letter-digit-hyphen labels. A label with "--" in third place is left to IDNA.
_ATEXT = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_LABEL = "(?!..--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PLAIN = pattern(
    rf"(?=.{{1,64}}@)({_ATEXT}+(?:\.{_ATEXT}+)*)@((?:{_LABEL}\.)+(?!..--)[A-Za-z]{{2,63}})"
)
_LONGEST = 254
_SHOWN = 200
_DEEPEST = 8
_MOST = 100_000
_SPECIAL_USE = frozenset(
    ("arpa", "internal", "invalid", "lan", "local", "localhost", "localdomain", "onion", "test")
)
_SEPARATOR = pattern(r'[,;\n\r\["]')
_QUOTED = pattern(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_MARK = pattern(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[<>@,;\r\n]', re.DOTALL)
_GROUP = pattern(r'[^:;,"<@\[]*:')
# RFC 5322, 3.2.3: what a display name without quotation marks cannot hold.
_SPECIALS = pattern(r'[()<>\[\]:;@\\,."]')


class Mailbox(NamedTuple):
    """One sender or recipient.

    ``str()`` gives the form that `Email` takes, with the name in quotation marks where it
    needs them.

    Attributes:
        name: Display name, or "".
        address: ``local@domain``, the domain in ASCII (IDNA 2008 A-labels).
    """

    name: str
    address: str

    @property
    def domain(self) -> str:
        """The part after the last @."""
        return self.address.rpartition("@")[2]

    @property
    def smtputf8(self) -> bool:
        """Whether only servers that offer SMTPUTF8 (RFC 6531) can take the address."""
        return not self.address.isascii()

    def __str__(self) -> str:
        if not self.name:
            return self.address
        if _SPECIALS.search(self.name):
            name = self.name.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{name}" <{self.address}>'
        return f"{self.name} <{self.address}>"


@lru_cache(maxsize=4096)
def parse_mailbox(text: str) -> Mailbox:
    """Read ``local@domain`` or ``Name <local@domain>``.

    The name is cleaned of what a header cannot hold; the address is never changed.

    Args:
        text: One address.

    Raises:
        AddressError: The address is invalid.
    """
    address = text.strip(" \t\r\n")
    name = ""
    if address.endswith(">"):
        before, _, inside = address[:-1].rpartition("<")
        name, address = _read_name(before, shown=text), inside.strip(" \t")
    if _GROUP.match(address):
        raise _refusal(text, "groups of addresses are not supported")
    return Mailbox(name=name, address=_normalise(address, shown=text))


def as_sender(value: object) -> str:
    """Return a sender as text.

    Raises:
        AddressError: It is neither text nor a `Mailbox`.
    """
    if isinstance(value, Mailbox):
        return str(value)
    if isinstance(value, str):
        return str.__str__(value)
    raise AddressError(f"The sender is a {type(value).__name__}, not a mail address.")


def split_valid(value: object) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the valid addresses of a list, as `Email` has them, and what is wrong with others.

    Args:
        value: What `split_addresses` takes.

    Raises:
        AddressError: It is neither text nor a list of texts.
    """
    valid: list[str] = []
    invalid: dict[str, str] = {}
    for text in split_addresses(value):
        try:
            valid.append(str(parse_mailbox(text)))
        except AddressError as error:
            invalid[clean_line(text, limit=_SHOWN)] = error.message
    return tuple(valid), invalid


def _read_name(text: str, *, shown: str) -> str:
    text = text.strip()
    quoted = _QUOTED.fullmatch(text)
    if quoted:
        return clean_line(re.sub(r"\\(.)", r"\1", quoted[1], flags=re.DOTALL))
    if "<" in text or ">" in text:
        raise _refusal(shown, "it has more than one pair of angle brackets")
    parts = split_addresses(text)
    if len(parts) > 1 and any("@" in part for part in parts):
        raise _refusal(shown, "it has more than one address")
    return clean_line(text)


def _normalise(address: str, *, shown: str) -> str:
    plain = _PLAIN.fullmatch(address)
    if plain and len(address) <= _LONGEST:
        local, domain = plain[1], plain[2].lower()
        if domain.rpartition(".")[2] not in _SPECIAL_USE:
            return f"{local}@{domain}"
    if len(address) > 4 * _LONGEST:
        raise _refusal(shown, "it is too long")
    return _normalise_unusual(address, shown=shown)


@defer_forks()  # it imports the library, which imports its tables when it needs them
def _normalise_unusual(address: str, *, shown: str) -> str:
    from email_validator import EmailNotValidError, validate_email

    # The library refuses localhost, .local and .test; relays inside a cluster are called
    # just that.
    last = address.rpartition("@")[2].rpartition(".")[2].lower()
    suffix = ".example.com" if last in _SPECIAL_USE else ""
    try:
        found = validate_email(
            address + suffix,
            check_deliverability=False,
            globally_deliverable=False,
            allow_quoted_local=True,
            allow_domain_literal=True,
        )
    except EmailNotValidError as error:
        reason = clean_line(str(error)).rstrip(".")
        refusal = _refusal(shown, reason[:1].lower() + reason[1:])
    else:
        local = found.ascii_local_part or found.local_part
        return f"{local}@{found.ascii_domain}".removesuffix(suffix)
    raise refusal


def _refusal(shown: str, reason: str) -> AddressError:
    return AddressError(f"{clean_line(shown, limit=_SHOWN)!r} is not a mail address: {reason}.")


def split_addresses(value: object, *, depth: int = 0) -> tuple[str, ...]:
    """Return the single addresses of a list, a JSON list or a separated string.

    Commas, semicolons and line ends separate, but not inside quotation marks or angle
    brackets; a line end separates only after an address. Between semicolons a name may have a
    comma, as Outlook writes it.

    Args:
        value: What a user gave; None and "" are no address.
        depth: How many lists enclose the value.

    Raises:
        AddressError: It is neither text nor a list of texts, or a name has a comma and no
            quotation marks.
    """
    if value is None or (type(value) is tuple and not value):
        return ()
    if isinstance(value, Mailbox):
        return (str(value),)
    if isinstance(value, str):
        return _split_text(str.__str__(value).strip())
    if isinstance(value, Iterable) and not isinstance(value, bytes | bytearray | dict):
        if depth >= _DEEPEST:
            raise AddressError("Lists of addresses are nested too deeply.")
        items = list(islice(value, _MOST + 1))
        if len(items) > _MOST:
            raise AddressError(f"More than {_MOST:,} addresses.", remedy="Use a mailing list.")
        return tuple(part for item in items for part in split_addresses(item, depth=depth + 1))
    raise AddressError(f"Expected a mail address, got {type(value).__name__}.")


def _split_text(text: str) -> tuple[str, ...]:
    if not _SEPARATOR.search(text):
        return (text,) if text else ()
    if text.startswith("["):
        try:
            listed = json.loads(text)
        except (ValueError, RecursionError):
            listed = None
        if isinstance(listed, list) and all(isinstance(item, str) for item in listed):
            return split_addresses(listed)
    pieces: list[tuple[str, str]] = []  # each with what separates it from the next
    start = 0
    angled = addressed = False
    for found in _MARK.finditer(text):
        mark = found[0]
        if mark == "@":
            addressed = True
        elif mark in "<>":
            angled = mark == "<"
        elif not angled and (mark in ",;" or (addressed and mark in "\r\n")):
            pieces.append((text[start : found.start()].strip(), mark))
            start, addressed = found.end(), False
    outlook = any(separator == ";" for _, separator in pieces)
    pieces.append((text[start:].strip(), ";"))
    whole = _join_names(pieces)
    parts = tuple(filter(None, whole))
    if len(whole) < len(pieces) and not outlook:
        raise AddressError(
            f"{clean_line(text, limit=200)!r} has a comma in a name without quotation marks.",
            remedy=f"Write: {', '.join(parts)}",
        )
    return parts


def _join_names(pieces: list[tuple[str, str]]) -> list[str]:
    """Put together what a comma in a name took apart: ``Doe, Jane <jane@x.example>``.

    Outlook writes names like that, and semicolons between them.
    """
    whole: list[str] = []
    before: list[str] = []
    for part, separator in pieces:
        name, bracket, address = part.partition("<")
        if before and bracket and '"' not in part:
            name = ", ".join([*before, name.strip()])
            whole.append(str(Mailbox(name, address.rstrip("> "))))
            before = []
        elif separator == "," and part and not set(part) & set('@"<>:'):
            before.append(part)
        else:
            whole += [*before, part]
            before = []
    return whole
