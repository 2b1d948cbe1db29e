"""Secrets in the rows of tables: beside their name, or below a heading."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..patterns import pattern
from .literals import line_end
from .looks import is_random
from .names import Secrecy, is_secret, presumed_secrecy, secrecy_of
from .spans import MASK

__all__ = ["Rows"]

_Cell = tuple[int, int]
_PIPES = "|\u2502\u2503\u2551"
_BETWEEN = {
    **dict.fromkeys(_PIPES, pattern(rf"[{_PIPES}]")),
    **{mark: pattern(mark) for mark in ",;\t"},
    " ": pattern(r"[ ]{2,}"),
}
_BEHIND_CELL = pattern(
    rf"[\"']?(?:[ ]{{0,80}}(?P<mark>[,;\t{_PIPES}])|[ ]{{2}}|[ ]?(?:[\r\n]|\Z))"
)
_BEFORE_CELL = pattern(rf"(?:(?P<mark>[,;\t{_PIPES}])| {{2}}|^)[ ]*[\"']?\Z", re.MULTILINE)
_HEADING = pattern(r"[\w.-]+(?:[ ][\w.-]+)?")
_RULED = pattern(r"[\s|+:=\u2500-\u257f-]+")
_LONGEST_ROW = 1000
_MOST_ROWS = 100


class Rows:
    """Finds secrets in the tables of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        # Up to here, what stands below headings is known.
        self._read = 0
        # The row that was last looked at, and the ends of its cells.
        self._known: tuple[int, str] | None = None
        self._row: list[_Cell] = []
        self._at: dict[int, int] = {}

    def spans(self, start: int, end: int, secrecy: Secrecy) -> Iterator[_Cell]:
        """Yield where secrets stand in a table of which a name fills a cell."""
        text = self._text
        behind = _BEHIND_CELL.match(text, end)
        before = behind and _BEFORE_CELL.search(text, max(0, start - 40), start)
        if not behind or not before:
            return
        mark = behind["mark"] or before["mark"] or " "
        line = text.rfind("\n", max(0, start - _LONGEST_ROW), start) + 1
        if line == 0 and start > _LONGEST_ROW:
            return
        if (line, mark) != self._known:
            self._known = line, mark
            self._row = self._cells(line, line_end(text, end, _LONGEST_ROW), mark)
            self._at = {cell[1]: at for at, cell in enumerate(self._row)}
        row, own = self._row, self._at.get(end)
        if own is None:
            return
        beside = list(self._beside(row[own + 1 : own + 5], secrecy, mark, len(row)))
        if beside or start < self._read:
            yield from beside
        elif row[own][0] == start:
            yield from self._below(row, line, mark)

    def _beside(
        self, cells: list[_Cell], secrecy: Secrecy, mark: str, width: int
    ) -> Iterator[_Cell]:
        """Yield the first secret behind a name in its own row."""
        if mark == " " or (mark not in _PIPES and width != 2):
            return
        for at, (start, end) in enumerate(cells):
            value = self._text[start:end]
            if not is_secret(secrecy, value) or MASK in value:
                continue
            # Any word may be a password, but not in any column.
            if is_random(value) or (at == 0 and mark in _PIPES and not presumed_secrecy(value)):
                yield start, end
                return

    def _below(self, headings: list[_Cell], line: int, mark: str) -> Iterator[_Cell]:
        """Yield the secrets below secret headings."""
        text = self._text
        self._read = line_end(text, line, _LONGEST_ROW)
        names = [text[slice(*cell)] for cell in headings]
        filled = [name for name in names if name or mark in ",;\t"]
        if len(filled) < 2 or not all(map(_HEADING.fullmatch, filled)):
            return
        said: list[Secrecy] = [secrecy_of(name) for name in names]
        edges = {
            edge - line for it, cell in zip(said, headings, strict=True) if it for edge in cell
        }
        for _ in range(_MOST_ROWS):
            below, stop = self._read + 1, line_end(text, self._read + 1, _LONGEST_ROW)
            if not _RULED.fullmatch(text, below, stop):
                row = self._cells(below, stop, mark)
                if len(row) < 2 or (mark != " " and len(row) != len(headings)):
                    return
                for at, (start, end) in enumerate(row):
                    value = text[start:end]
                    if mark == " ":
                        aligned = start - below in edges or end - below in edges
                        found = aligned and is_random(value)
                    else:
                        found = is_secret(said[at], value)
                    if found and MASK not in value:
                        yield start, end
            self._read = stop

    def _cells(self, line: int, stop: int, mark: str) -> list[_Cell]:
        """Return where the cells of a row stand, without blanks and quotation marks."""
        text = self._text
        cells: list[_Cell] = []
        at = line
        edges = [*(found.span() for found in _BETWEEN[mark].finditer(text, line, stop))]
        for begin, behind in [*edges, (stop, stop)]:
            cell = text[at:begin]
            lead = len(cell) - len(cell.lstrip(" \"'"))
            start = at + min(lead, len(cell))
            cells.append((start, start + len(cell.strip(" \"'\r"))))
            at = behind
        return cells
