"""A traceback made readable: the team's own frames, the others counted, one marked."""

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from ..patterns import pattern
from .headline import shortened

__all__ = ["TracebackView", "view_traceback"]

_FRAME = pattern(
    r'[\s|+]*File "(?P<file>[^"\n]{1,400})", line (?P<line>\d{1,9})'
    r"(?:, in (?P<where>.{1,200}))?"
)
_INSTALLED = pattern(r"[/\\](?:site|dist)-packages[/\\](?P<package>[^/\\]{1,80})")
_COMPILED = pattern(r"^(?P<package>\w{1,80})[/\\].{1,300}\.(?:pyx|pxi)$")
_STANDARD = pattern(r"[/\\]lib(?:64)?[/\\]python\d|[Pp]ython[\d.]*[/\\]Lib[/\\]|^<frozen ")
_NAMED_PACKAGES = 3
_BAR = " |"
_SOURCE = 120
_BEGINNING = "(most recent call last):"


class TracebackView(NamedTuple):
    """What of a traceback stands in the mail.

    Attributes:
        before: Its text before the raising frame.
        raising: The user's frame that raised: its place and its source line.
        after: Its text after the raising frame.
        place: The raising frame in words, or "".
        source: Its source line, or "".
        omitted: Lines that were left out.
        clipped: Whether a line was too long to be shown whole.
    """

    before: str
    raising: str
    after: str
    place: str
    source: str
    omitted: int
    clipped: bool

    @property
    def text(self) -> str:
        """All that is shown."""
        return "\n".join(part for part in (self.before, self.raising, self.after) if part)


def view_traceback(
    head: str,
    tail: str = "",
    *,
    error: str = "",
    omitted: int = 0,
    lines: int = 60,
    width: int = 400,
) -> TracebackView:
    """Choose what of a traceback is shown.

    Args:
        head: Its beginning, or all of it.
        tail: Its end, when lines between were already left out.
        error: The exception that the mail names: of a chain or a group, the frame that
            raised it is marked.
        omitted: How many lines lie between ``head`` and ``tail``.
        lines: How many lines to show at most.
        width: How many characters of a line to show at most.
    """
    shown = head.rstrip("\n").split("\n")
    gap = len(shown) if tail else -1
    if tail:
        shown += tail.rstrip("\n").split("\n")
    frames = _frames(shown)
    raising = _raising(shown, frames, error)
    start, stop = (raising.start, raising.stop) if raising else (0, 0)
    source = shortened(shown[start + 1].strip(_BAR), _SOURCE) if stop - start > 1 else ""
    folded = _folded(frames) if any(not frame.library for frame in frames) else {}
    total, clipped = omitted, False
    if tail or folded or len(shown) > lines or max(map(len, shown)) > width:
        shown, begin, total, clipped = _cut(shown, start, gap, folded, omitted, lines, width)
        start, stop = (begin, begin + stop - start) if begin >= 0 else (0, 0)
    return TracebackView(
        before="\n".join(shown[:start]),
        raising="\n".join(shown[start:stop]),
        after="\n".join(shown[stop:]),
        place=raising.place if raising else "",
        source=source,
        omitted=total,
        clipped=clipped,
    )


def _cut(
    shown: list[str],
    start: int,
    gap: int,
    folded: dict[int, tuple[int, str]],
    omitted: int,
    lines: int,
    width: int,
) -> tuple[list[str], int, int, bool]:
    """Return what is left of the lines, where ``start`` is among them, and what is left out."""
    # Each with its number, and what stands for folded frames.
    lines_left: list[tuple[int, str]] = []
    total, index = omitted, 0
    while index < len(shown):
        if index in folded and not index < gap <= folded[index][0]:
            end, summary = folded[index]
            lines_left.append((-1, summary))
            total += end - index
            index = end
        else:
            lines_left.append((index, shown[index]))
            index += 1
    numbers = [number for number, _ in lines_left]
    marked = numbers.index(start) if start in numbers else -1
    gap = numbers.index(gap) if gap in numbers else -1
    output: list[str] = []
    begin, clipped, last = -1, False, -1
    for at in _chosen(len(numbers), marked, lines):
        if missing := at - last - 1 + (omitted if last < gap <= at else 0):
            what = "line" if missing == 1 else "lines"
            output.append(f"[... {missing:,} {what} left out ...]")
        if at == marked:
            begin = len(output)
        line = lines_left[at][1]
        if len(line) > width:
            clipped = True
            line = f"{line[:width]} [... {len(line) - width:,} characters left out ...]"
        output.append(line)
        total += at - last - 1
        last = at
    return output, begin, total, clipped


