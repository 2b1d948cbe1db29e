"""Texts made fit for a mail: cleaned, redacted and cut, in this order; and where to cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final, NamedTuple

from ..clean import clean_text
from ..redaction.redact import Redactor

__all__ = ["Limits", "SafeTexts"]

# A secret that begins before a cut and ends behind it is seen whole within this.
_OVERLAP: Final = 8192


class Limits(NamedTuple):
    """The most characters, or items, of each kind that a mail holds."""

    title: int = 200
    body: int = 10_000
    error: int = 1_500
    line: int = 600
    cell: int = 160
    traceback_head: int = 12_000
    traceback_tail: int = 24_000
    traceback_width: int = 300
    traceback_lines: int = 60
    facts: int = 40
    entries: int = 40
    next_steps: int = 10
    links: int = 20
    metrics: int = 40
    steps: int = 40
    tables: int = 6
    rows: int = 20
    columns: int = 10

    def scaled(self, factor: float) -> Limits:
        """Return the limits multiplied by a factor below 1."""
        if factor >= 1:
            return self
        return Limits(*[max(2 if most < 100 else 80, int(most * factor)) for most in self])


class SafeTexts:
    """The only way by which a text of an alert gets into its mail."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def many(self, given: Sequence[tuple[str, int]]) -> list[str]:
        """Return texts clean, without secrets, and each cut at its limit."""
        windows = [
            value if len(value) <= limit else value[: limit + _OVERLAP]
            for value, limit in given
        ]
        return [
            safe if len(value) <= limit else _cut(safe, len(value), limit)
            for safe, (value, limit) in zip(self.all(windows), given, strict=True)
        ]

    def one(self, value: str, limit: int) -> str:
        """Return one text, as `many` does."""
        return self.many(((value, limit),))[0]

    def rows(self, rows: Iterable[Sequence[str]], *limits: int) -> list[list[str]]:
        """Return rows of texts, with one limit for each column."""
        rows = list(rows)
        texts = iter(self.many([pair for row in rows for pair in zip(row, limits)]))  # noqa: B905
        return [list(islice(texts, len(row))) for row in rows]

    def whole(self, value: str) -> str:
        """Return a text clean and without secrets, however long it is."""
        return self.all([value])[0]

    def all(self, texts: list[str]) -> list[str]:
        """Return texts clean and without secrets, however long they are."""
        whole = "\n".join(texts)
        if clean_text(whole) is not whole:
            texts = [clean_text(text) for text in texts]
        return self._redactor.texts(texts)

    def head(self, source: str, length: int) -> str:
        """Return a long text's first lines, with at most ``length`` characters."""
        safe = self.whole(source[: length + _OVERLAP])
        safe = safe[: max(0, min(length, len(safe) - _OVERLAP))]
        return safe[: safe.rfind("\n")] if "\n" in safe else safe

    def tail(self, source: str, length: int) -> str:
        """Return a text, or a long one's last lines, with at most ``length`` characters."""
        if len(source) <= length:
            return self.whole(source)
        safe = self.whole(source[-(length + _OVERLAP) :])
        safe = safe[max(_OVERLAP, len(safe) - length) :]
        return safe[safe.find("\n") + 1 :]


def _cut(safe: str, length: int, limit: int) -> str:
    """Return the beginning of a text of ``length``; ``safe`` holds more than its limit."""
    # The end of a text that goes on may be half a secret.
    whole = length <= limit + _OVERLAP
    if whole and len(safe) <= limit:
        return safe
    end = len(safe) if whole else len(safe) - _OVERLAP
    shown = safe[: max(0, min(limit, end))].rstrip()
    return f"{shown} [... {length - len(shown):,} characters left out ...]"
