"""A mail as bytes: RFC 5322 and MIME, 7-bit, CRLF.

The standard library's generator is not used: before CPython 3.13 a Subject can end its
header block or add a recipient (CVE-2024-6923), non-ASCII domains become undeliverable,
and a mail takes it a hundred times as long.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from email.utils import format_datetime
from hashlib import blake2b
from typing import TYPE_CHECKING

from .address import parse_mailbox
from .errors import ConfigurationError

if TYPE_CHECKING:
    from .email import Attachment, Email

__all__ = ["check_header_name", "measure", "write"]

_LINE = 76
_WORD = 75
_OWN_HEADERS = frozenset(
    {
        "from", "sender", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id",
        "references", "in-reply-to", "list-id", "auto-submitted", "importance", "x-priority",
        "x-auto-response-suppress", "mime-version", "return-path", "received", "resent-bcc",
    }
)
_PLAIN_SUBJECT = re.compile(r"[!-~]+(?: [!-~]+)*\Z")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*\Z")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+\Z")
_IMPORTANCE = {"high": ("high", "1"), "low": ("low", "5")}
# RFC 2047, 5(3): the characters that need no encoding wherever the word stands.
_Q_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_ENCODE_BLOCK = 57 * 1024


def check_header_name(name: str) -> str:
    """Return the name of an additional header.

    Raises:
        ConfigurationError: It is no header name, or one that zenmail writes itself.
    """
    if not re.match(r"[!-9;-~]{1,70}\Z", name):
        raise ConfigurationError(f"{name!r} is not a header name.")
    if name.lower() in _OWN_HEADERS or name.lower().startswith("content-"):
        raise ConfigurationError(
            f"The header {name!r} is zenmail's own.", remedy="Use the argument for it instead."
        )
    return name


def write(email: Email) -> Iterator[bytes]:
    """Yield the mail in pieces."""
    root = _compose(email)
    yield "".join(_headers(email)).encode("utf-8")
    yield from root.chunks()


def measure(email: Email) -> int:
    """Return the length of the mail in bytes."""
    return len("".join(_headers(email)).encode("utf-8")) + _compose(email).size()


class _Leaf:
    """A part with a body of its own."""

    def __init__(self, head: str, body: bytes) -> None:
        self._bytes = head.encode("ascii") + b"\r\n" + body

    def chunks(self) -> Iterator[bytes]:
        yield self._bytes

    def size(self) -> int:
        return len(self._bytes)


class _File:
    """A part whose body is base64 of an attachment."""

    def __init__(self, attachment: Attachment) -> None:
        self._attachment = attachment
        self._head = _attachment_head(attachment).encode("ascii") + b"\r\n"

    def chunks(self) -> Iterator[bytes]:
        yield self._head
        path, content = self._attachment.path, self._attachment.content
        if path is None:
            view = memoryview(content or b"")
            for start in range(0, len(view), _ENCODE_BLOCK):
                yield _base64(view[start : start + _ENCODE_BLOCK])
            return
        promised = self._attachment.size
        with path.open("rb") as stream:
            while promised and (block := stream.read(min(_ENCODE_BLOCK, promised))):
                promised -= len(block)
                yield _base64(block)

    def size(self) -> int:
        full, rest = divmod(self._attachment.size, 57)
        return len(self._head) + full * 78 + ((rest + 2) // 3 * 4 + 2 if rest else 0)


class _Multipart:
    """A part that holds others."""

    def __init__(self, kind: str, boundary: str, parts: list[_Leaf | _File | _Multipart]) -> None:
        self._head = (
            f'Content-Type: multipart/{kind};\r\n boundary="{boundary}"\r\n\r\n'.encode()
        )
        self._separator = f"--{boundary}\r\n".encode()
        self._end = f"--{boundary}--\r\n".encode()
        self._parts = parts

    def chunks(self) -> Iterator[bytes]:
        yield self._head
        for part in self._parts:
            yield self._separator
            yield from part.chunks()
            yield b"\r\n"
        yield self._end

    def size(self) -> int:
        inner = sum(len(self._separator) + part.size() + 2 for part in self._parts)
        return len(self._head) + inner + len(self._end)


def _compose(email: Email) -> _Leaf | _File | _Multipart:
    inline = [_File(item) for item in email.attachments if item.content_id and email.html]
    files = [_File(item) for item in email.attachments if not (item.content_id and email.html)]
    # "=_" occurs in no quoted-printable, base64 or (see _text) 7-bit body, so no content
    # can end a part; the digest keeps the bytes the same in every try.
    mark = blake2b(email.message_id.encode("utf-8"), digest_size=9).hexdigest()
    part: _Leaf | _File | _Multipart = _text("plain", email.text)
    if email.html is not None:
        html: _Leaf | _Multipart = _text("html", email.html)
        if inline:
            html = _Multipart('related; type="text/html"', f"=_r{mark}", [html, *inline])
        part = _Multipart("alternative", f"=_a{mark}", [part, html])
    if files:
        part = _Multipart("mixed", f"=_m{mark}", [part, *files])
    return part


def _text(kind: str, text: str) -> _Leaf:
    head = f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: "
    if not text.endswith("\n"):
        text += "\n"
    wire = text.replace("\n", "\r\n")
    if wire.isascii() and "=_" not in wire and all(
        len(line) <= _LINE and not line.endswith((" ", "\t")) and not line.startswith("From ")
        for line in text.split("\n")
    ):
        return _Leaf(head + "7bit\r\n", wire.encode("ascii"))
    data = wire.encode("utf-8")
    if len(data) > 1.4 * len(wire):
        return _Leaf(head + "base64\r\n", _base64(data))
    return _Leaf(head + "quoted-printable\r\n", _quoted_printable(data))


def _quoted_printable(data: bytes) -> bytes:
    return binascii.b2a_qp(data, istext=True).replace(b"\nFrom ", b"\n=46rom ")


def _base64(data: bytes | memoryview) -> bytes:
    flat = binascii.b2a_base64(data, newline=False)
    full, rest = divmod(len(flat), _LINE)
    lines = bytearray(full * 78)
    for column in range(_LINE if full else 0):
        lines[column::78] = flat[column : full * _LINE : _LINE]
    lines[76::78] = b"\r" * full
    lines[77::78] = b"\n" * full
    if rest:
        lines += flat[full * _LINE :] + b"\r\n"
    return bytes(lines)


def _headers(email: Email) -> Iterator[str]:
    yield _addresses("From", [email.sender])
    if email.to:
        yield _addresses("To", email.to)
    elif not email.cc:
        yield "To: undisclosed-recipients:;\r\n"
    if email.cc:
        yield _addresses("Cc", email.cc)
    if email.reply_to:
        yield _addresses("Reply-To", email.reply_to)
    yield _unstructured("Subject", email.subject)
    yield f"Date: {_date(email.date)}\r\n"
    yield _identifier("Message-ID", email.message_id)
    if email.thread:
        yield _identifier("References", email.thread)
        yield _identifier("In-Reply-To", email.thread)
    if email.list_id:
        yield _identifier("List-Id", f"<{email.list_id.strip('<>')}>")
    # RFC 3834 and [MS-OXCMAIL] 2.2.3.2.14: no answer from a machine.
    yield "Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\n"
    if email.importance in _IMPORTANCE:
        word, number = _IMPORTANCE[email.importance]
        yield f"Importance: {word}\r\nX-Priority: {number}\r\n"
    for name, value in email.headers.items():
        yield _unstructured(name, value)
    yield "MIME-Version: 1.0\r\n"


def _date(moment: datetime) -> str:
    return format_datetime(moment)


def _identifier(name: str, value: str) -> str:
    value = re.sub(r"[^!-~]", "", value)
    return f"{name}:{_gap(name, value)}{value}\r\n"


def _gap(name: str, value: str) -> str:
    return " " if len(name) + len(value) + 2 <= _LINE else "\r\n "


def _unstructured(name: str, text: str) -> str:
    room = _LINE - len(name) - 2
    if len(text) <= room and (not text or (_PLAIN_SUBJECT.match(text) and "=?" not in text)):
        return f"{name}: {text}\r\n"
    words = text.split(" ")
    if (
        text.isascii()
        and _PLAIN_SUBJECT.match(text)
        and "=?" not in text
        and max(map(len, words)) < _LINE - 1
        and len(words[0]) <= room
    ):
        return f"{name}: {_fold(words, room)}\r\n"
    return f"{name}: {_encoded_words(text, room)}\r\n"


def _fold(words: Iterable[str], room: int) -> str:
    lines: list[str] = []
    line, left = "", room
    for word in words:
        if line and len(line) + 1 + len(word) > left:
            lines.append(line)
            line, left = word, _LINE - 1
        else:
            line = f"{line} {word}" if line else word
    lines.append(line)
    return "\r\n ".join(lines)


def _encoded_words(text: str, room: int) -> str:
    """Return RFC 2047 words of at most 75 characters, whole characters in each."""
    frame = len("=?utf-8?q??=")
    words: list[str] = []
    word, limit = "", min(_WORD, max(room, 30)) - frame
    for character in text:
        code = "".join(
            chr(byte) if byte in _Q_SAFE else "_" if byte == 32 else f"={byte:02X}"
            for byte in character.encode("utf-8")
        )
        if len(word) + len(code) > limit:
            words.append(word)
            word, limit = "", _WORD - frame
        word += code
    words.append(word)
    return "\r\n ".join(f"=?utf-8?q?{word}?=" for word in words)


def _addresses(name: str, mailboxes: Iterable[str]) -> str:
    lines, line = [], f"{name}:"
    for index, text in enumerate(mailboxes):
        if index:
            line += ","
        mailbox = parse_mailbox(text)
        label = _phrase(mailbox.name)
        for piece in (label, f"<{mailbox.address}>" if label else mailbox.address):
            if not piece:
                continue
            if len(line) + 1 + len(piece.partition("\r\n")[0]) > _LINE and line.strip():
                lines.append(line)
                line = ""
            line += f" {piece}"
            if "\r\n" in line:
                *done, line = line.split("\r\n")
                lines += done
    lines.append(line)
    return "\r\n".join(lines) + "\r\n"


def _phrase(name: str) -> str:
    if not name:
        return ""
    if name.isascii() and "=?" not in name and len(name) < _LINE - 8:
        if _ATOMS.match(name):
            return name
        return '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    return _encoded_words(name, _LINE - 12)


def _attachment_head(attachment: Attachment) -> str:
    disposition = "inline" if attachment.content_id else "attachment"
    kind = attachment.content_type
    if not re.match(r"[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+\Z", kind) or kind.startswith(
        ("multipart/", "message/")
    ):
        kind = "application/octet-stream"
    head = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n"
    head += f"Content-Disposition: {disposition}{_parameter('filename', attachment.filename)}\r\n"
    if attachment.content_id:
        head += _identifier("Content-ID", f"<{attachment.content_id.strip('<>')}>")
    return head


def _parameter(name: str, value: str) -> str:
    """Return a MIME parameter, by RFC 2231 when it is long or not plain."""
    if _TOKEN.match(value) and len(value) <= 50:
        return f';\r\n {name}="{value}"'
    coded = ["%" + format(byte, "02X") if chr(byte) not in _RFC2231_SAFE else chr(byte)
             for byte in value.encode("utf-8")]
    if sum(map(len, coded)) <= 50:
        return f";\r\n {name}*=utf-8''{''.join(coded)}"
    pieces, piece = [], "utf-8''"
    for code in coded:
        if len(piece) + len(code) > 56:
            pieces.append(piece)
            piece = ""
        piece += code
    pieces.append(piece)
    return "".join(f";\r\n {name}*{index}*={piece}" for index, piece in enumerate(pieces))


_RFC2231_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_~")