class _Frame(NamedTuple):
    lines: list[str]
    start: int
    match: re.Match[str]
    library: str

    @property
    def stop(self) -> int:
        """Behind its source lines and carets."""
        line = self.lines[self.start]
        stop, deeper = self.start + 1, f"{line[: line.index('F')]} "
        for below in islice(self.lines, stop, None):
            if not (below.startswith(deeper) and below.strip(_BAR)):
                break
            stop += 1
        return stop

    @property
    def bars(self) -> str:
        """What a group of exceptions draws before it, or ""."""
        line = self.match.string
        lead = line[: len(line) - len(line.lstrip(_BAR))]
        return lead if "|" in lead else ""

    @property
    def place(self) -> str:
        """Where it is, in words."""
        path = "/".join(re.split(r"[/\\]", self.match["file"])[-2:])
        place = f"{path}, line {self.match['line']}"
        where = self.match["where"]
        return f"{place}, in {where.strip()}" if where else place


def _frames(lines: list[str]) -> list[_Frame]:
    return [
        _Frame(lines, start, match, _library(match["file"]))
        for start, line in enumerate(lines)
        if 'File "' in line and (match := _FRAME.match(line))
    ]


@lru_cache(maxsize=256)
def _library(file: str) -> str:
    """Return the library that a file belongs to, or "" for the user's own."""
    match = _INSTALLED.search(file) or _COMPILED.search(file)
    if match is not None:
        return match["package"].removesuffix(".py")
    return "Python" if _STANDARD.search(file) else ""


def _raising(lines: list[str], frames: list[_Frame], error: str) -> _Frame | None:
    """Return the user's last frame on the way to the error, or else the last frame."""
    named = error.partition("\n")[0]
    said = (at for at in range(len(lines) - 1, -1, -1) if named and named in lines[at])
    end = next((at for at in said if _says(lines[at].strip(_BAR), named)), len(lines))
    before = [frame for frame in frames if frame.start < end] or frames
    parts = [at for at in range(end) if lines[at].endswith(_BEGINNING)]
    part = parts[-1] if parts else 0
    own = [frame for frame in before if frame.start >= part and not frame.library]
    if not own:
        own = [frame for frame in before if not frame.library] or before
    return own[-1] if own else None


def _says(line: str, error: str) -> bool:
    """Whether a line states the error; Python precedes its name with its module."""
    return line == error or line.endswith(f".{error}")


def _folded(frames: list[_Frame]) -> dict[int, tuple[int, str]]:
    """Return where libraries' frames begin and end, and what stands in their place."""
    runs: list[list[_Frame]] = []
    for frame in frames:
        if frame.library and runs and runs[-1][-1].stop == frame.start:
            runs[-1].append(frame)
        elif frame.library:
            runs.append([frame])
    return {run[0].start: (run[-1].stop, run[0].bars + _counted(run)) for run in runs}


def _counted(run: list[_Frame]) -> str:
    names = list(dict.fromkeys(frame.library for frame in run))
    more = len(names) - _NAMED_PACKAGES
    listed = ", ".join(names[:_NAMED_PACKAGES]) + (f" and {more} more" if more > 0 else "")
    count = f"{len(run):,} {'frame' if len(run) == 1 else 'frames'}"
    return f"[... {count} in {listed} ...]"


def _chosen(count: int, raising: int, limit: int) -> Iterable[int]:
    """Return which lines to show: the first, the last, and those around the raising one."""
    if count <= limit:
        return range(count)
    first = max(2, limit // 4)
    chosen = {*range(first), *range(count - (limit - first), count)}
    if raising >= 0 and raising not in chosen:
        chosen -= set(range(count - (limit - first), count - (limit - first) + 8))
        chosen |= set(range(max(0, raising - 3), min(count, raising + 5)))
    return sorted(chosen)
