"""Plain text laid out for the text part: wrapped lines and aligned columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

__all__ = ["aligned", "wrap"]

_WIDTH = 76


def wrap(text: str, indent: str = "", first: str | None = None) -> str:
    """Return the text with long lines broken at spaces."""
    first = indent if first is None else first
    if len(text) <= _WIDTH - len(first) and "\n" not in text:
        return first + text
    done: list[str] = []
    for line in text.split("\n"):
        lead = indent if done else first
        if len(line) + len(lead) <= _WIDTH:
            done.append((lead + line).rstrip())
            continue
        done += textwrap.wrap(
            line,
            _WIDTH,
            initial_indent=lead,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
            replace_whitespace=False,
        ) or [lead.rstrip()]
    return "\n".join(done)


def aligned(rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> list[str]:
    """Return rows as lines with aligned columns.

    Args:
        rows: Cells by row; the first row holds the titles. Rows too wide for a line become
            records: a line for each cell.
        right: Columns to align to the right.
    """
    count = max(map(len, rows), default=0)
    full = [[*row, *[""] * (count - len(row))] for row in rows]
    if rows and sum(max(len(row[at]) for row in full) + 2 for at in range(count)) - 2 > _WIDTH:
        return _records(full)
    widths = [min(40, max(len(row[at]) for row in full)) for at in range(count)]
    lines = [
        "  ".join(
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in full
    ]
    return [*lines[:1], "  ".join("-" * width for width in widths), *lines[1:]]


def _records(rows: Sequence[Sequence[str]]) -> list[str]:
    titles, *others = rows
    lines: list[str] = []
    for row in others:
        cells = [
            wrap(f"{title}: {cell}" if title else cell, "    ", "  ")
            for title, cell in zip(titles, row, strict=True)
            if cell
        ]
        lines += ["- " + "\n".join(cells).lstrip()] if cells else []
    return lines
