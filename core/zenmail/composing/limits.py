"""How much a mail holds."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
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
        return replace(
            self,
            **{
                item.name: max(
                    2 if (value := getattr(self, item.name)) < 100 else 80, int(value * factor)
                )
                for item in fields(self)
            },
        )
