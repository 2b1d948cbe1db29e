"""What a reader sees first: subject, title, where it comes from, and how the body begins."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Final

from ..clean import clean_line
from ..patterns import pattern
from .plain_html import is_row

__all__ = [
    "NAME",
    "first_screen",
    "is_named",
    "moment_text",
    "origin_of",
    "preheader_of",
    "shortened",
    "subject_line",
    "title_from",
]

NAME: Final = 60
"""The longest name that a title shows whole."""
_INBOX: Final = 50
_KIND: Final = 20
_LEAST: Final = 8
_SCREEN_LINES: Final = 40
_SCREEN_WIDTH: Final = 38
_PREHEADER: Final = 140
_MARKS: Final = pattern(r"^[ #>*`_-]+|[*`_ ]+$")


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


def title_from(subject: str, body: str, label: str) -> tuple[str, str]:
    """Return a title for an alert that has none, and the rest of the body."""
    if subject:
        return subject, body
    first, _, rest = body.lstrip().partition("\n")
    if is_row(first):
        return label, body
    title = clean_line(_MARKS.sub("", first), limit=120)
    if not title:
        return label, body
    whole = len(first) <= 120 and not first.startswith(("|", "```", "    "))
    return title, rest.lstrip("\n") if whole else body


def origin_of(facts: list[tuple[str, str]]) -> tuple[str, list[tuple[str, str]]]:
    """Return the pipeline and the run in a line, and the other facts."""
    found: dict[str, tuple[str, str]] = {}
    others = []
    for label, value in facts:
        key = label.lower()
        if key in ("pipeline", "run") and key not in found and value:
            found[key] = label, value
        else:
            others.append((label, value))
    # ZenML names a run after its pipeline.
    if len(found) == 2 and found["run"][1].startswith(found["pipeline"][1]):
        del found["pipeline"]
    return " · ".join(map(" ".join, found.values())), others


def is_named(title: str, step: str) -> bool:
    """Whether a title names a step, whole or without its middle."""
    return step in title or shortened(step, NAME) in title


def preheader_of(subject: str, error: str, body: str, facts: Sequence[tuple[str, str]]) -> str:
    """Return what the subject does not say: the message, after how long, which attempt."""
    first = error.partition("\n")[0]
    kind, _, message = first.partition(": ")
    words = [message if message and kind in subject else first] if first else []
    if body:
        words.append(_MARKS.sub("", body[:_PREHEADER].strip()))
    values = dict(facts)
    if took := values.get("Duration"):
        words.append(f"{'after' if error else 'in'} {took}")
    if attempt := values.get("Attempt"):
        words.append(f"attempt {attempt}")
    # The words are clean already; a mail whose characters are all ASCII is made faster.
    new = ", ".join(word.rstrip(".") for word in words if word and word not in subject)
    return " ".join(new.split())[:_PREHEADER].rstrip()


def first_screen(body: str, *, plain: bool) -> tuple[str, str]:
    """Split a body behind what fills a screen and a half of a phone."""
    if body.count("\n") + len(body) // _SCREEN_WIDTH < _SCREEN_LINES:
        return body, ""
    end = height = 0
    for line in body.split("\n"):
        # A row of a table does not wrap.
        height += 1 if is_row(line) else 1 + len(line) // _SCREEN_WIDTH
        end += len(line) + 1
        if height <= _SCREEN_LINES:
            continue
        first, rest = body[: end - 1], body[end:]
        # Neither a paragraph nor code nor a list is torn.
        torn = line.strip() or first.count("```") % 2 or rest[:1].isspace()
        if rest.strip() and (plain or not torn):
            return first.rstrip("\n"), rest.strip("\n")
    return body, ""


def moment_text(moment: datetime, time_zone: str) -> str:
    """Return a moment in the readers' time zone, and in UTC."""
    zone = "UTC" if moment.tzinfo is timezone.utc else moment.strftime("%Z")
    if not time_zone:
        return f"{_minute(moment)} {zone}".rstrip()
    from zoneinfo import ZoneInfo

    local = moment.astimezone(ZoneInfo(time_zone))
    utc = moment.astimezone(timezone.utc)
    day = "" if local.date() == utc.date() else f"{utc:%Y-%m-%d} "
    return f"{_minute(local)} {local:%Z} ({day}{utc:%H:%M} UTC)"


def _minute(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(" ", "minutes")
