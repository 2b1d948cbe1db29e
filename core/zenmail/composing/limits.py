"""How much a mail holds."""

from typing import NamedTuple

__all__ = ["Limits"]


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

    def scaled(self, factor: float) -> "Limits":
        """Return the limits multiplied by a factor below 1."""
        if factor >= 1:
            return self
        return Limits(*[max(2 if most < 100 else 80, int(most * factor)) for most in self])
