"""Subjects and names short enough for an inbox."""

from __future__ import annotations

from typing import Final

__all__ = ["NAME", "shortened", "subject_line"]

NAME: Final = 60
"""The longest name that a title shows whole."""
_INBOX: Final = 50
_KIND: Final = 20
_LEAST: Final = 8


def shortened(name: str, limit: int) -> str:
    """Return a name with its middle left out, if it has more than ``limit`` characters."""
    if len(name) <= limit:
        return name
    head = (limit - 1) // 2
    tail = limit - 1 - head
    return f"{name[:head]}…{name[-tail:]}" if tail else name[:limit]


def subject_line(verdict: str, *names: str, detail: str = "") -> str:
    """Return a subject: "Failed: train · churn_training: KeyError".

    What matters stands within the first 50 characters; long names lose their middle.

    Args:
        verdict: How it ended.
        names: What it is about, the most telling first.
        detail: What to say at the end, or "".
    """
    given = [name for name in names if name]
    detail = shortened(detail, _KIND)
    room = _INBOX - len(verdict) - 2 - 3 * (len(given) - 1) - (len(detail) + 2 if detail else 0)
    limits = []
    for after, name in zip(range(len(given) - 1, -1, -1), given, strict=True):
        least = sum(min(len(other), _LEAST) for other in given[len(given) - after :])
        limits.append(max(_LEAST, min(len(name), room - least)))
        room -= limits[-1]
    short = [shortened(name, limit) for name, limit in zip(given, limits, strict=True)]
    head = f"{verdict}: {' · '.join(short)}" if short else verdict
    return f"{head}: {detail}" if detail else head
