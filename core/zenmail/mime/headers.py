"""Header fields: encoded, folded and checked (RFC 5322, 2047, 2231)."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable
from datetime import datetime, timezone
from email.utils import format_datetime
from functools import lru_cache

from ..address import parse_mailbox
from ..errors import ConfigurationError
from ..patterns import pattern

__all__ = [
    "LINE",
    "LONGEST_LINE",
    "address_header",
    "check_header_name",
    "check_identifier",
    "date_header",
    "folded_header",
    "mime_parameter",
    "text_header",
    "tidy_list_id",
]

LINE = 76
LONGEST_LINE = 998
# RFC 2047, 2: an encoded word has at most 75 characters, "=?utf-8?q?" and "?=" among them.
_WORD = 75
_FRAME = 12
_OWN_HEADERS = frozenset(
    {
        "from", "sender", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id",
        "references", "in-reply-to", "list-id", "auto-submitted", "importance", "x-priority",
        "x-auto-response-suppress", "mime-version", "return-path", "received",
    }
)  # fmt: skip
_HEADER_NAME = pattern(r"[!-9;-~]{1,70}")
_IDENTIFIER = pattern(r"<[!-;=?A-~]+@[!-;=?A-~]+>")
_ATOMS = pattern(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_NOT_ATEXT = pattern(r"[^A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+")
# RFC 2047, 5(3): the characters that need no encoding wherever the word stands.
_Q_SAFE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/"
_Q = {byte: f"={byte:02X}" for byte in range(256) if byte not in _Q_SAFE} | {32: "_"}
# RFC 2231, 7: attribute-char, less what some parsers stumble over.
_PERCENT_SAFE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_PERCENT = {byte: f"%{byte:02X}" for byte in range(256) if byte not in _PERCENT_SAFE}
_QUOTABLE = pattern(r"[ !#-\[\]-~]{1,60}")


def check_header_name(name: str) -> str:
    """Return the name of an additional header.

    Raises:
        ConfigurationError: It is not a header name, or is one that zenmail writes itself.
    """
    if not _HEADER_NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is not a header name.", remedy="Use letters, digits and hyphens."
        )
    folded = name.lower()
    if folded in _OWN_HEADERS or folded.startswith(("content-", "resent-")):
        raise ConfigurationError(
            f"The header {name!r} is set by zenmail.",
            remedy="Use the corresponding argument instead.",
        )
    return name


def check_identifier(value: str, *, field: str) -> str:
    """Return a message identifier, with its angle brackets (RFC 5322, 3.6.4).

    Raises:
        ConfigurationError: It does not have the form ``<left@right>``.
    """
    framed = value if value.startswith("<") else f"<{value}>"
    if len(framed) < LONGEST_LINE and _IDENTIFIER.fullmatch(framed):
        return framed
    raise ConfigurationError(
        f"{field}: {value[:200]!r} is not a message identifier.",
        remedy="Write it as <left@right>, in ASCII and without blanks.",
    )


def tidy_list_id(value: str) -> str:
    """Return a list identifier (RFC 2919, 2), with hyphens for what it may not hold."""
    inside = value.rpartition("<")[2].partition(">")[0]
    labels = (_NOT_ATEXT.sub("-", label).strip("-") for label in inside.split("."))
    return ".".join(label for label in labels if label)[:255].rstrip(".-")


def mime_parameter(name: str, value: str) -> str:
    """Return a MIME parameter, by RFC 2231 when it is long or not plain."""
    if _QUOTABLE.fullmatch(value) and "=?" not in value and "  " not in value:
        return f';\r\n {name}="{value}"'
    pieces, piece = [], "utf-8''"
    for character in value:
        code = character.encode("utf-8", "replace").decode("latin-1").translate(_PERCENT)
        if len(piece) + len(code) > 56:
            pieces.append(piece)
            piece = ""
        piece += code
    if not pieces:
        return f";\r\n {name}*={piece}"
    pieces.append(piece)
    return "".join(f";\r\n {name}*{index}*={piece}" for index, piece in enumerate(pieces))


def date_header(moment: datetime) -> str:
    """Return the Date field (RFC 5322, 3.6.1)."""
    offset = moment.utcoffset()
    # Zones of local mean time have seconds, which RFC 5322 has no room for.
    if offset is None or offset.seconds % 60:
        moment = moment.astimezone(timezone.utc)
    return f"Date: {format_datetime(moment)}\r\n"


def text_header(name: str, text: str) -> str:
    """Return a field of text (RFC 5322, 2.2.1), in encoded words when it is not plain."""
    if text.isascii() and text.isprintable() and "=?" not in text and "  " not in text:
        if len(name) + len(text) + 2 <= LINE:
            return f"{name}: {text}\r\n" if text else f"{name}:\r\n"
        words = text.split(" ")
        longest = max(map(len, words))
        # What programs read (RFC 2369 and the like) may not be encoded at all.
        if longest < LINE or (longest < LONGEST_LINE and name.lower().startswith("list-")):
            return folded_header(name, words)
    return folded_header(name, _encoded_words(text, LINE - len(name) - 2))


def folded_header(name: str, tokens: Iterable[str]) -> str:
    """Return a field of tokens, with line breaks between them where it is long."""
    lines: list[str] = []
    line = f"{name}:"
    for token in tokens:
        if len(line) + 1 + len(token) > LINE:
            lines.append(line)
            line = ""
        line += f" {token}"
    lines.append(f"{line}\r\n")
    return "\r\n".join(lines)


def _encoded_words(text: str, room: int = _WORD) -> list[str]:
    """Return RFC 2047 words of at most 75 characters, whole characters in each."""
    limit = (min(room, _WORD) if room > _WORD // 2 else _WORD) - _FRAME
    data = text.encode("utf-8", "replace")
    code = data.decode("latin-1").translate(_Q)
    words, start = [], 0
    if len(code) > limit and len(code) * 3 > len(data) * 4:
        while start < len(data):
            end = start + limit // 4 * 3
            while end < len(data) and data[end] & 0xC0 == 0x80:
                end -= 1
            encoded = binascii.b2a_base64(data[start:end], newline=False).decode("ascii")
            words.append(f"=?utf-8?b?{encoded}?=")
            start, limit = end, _WORD - _FRAME
        return words
    while start < len(code):
        end = start + limit
        if end < len(code):
            # Neither inside "=XX", nor before the byte that continues a character.
            end -= 1 if code[end - 1] == "=" else 2 if code[end - 2] == "=" else 0
            while code[end] == "=" and code[end + 1] in "89AB":
                end -= 3
        words.append(f"=?utf-8?q?{code[start:end]}?=")
        start, limit = end, _WORD - _FRAME
    return words


def address_header(name: str, mailboxes: Iterable[str], *, smtputf8: bool) -> str:
    """Return a field of addresses.

    Args:
        name: The field's name.
        mailboxes: The addresses, each with or without a display name.
        smtputf8: Whether those with a non-ASCII local part stand there as they are
            (RFC 6532), or described, for servers that know only ASCII (RFC 6857).
    """
    tokens: list[str] = []
    for text in mailboxes:
        if tokens:
            tokens[-1] += ","
        tokens += _mailbox(text, smtputf8)
    return folded_header(name, tokens)


@lru_cache(maxsize=4096)
def _mailbox(text: str, smtputf8: bool) -> tuple[str, ...]:
    mailbox = parse_mailbox(text)
    if mailbox.smtputf8 and not smtputf8:
        return (*_encoded_words(f"{mailbox.name} {mailbox.address}".strip()), ":;")
    if not mailbox.name:
        return (mailbox.address,)
    return (*_phrase(mailbox.name), f"<{mailbox.address}>")


def _phrase(name: str) -> list[str]:
    if name.isascii() and name.isprintable() and "=?" not in name and "  " not in name:
        if _ATOMS.fullmatch(name):
            words = name.split(" ")
            if max(map(len, words)) < LINE:
                return words
        elif len(quoted := '"' + re.sub(r'(["\\])', r"\\\1", name) + '"') < LINE:
            return [quoted]
    return _encoded_words(name)
