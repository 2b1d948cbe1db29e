"""A traceback made readable: verbatim, its raising line marked, the middle left out."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["TracebackView", "view_traceback"]

_FRAME = re.compile(
    r'[\s|+]*File "(?P<file>[^"\n]{1,400})", line (?P<line>\d{1,9})'
    r"(?:, in (?P<where>.{1,200}))?"
)
_CARETS = re.compile(r"[\s|]*[~^]+\s*\Z")


class TracebackView(NamedTuple):
    """What of a traceback stands in the mail.

    Attributes:
        before: Its text before the raising line.
        raising: The raising frame: where, and its source line when there is one.
        after: Its text after the raising line.
        place: The raising frame in words, or "".
        omitted: Lines that were left out.
        clipped: Whether a line was too long to be shown whole.
    """

    before: str
    raising: str
    after: str
    place: str
    omitted: int
    clipped: bool = False

    @property
    def text(self) -> str:
        """All that is shown."""
        return "\n".join(part for part in (self.before, self.raising, self.after) if part)


def view_traceback(
    head: str, tail: str = "", *, omitted: int = 0, lines: int = 60, width: int = 400
) -> TracebackView:
    """Choose what of a traceback is shown.

    Args:
        head: Its beginning, or all of it.
        tail: Its end, when lines between were already left out.
        omitted: How many lines lie between ``head`` and ``tail``.
        lines: How many lines to show at most.
        width: How many characters of a line to show at most.
    """
    shown = head.rstrip("\n").split("\n")
    gap = len(shown) if tail else -1
    if tail:
        shown += tail.rstrip("\n").split("\n")
    raising = _raising_line(shown)
    stop = _end_of_frame(shown, raising) if raising >= 0 else -1
    place = _place(shown[raising]) if raising >= 0 else ""
    if not tail and len(shown) <= lines and max(map(len, shown)) <= width:
        return _view(shown, raising, stop, place=place)
    keep = _chosen(len(shown), raising, lines, gap)
    output: list[str] = []
    marked: tuple[int, int] = (0, 0)
    last, total, start = -1, omitted, raising
    for index in keep:
        missing = index - last - 1 + (omitted if last < gap <= index else 0)
        if missing:
            output.append(
                f"[... {missing:,} {'line' if missing == 1 else 'lines'} left out ...]"
            )
            total += index - last - 1
        if index == start:
            marked = (len(output), len(output) + stop - start)
        output.append(_clipped(shown[index], width))
        last = index
    clipped = any(len(shown[index]) > width for index in keep)
    return _view(output, *marked, place=place, omitted=total, clipped=clipped)


def _view(
    lines: list[str],
    start: int,
    stop: int,
    *,
    place: str,
    omitted: int = 0,
    clipped: bool = False,
) -> TracebackView:
    """Return the lines, those from ``start`` to ``stop`` as the ones that raised."""
    start, stop = max(start, 0), max(stop, 0)
    return TracebackView(
        before="\n".join(lines[:start]),
        raising="\n".join(lines[start:stop]),
        after="\n".join(lines[stop:]),
        place=place,
        omitted=omitted,
        clipped=clipped,
    )


def _raising_line(lines: list[str]) -> int:
    """Return the index of the frame that raised the exception that ended it all."""
    for index in range(len(lines) - 1, -1, -1):
        line = lines[index]
        if 'File "' in line and '", line ' in line and _FRAME.match(line):
            return index
    return -1


def _end_of_frame(lines: list[str], start: int) -> int:
    """Return the index behind the frame's own lines: its source line and the carets."""
    end = start + 1
    indent = len(lines[start]) - len(lines[start].lstrip(" |"))
    if end == len(lines) or not lines[end].strip(" |"):
        return end
    if len(lines[end]) - len(lines[end].lstrip(" |")) > indent:
        end += 1
        if end < len(lines) and _CARETS.match(lines[end]):
            end += 1
    return end


def _chosen(count: int, raising: int, limit: int, gap: int) -> list[int]:
    if count <= limit:
        return list(range(count))
    first = max(2, limit // 4)
    chosen = {*range(first), *range(count - (limit - first), count)}
    if raising >= 0 and raising not in chosen:
        chosen -= set(range(count - (limit - first), count - (limit - first) + 8))
        chosen |= set(range(max(0, raising - 3), min(count, raising + 5)))
    return sorted(chosen)


def _clipped(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    return f"{line[:width]} [... {len(line) - width:,} characters left out ...]"


def _place(line: str) -> str:
    match = _FRAME.match(line)
    if match is None:
        return ""
    place = f"{match['file']}, line {match['line']}"
    return f"{place}, in {match['where'].strip()}" if match["where"] else place
