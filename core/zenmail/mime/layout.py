"""A mail as bytes: RFC 5322 and MIME, 7-bit, CRLF.

The standard library's generator is not used: before CPython 3.13 a Subject can end its
header block or add a recipient (CVE-2024-6923), non-ASCII domains become undeliverable,
and a mail takes it a hundred times as long.
"""

from __future__ import annotations

import binascii
import logging
import re
import struct
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from email.utils import format_datetime
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

from ..address import parse_mailbox
from ..errors import ConfigurationError, TemporaryFailure

if TYPE_CHECKING:
    from ..email import Attachment, Email

__all__ = [
    "EncodedFile",
    "Piece",
    "check_content_type",
    "check_header_name",
    "check_identifier",
    "lay_out",
    "tidy_list_id",
]

_logger = logging.getLogger(__name__)

_LINE = 76
_LONGEST_LINE = 998
_BLANKS = frozenset({b" ", b"\t"})
_ESCAPED = {byte: f"={byte:02X}" for byte in (61, *range(128, 256))}
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
_HEADER_NAME = re.compile(r"[!-9;-~]{1,70}")
_IDENTIFIER = re.compile(r"<[!-;=?A-~]+@[!-;=?A-~]+>")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_NOT_ATEXT = re.compile(r"[^A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+")
_MIME_NAME = "[A-Za-z0-9!#$&^_.+-]{1,127}"  # RFC 6838, 4.2
_CONTENT_TYPE = re.compile(
    rf"{_MIME_NAME}/{_MIME_NAME}"
    rf'(?: *; *{_MIME_NAME}=(?:{_MIME_NAME}|"[ !#-\[\]-~]{{0,200}}"))*'
)
_IMPORTANCE = {"high": ("high", "1"), "low": ("low", "5")}
# RFC 2047, 5(3): the characters that need no encoding wherever the word stands.
_Q_SAFE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/"
_Q = {byte: f"={byte:02X}" for byte in range(256) if byte not in _Q_SAFE} | {32: "_"}
# RFC 2231, 7: attribute-char, less what some parsers stumble over.
_PERCENT_SAFE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_PERCENT = {byte: f"%{byte:02X}" for byte in range(256) if byte not in _PERCENT_SAFE}
_QUOTABLE = re.compile(r"[ !#-\[\]-~]{1,60}")

# 57 bytes are one line of base64; a block is what is read, encoded and sent at once.
_LINE_BYTES = 57
_LINES = struct.Struct(f"{_LINE}s" * 1024)
_BLOCK = _LINE_BYTES * 1024


def check_header_name(name: str) -> str:
    """Return the name of an additional header.

    Raises:
        ConfigurationError: It is no header name, or one that zenmail writes itself.
    """
    if not _HEADER_NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is not a header name.", remedy="Use letters, digits and hyphens."
        )
    folded = name.lower()
    if folded in _OWN_HEADERS or folded.startswith(("content-", "resent-")):
        raise ConfigurationError(
            f"The header {name!r} is zenmail's own.", remedy="Use the argument for it instead."
        )
    return name


def check_identifier(value: str, *, field: str) -> str:
    """Return a message identifier, with its angle brackets (RFC 5322, 3.6.4).

    Raises:
        ConfigurationError: It does not have the form ``<left@right>``.
    """
    framed = value if value.startswith("<") else f"<{value}>"
    if len(framed) < _LONGEST_LINE and _IDENTIFIER.fullmatch(framed):
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


def check_content_type(value: str) -> str:
    """Return the MIME type of an attachment, its parameters included.

    Raises:
        ConfigurationError: It is no MIME type, or none that an attachment can have.
    """
    value = value.strip()
    if not _CONTENT_TYPE.fullmatch(value) or value.lower().startswith("multipart/"):
        raise ConfigurationError(
            f"{value[:200]!r} is not the MIME type of an attachment.",
            remedy="Write it like text/csv, or leave it out.",
        )
    return value


