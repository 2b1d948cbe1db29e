"""The parts of a mail as bytes: MIME, 7-bit, CRLF.

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
from hashlib import blake2b
from itertools import groupby
from typing import cast

from ..attachment import Attachment
from ..errors import TemporaryFailure
from .headers import LINE, LONGEST_LINE, folded_header, mime_parameter, text_header

__all__ = ["EncodedFile", "Piece", "lay_out"]

_logger = logging.getLogger(__name__)

_BLANKS = frozenset({b" ", b"\t"})
_ESCAPED = {byte: f"={byte:02X}" for byte in range(128, 256)}
# 57 bytes are one line of base64; a block is what is read, encoded and sent at once.
_LINE_BYTES = 57
_LINES = struct.Struct(f"{LINE}s" * 1024)
_BLOCK = _LINE_BYTES * 1024


class EncodedFile:
    """The body of an attachment, encoded while it is sent.

    The length is promised when the mail is first measured. A file that has grown since is
    sent as far as promised; one that has shrunk cannot keep the promise.
    """

    __slots__ = ("_attachment", "_bytes", "_length")

    def __init__(self, attachment: Attachment) -> None:
        self._attachment = attachment
        self._bytes = attachment.size
        full, rest = divmod(self._bytes, _LINE_BYTES)
        self._length = full * (LINE + 2) + ((rest + 2) // 3 * 4 + 2 if rest else 0) or 2

    def __len__(self) -> int:
        return self._length

    def chunks(self) -> Iterator[bytes]:
        """Yield exactly as many bytes as were promised.

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
                    f"The attachment {attachment.filename!r} changed while it was "
                    f"being sent: {error}.",
                    code="attachment-changed",
                ) from error


Piece = bytes | EncodedFile
_Part = list[Piece]


def lay_out(
    head: str,
    *,
    text: str,
    html: str | None,
    attachments: Iterable[Attachment],
    message_id: str,
) -> tuple[Piece, ...]:
    """Return a mail as bytes and files still to be read, in order.

    Args:
        head: The header fields that are not of MIME, each with its line end.
        text: The plain part.
        html: The HTML part, or None.
        attachments: Files; those with a ``content_id`` go beside the HTML, if there is any.
        message_id: What the boundaries between the parts are made from.
    """
    inline: list[Attachment] = []
    files: list[Attachment] = []
    for item in attachments:
        (inline if item.content_id and html is not None else files).append(item)
    single = html is None and not files
    # "=_" occurs in no quoted-printable, base64 or (see _text) 7-bit body, so no content
    # can end a part; the digest keeps the bytes the same in every try.
    mark = blake2b(message_id.encode("utf-8"), digest_size=9).hexdigest()
    part = _text("plain", text, closed=not single)
    if html is not None:
        page = _text("html", html, closed=True)
        if inline:
            page = _multipart(
                'related; type="text/html"', f"=_r{mark}", [page, *map(_attachment, inline)]
            )
        part = _multipart("alternative", f"=_a{mark}", [part, page])
    if files:
        part = _multipart("mixed", f"=_m{mark}", [part, *map(_attachment, files)])
    return tuple(_joined([f"{head}MIME-Version: 1.0\r\n".encode(), *part]))


def _joined(pieces: _Part) -> Iterator[Piece]:
    for kind, run in groupby(pieces, type):
        if kind is bytes:
            yield b"".join(cast("Iterator[bytes]", run))
        else:
            yield from run


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
    end = b"\r\n" if closed or not body.endswith(b"\r\n") else b""
    return [head.encode("ascii"), body, end]


def _readable(data: bytes) -> tuple[str, bytes]:
    """Return an encoding that keeps letters as they are, and the data in it.

    What no relay may want to change (RFC 2045, 6.7 and RFC 5321, 4.5.2) stays wholly as
    it is. ``binascii.b2a_qp`` is not used for the rest: it looks at every byte, while most
    lines need no more than their equals signs escaped; and a blank can make its lines too
    long.
    """
    lines = data.replace(b"=", b"=3D").split(b"\n")
    if not data.isascii():
        lines = [line if line.isascii() else _escaped(line) for line in lines]
    fragile = [number for number, line in enumerate(lines) if len(line) > LINE]
    if _has_fragile_lines(data, lines):
        fragile = [number for number, line in enumerate(lines) if _is_fragile(line)]
    elif (
        data.isascii()
        and all(len(lines[number].replace(b"=3D", b"=")) <= LINE for number in fragile)
        and data.rfind(b"=_") < 0
    ):
        return "7bit", data.replace(b"\n", b"\r\n")
    for number in fragile:
        lines[number] = _quoted_printable_line(lines[number])
    return "quoted-printable", b"\r\n".join(lines)


def _escaped(line: bytes) -> bytes:
    return line.decode("latin-1").translate(_ESCAPED).encode("ascii")


def _has_fragile_lines(data: bytes, lines: list[bytes]) -> bool:
    """Whether some line is fragile for another reason than its length."""
    # CPython searches for what is short in half the time when it goes backwards.
    return (
        data.rfind(b" \n") >= 0
        or data.rfind(b"\nFrom ") >= 0
        or (b"\t" in data and b"\t\n" in data)
        or data.startswith(b"From ")
        or data[-1:] in _BLANKS
        or b"." in lines
    )


def _is_fragile(line: bytes) -> bool:
    """Whether some relay may want to change a line that has been escaped."""
    return len(line) > LINE or line[-1:] in _BLANKS or line == b"." or line.startswith(b"From ")


def _quoted_printable_line(line: bytes) -> bytes:
    """Return a line, in ASCII and its equals signs escaped already, as one or several."""
    if line[-1:] in _BLANKS:
        line = line[:-1] + b"=%02X" % line[-1]
    pieces: list[bytes] = []
    start = 0
    while len(line) - start > LINE:
        end = start + LINE - 1
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
    lines += [flat[at : at + LINE] for at in range(start, len(flat), LINE)]
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
    return max(map(len, lines)) <= LONGEST_LINE and not any(
        b"\r" in line or b"\n" in line for line in lines
    )


def _part_head(attachment: Attachment, kind: str, encoding: str) -> bytes:
    disposition = "inline" if attachment.content_id else "attachment"
    head = folded_header("Content-Type", [item.strip() for item in re.split("(?<=;)", kind)])
    head += f"Content-Transfer-Encoding: {encoding}\r\n"
    filename = mime_parameter("filename", attachment.filename)
    head += f"Content-Disposition: {disposition}{filename}\r\n"
    if attachment.content_id:
        head += folded_header("Content-ID", [f"<{attachment.content_id}>"])
    if attachment.alt:
        head += text_header("Content-Description", attachment.alt)
    return (head + "\r\n").encode("ascii")
