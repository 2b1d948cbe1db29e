"""Plain text laid out for the text part: wrapped lines and aligned columns."""

from __future__ import annotations

from collections.abc import Sequence

from ..patterns import pattern

__all__ = ["WIDTH", "aligned", "continued", "wrap"]

WIDTH = 76
_WORD = pattern(r"(?:'[^']*'|[^\s'])+")


def wrap(text: str, indent: str = "", first: str | None = None) -> str:
    """Return the text with long lines broken at spaces."""
    first = indent if first is None else first
    if len(text) <= WIDTH - len(first) and "\n" not in text:
        return first + text
    done: list[str] = []
    for line in text.split("\n"):
        lead = indent if done else first
        start, line = 0, line.rstrip()
        while (room := WIDTH - len(lead)) < len(line) - start:
            end = line.rfind(" ", start, start + room + 1)
            if end < 0 or line[start:end].isspace():
                end = line.find(" ", start + room + 1)
            if end < 0:
                break
            done.append(lead + line[start:end].rstrip())
            lead, start = indent, end
            while line[start] == " ":
                start += 1
        done.append((lead + line[start:]).rstrip())
    return "\n".join(done)


def continued(command: str, indent: str) -> str:
    """Return a shell command in lines that can be pasted as they are."""
    words, lines = _WORD.findall(command), [""]
    if " ".join(words) != command:
        words = [command]  # quotes within quotes
    for word in words:
        if lines[-1] and len(indent) + len(lines[-1]) + len(word) > WIDTH - 2:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return " \\\n".join(indent + line for line in lines)


def aligned(rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> list[str]:
    """Return rows, the first of which holds the titles, as lines with aligned columns.

    Rows too wide for a line become records: a line for each cell.
    """
    count = max(map(len, rows), default=0)
    full = [[*row, *[""] * (count - len(row))] for row in rows]
    if rows and sum(max(len(row[at]) for row in full) + 2 for at in range(count)) - 2 > WIDTH:
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
    if len(titles) == 2 and all(titles):
        heading, *pairs = (wrap(f"{name}: {value}", "    ", "") for name, value in rows)
        return [heading, *(f"- {pair}" for pair in pairs)]
    lines: list[str] = []
    for row in others:
        cells = [
            wrap(f"{title}: {cell}" if title else cell, "    ", "  ")
            for title, cell in zip(titles, row, strict=True)
            if cell
        ]
        lines += ["- " + "\n".join(cells).lstrip()] if cells else []
    return lines