class EncodedFile:
    """The body of an attachment, encoded while it is sent.

    The length is promised when the mail is first measured. A file that has grown since is
    sent as far as promised; one that has shrunk cannot keep the promise.
    """

    __slots__ = ("_attachment", "_bytes", "size")

    def __init__(self, attachment: Attachment) -> None:
        self._attachment = attachment
        self._bytes = attachment.size
        full, rest = divmod(self._bytes, _LINE_BYTES)
        self.size = full * (_LINE + 2) + ((rest + 2) // 3 * 4 + 2 if rest else 0) or 2

    def chunks(self) -> Iterator[bytes]:
        """Yield exactly ``size`` bytes.

        Raises:
            TemporaryFailure: The file has become shorter, or is gone.
        """
        attachment = self._attachment
        if not self._bytes:
            yield b"\r\n"
        elif attachment.path is None:
            view = memoryview(attachment.content or b"")
            for start in range(0, len(view), _BLOCK):
                yield _base64(view[start : start + _BLOCK])
        else:
            left = self._bytes
            try:
                with attachment.path.open("rb") as stream:
                    while left:
                        block = stream.read(min(_BLOCK, left))
                        if len(block) < min(_BLOCK, left):
                            raise EOFError("it has become shorter")
                        left -= len(block)
                        yield _base64(block)
            except (OSError, EOFError) as error:
                raise TemporaryFailure(
                    f"The attachment {attachment.filename!r} changed on the way: {error}.",
                    code="attachment-changed",
                ) from error


Piece = bytes | EncodedFile
_Part = list[Piece]


def lay_out(email: Email, *, smtputf8: bool = True) -> tuple[Piece, ...]:
    """Return the mail as bytes and files still to be read, in order.

    Args:
        email: The mail.
        smtputf8: Whether addresses with a non-ASCII local part stand in the headers as
            they are (RFC 6532), or described, for servers that know only ASCII (RFC 6857).
    """
    inline: list[Attachment] = []
    files: list[Attachment] = []
    for item in email.attachments:
        (inline if item.content_id and email.html is not None else files).append(item)
    single = email.html is None and not files
    # "=_" occurs in no quoted-printable, base64 or (see _text) 7-bit body, so no content
    # can end a part; the digest keeps the bytes the same in every try.
    mark = blake2b(email.message_id.encode("utf-8"), digest_size=9).hexdigest()
    part = _text("plain", email.text, closed=not single)
    if email.html is not None:
        html = _text("html", email.html, closed=True)
        if inline:
            html = _multipart(
                'related; type="text/html"', f"=_r{mark}", [html, *map(_attachment, inline)]
            )
        part = _multipart("alternative", f"=_a{mark}", [part, html])
    if files:
        part = _multipart("mixed", f"=_m{mark}", [part, *map(_attachment, files)])
    head = "".join(_headers(email, smtputf8)).encode("utf-8")
    return tuple(_joined([head, *part]))


def _joined(pieces: _Part) -> Iterator[Piece]:
    run: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            run.append(piece)
        else:
            yield b"".join(run)
            yield piece
            run = []
    yield b"".join(run)


def _multipart(kind: str, boundary: str, parts: list[_Part]) -> _Part:
    delimiter = f"--{boundary}\r\n".encode()
    head = f'Content-Type: multipart/{kind};\r\n boundary="{boundary}"\r\n\r\n'
    pieces: _Part = [head.encode()]
    for part in parts:
        pieces.append(delimiter)
        pieces += part
    pieces.append(f"--{boundary}--\r\n".encode())
    return pieces


def _text(kind: str, text: str, *, closed: bool) -> _Part:
    """Return a text part; ``closed`` adds the line end that belongs to the delimiter."""
    data = text.encode("utf-8", "replace")
    # Three characters for each byte against four for every three; a few are readable.
    if len(data) - len(text) > max(len(text) // 6, 20):
        encoding, body = "base64", _base64(data.replace(b"\n", b"\r\n"))
        closed = False
    else:
        encoding, body = _readable(data)
    head = (
        f"Content-Type: text/{kind}; charset=utf-8\r\n"
        f"Content-Transfer-Encoding: {encoding}\r\n\r\n"
    )
    if closed or not body.endswith(b"\r\n"):
        body += b"\r\n"
    return [head.encode("ascii") + body]


def _readable(data: bytes) -> tuple[str, bytes]:
    """Return an encoding that keeps letters as they are, and the data in it.

    What no relay may want to change (RFC 2045, 6.7 and RFC 5321, 4.5.2) stays wholly as
    it is. ``binascii.b2a_qp`` is not used for the rest: it looks at every byte, while most
    lines need no more than their equals signs escaped; and a blank can make its lines too
    long.
    """
    if is_ascii := data.isascii():
        lines = data.replace(b"=", b"=3D").split(b"\n")
    else:
        lines = data.decode("latin-1").translate(_ESCAPED).encode("ascii").split(b"\n")
    long = [number for number, line in enumerate(lines) if len(line) > _LINE]
    if not _has_fragile_lines(data, lines):
        if (
            is_ascii
            and all(len(lines[number].replace(b"=3D", b"=")) <= _LINE for number in long)
            and data.rfind(b"=_") < 0
        ):
            return "7bit", data.replace(b"\n", b"\r\n")
        fragile = long
    else:
        fragile = [number for number, line in enumerate(lines) if _is_fragile(line)]
    for number in fragile:
        lines[number] = _quoted_printable_line(lines[number])
    return "quoted-printable", b"\r\n".join(lines)


def _has_fragile_lines(data: bytes, lines: list[bytes]) -> bool:
    """Whether some line is fragile for another reason than its length."""
    framed = b"\n%b\n" % data
    # CPython searches for what is short in half the time when it goes backwards.
    return (
        framed.rfind(b" \n") >= 0
        or (b"\t" in data and b"\t\n" in framed)
        or framed.rfind(b"\nFrom ") >= 0
        or b"." in lines
    )


def _is_fragile(line: bytes) -> bool:
    """Whether some relay may want to change a line that has been escaped."""
    return (
        len(line) > _LINE or line[-1:] in _BLANKS or line == b"." or line.startswith(b"From ")
    )


def _quoted_printable_line(line: bytes) -> bytes:
    """Return a line, in ASCII and its equals signs escaped already, as one or several."""
    if line[-1:] in _BLANKS:
        line = line[:-1] + b"=%02X" % line[-1]
    pieces: list[bytes] = []
    start = 0
    while len(line) - start > _LINE:
        end = start + _LINE - 1
        # No break inside an escape.
        mark = line.find(b"=", end - 2, end)
        end = mark if mark >= 0 else end
        pieces.append(line[start:end])
        start = end
    pieces.append(line[start:] if line[start:] != b"." else b"=2E")
    body = b"=\r\n".join(pieces)
    if body.startswith(b"From "):
        body = b"=46rom=\r\n " + body[5:]
    return body.replace(b"\nFrom ", b"\n=46rom=\r\n ")


def _base64(data: bytes | memoryview) -> bytes:
    """Return base64 in lines of 76 characters, each with its CRLF."""
    flat = binascii.b2a_base64(data, newline=False)
    lines: list[bytes] = []
    start = 0
    while len(flat) - start >= _LINES.size:
        lines += _LINES.unpack_from(flat, start)
        start += _LINES.size
    lines += [flat[at : at + _LINE] for at in range(start, len(flat), _LINE)]
    lines.append(b"")
    return b"\r\n".join(lines)


def _attachment(attachment: Attachment) -> _Part:
    try:
        body = EncodedFile(attachment)
    except OSError as error:
        _logger.warning("The attachment %r cannot be read: %s.", attachment.filename, error)
        attachment = attachment.stand_in(error)
        body = EncodedFile(attachment)
    content = attachment.content
    kind, encoding = attachment.content_type, "base64"
    if kind.lower().startswith("message/"):
        # RFC 2046, 5.2.1: a message is never in base64.
        if kind.lower() == "message/rfc822" and content is not None and _is_wire_text(content):
            return [_part_head(attachment, kind, "7bit"), content, b"\r\n"]
        kind = "application/octet-stream"
    elif kind.lower().startswith("text/") and "charset" not in kind.lower() and content:
        try:
            content.decode("utf-8")
            kind += "; charset=utf-8"
        except UnicodeDecodeError:
            pass
    return [_part_head(attachment, kind, encoding), body]


def _is_wire_text(content: bytes) -> bool:
    """Whether bytes can stand in a mail as they are: ASCII, CRLF, no line too long."""
    if not content.isascii() or b"\0" in content or b"--=_" in content:
        return False
    lines = content.split(b"\r\n")
    return max(map(len, lines)) <= _LONGEST_LINE and not any(
        b"\r" in line or b"\n" in line for line in lines
    )


def _part_head(attachment: Attachment, kind: str, encoding: str) -> bytes:
    disposition = "inline" if attachment.content_id else "attachment"
    head = _fold("Content-Type", [item.strip() for item in re.split("(?<=;)", kind)])
    head += f"Content-Transfer-Encoding: {encoding}\r\n"
    head += (
        f"Content-Disposition: {disposition}{_parameter('filename', attachment.filename)}\r\n"
    )
    if attachment.content_id:
        head += _fold("Content-ID", [f"<{attachment.content_id}>"])
    if attachment.alt:
        head += _unstructured("Content-Description", attachment.alt)
    return (head + "\r\n").encode("ascii")


def _parameter(name: str, value: str) -> str:
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


def _headers(email: Email, smtputf8: bool) -> Iterator[str]:
    yield _addresses("From", (email.sender,), smtputf8)
    if email.to:
        yield _addresses("To", email.to, smtputf8)
    elif not email.cc:
        yield "To: undisclosed-recipients:;\r\n"
    if email.cc:
        yield _addresses("Cc", email.cc, smtputf8)
    if email.reply_to:
        yield _addresses("Reply-To", email.reply_to, smtputf8)
    yield _unstructured("Subject", email.subject)
    yield f"Date: {_date(email.date)}\r\n"
    yield _fold("Message-ID", (email.message_id,))
    if email.thread and email.thread != email.message_id:
        yield _fold("In-Reply-To", (email.thread,))
        yield _fold("References", (email.thread,))
    if email.list_id:
        yield _fold("List-Id", (f"<{email.list_id}>",))
    # RFC 3834 and [MS-OXCMAIL] 2.2.3.2.14: no answer from a machine.
    yield "Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\n"
    if email.importance in _IMPORTANCE:
        word, number = _IMPORTANCE[email.importance]
        yield f"Importance: {word}\r\nX-Priority: {number}\r\n"
    for name, value in email.headers.items():
        yield _unstructured(name, value)
    yield "MIME-Version: 1.0\r\n"


def _date(moment: datetime) -> str:
    offset = moment.utcoffset()
    # Zones of local mean time have seconds, which RFC 5322 has no room for.
    if offset is None or offset.seconds % 60:
        moment = moment.astimezone(timezone.utc)
    return format_datetime(moment)


def _unstructured(name: str, text: str) -> str:
    if text.isascii() and text.isprintable() and "=?" not in text and "  " not in text:
        if len(name) + len(text) + 2 <= _LINE:
            return f"{name}: {text}\r\n" if text else f"{name}:\r\n"
        words = text.split(" ")
        longest = max(map(len, words))
        # What programs read (RFC 2369 and the like) may not be encoded at all.
        if longest < _LINE or (longest < _LONGEST_LINE and name.lower().startswith("list-")):
            return _fold(name, words)
    return _fold(name, _encoded_words(text, _LINE - len(name) - 2))


def _fold(name: str, tokens: Iterable[str]) -> str:
    lines: list[str] = []
    line = f"{name}:"
    for token in tokens:
        if len(line) + 1 + len(token) > _LINE:
            lines.append(line)
            line = ""
        line += f" {token}"
    lines.append(f"{line}\r\n")
    return "\r\n".join(lines)


def _encoded_words(text: str, room: int = _WORD) -> list[str]:
    """Return RFC 2047 words of at most 75 characters, whole characters in each.

    Args:
        text: What to encode.
        room: What is left on the line for the first word.
    """
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


def _addresses(name: str, mailboxes: tuple[str, ...], smtputf8: bool) -> str:
    tokens: list[str] = []
    for text in mailboxes:
        if tokens:
            tokens[-1] += ","
        tokens += _mailbox(text, smtputf8)
    return _fold(name, tokens)


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
            if max(map(len, words)) < _LINE:
                return words
        elif len(quoted := '"' + re.sub(r'(["\\])', r"\\\1", name) + '"') < _LINE:
            return [quoted]
    return _encoded_words(name)
