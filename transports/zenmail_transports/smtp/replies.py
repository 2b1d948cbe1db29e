"""What a server says: replies taken out of a stream of bytes (RFC 5321, 4.2)."""

import re
from functools import lru_cache
from typing import NamedTuple, cast

from zenmail.clean import clean_line
from zenmail.patterns import pattern

__all__ = ["BadReply", "Reply", "ReplyReader"]

# RFC 5321, 4.5.3.1.5 allows 512 octets; servers exceed it, none that is honest by this much.
_LONGEST_LINE = 4096
_MOST_LINES = 128
_LONGEST_TEXT = 400
_TOO_LONG = "a line that is too long"
_LINE = pattern(rb"([2-5][0-9]{2})(?:([ -])(.*))?\Z", re.DOTALL)
_ENHANCED = pattern(r"([245]\.\d{1,3}\.\d{1,3})(?:\s|\Z)")


class BadReply(Exception):
    """The server sends what no SMTP server may send."""


class Reply(NamedTuple):
    """One reply.

    Attributes:
        code: The three digits.
        lines: The text of each line, without controls.
    """

    code: int
    lines: tuple[str, ...]

    @property
    def enhanced(self) -> str:
        """The enhanced status code (RFC 3463), such as "5.7.8", or ""."""
        match = _ENHANCED.match(self.lines[0])
        return match[1] if match else ""

    @property
    def positive(self) -> bool:
        """Whether the server did what it was asked."""
        return 200 <= self.code < 300

    @property
    def temporary(self) -> bool:
        """Whether the same may succeed later."""
        return 400 <= self.code < 500

    @property
    def permanent(self) -> bool:
        """Whether the same would fail again."""
        return self.code >= 500

    def __str__(self) -> str:
        text = f"{self.code} {self.lines[0]}"
        for line in self.lines[1:]:
            text += f" {line.removeprefix(self.enhanced).strip() if self.enhanced else line}"
        text = text.rstrip()
        return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


class ReplyReader:
    """Takes bytes as they come and hands out whole replies."""

    def __init__(self) -> None:
        self._whole: list[bytes] = []
        self._rest = b""
        self._lines: list[bytes] = []
        self._code = b""

    @property
    def empty(self) -> bool:
        """Whether nothing is waiting, not even a part of a line."""
        return not (self._whole or self._rest or self._lines)

    def starts_with(self, code: bytes) -> bool:
        """Whether the next reply, come whole or not, has this code."""
        line = self._whole[0] if self._whole else self._rest
        return not self._lines and line.startswith(code)

    def feed(self, data: bytes) -> None:
        """Take what came from the server."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._whole += lines

    def read(self, replies: list[Reply], wanted: int) -> None:
        """Add whole replies until there are as many as wanted, or more bytes have to come.

        Raises:
            BadReply: What came is not a reply, or too long for one.
        """
        # Most replies are lines that were seen before.
        batch = [*map(_single, self._whole[: wanted - len(replies)])]
        if not self._lines and None not in batch:
            replies += cast("list[Reply]", batch)
            del self._whole[: len(batch)]
        while len(replies) < wanted and self._whole:
            line = self._whole.pop(0)
            if len(line) >= _LONGEST_LINE:
                raise BadReply(_TOO_LONG)
            match = _LINE.match(line.rstrip(b"\r"))
            if not match or (self._code and match[1] != self._code):
                shown = clean_line(line.decode("ascii", "replace"), limit=60)
                raise BadReply(f"{shown!r}")
            self._code = match[1]
            self._lines.append(match[3] or b"")
            if len(self._lines) > _MOST_LINES:
                raise BadReply("a reply of too many lines")
            if match[2] != b"-":
                replies.append(_reply(self._code, self._lines))
                self._code, self._lines = b"", []
        if len(replies) < wanted and len(self._rest) >= _LONGEST_LINE:
            raise BadReply(_TOO_LONG)


# Servers say the same few things all day.
@lru_cache(maxsize=64)
def _single(line: bytes) -> Reply | None:
    """Return the reply that is this one line, or None."""
    match = _LINE.match(line.rstrip(b"\r")) if len(line) < _LONGEST_LINE else None
    if not match or match[2] == b"-":
        return None
    return _reply(match[1], [match[3] or b""])


def _reply(code: bytes, lines: list[bytes]) -> Reply:
    return Reply(
        int(code), tuple(clean_line(line.decode("utf-8", "replace")) for line in lines)
    )
