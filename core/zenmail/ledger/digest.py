"""What is held back of a run's alerts, as the ledger keeps it and as one alert."""

import json
from collections.abc import Callable
from datetime import datetime
from hashlib import blake2b
from typing import Any

from pydantic import ConfigDict, Field, ValidationError

from ..addressing import Addressing
from ..alert import Alert, Severity
from ..clean import clean_line
from ..model import LateModel
from ..patterns import pattern

__all__ = ["Digest", "Held", "State", "describe", "fingerprint", "load"]

_MOST_ERRORS = 15
_EXAMPLES = 3

_RANK: dict[Severity, int] = {"info": 0, "success": 0, "warning": 1, "error": 2, "critical": 3}
_VARIABLE = pattern(
    r"0x[0-9a-f]+|\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b|\b(?=[a-f]*[0-9])[0-9a-f]{8,}\b"
    r"|[0-9]+(?:[.:][0-9]+)*"
)
_FRAME = pattern(r'File "([^"\n]*)", line [0-9]+, in ([^\n]*)')


class _Record(LateModel):
    """What is written into the database, by this version or another."""

    model_config = ConfigDict(frozen=False, extra="ignore")


class Group(_Record):
    """Alerts with the same error."""

    what: str
    severity: Severity
    count: int = 0
    examples: list[str] = Field(default_factory=list)


class Held(_Record):
    """What is held back."""

    groups: dict[str, Group] = Field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None
    url: str = ""
    url_label: str = ""
    list_id: str = ""

    @property
    def total(self) -> int:
        """How many alerts they are."""
        return sum(group.count for group in self.groups.values())

    def add(self, key: str, group: Group) -> None:
        """Count a group's alerts under the fingerprint of their error."""
        if key not in self.groups and len(self.groups) >= _MOST_ERRORS:
            key, group = "", group.model_copy(update={"what": "other errors"})
        known = self.groups.setdefault(
            key, group.model_copy(update={"count": 0, "examples": []})
        )
        known.count += group.count
        known.examples += group.examples[: _EXAMPLES - len(known.examples)]
        if _RANK[group.severity] > _RANK[known.severity]:
            known.severity = group.severity

    def merge(self, other: "Held") -> None:
        """Add what is held back elsewhere."""
        for key, group in other.groups.items():
            self.add(key, group)
        self.first = min(filter(None, (self.first, other.first)), default=None)
        self.last = max(filter(None, (self.last, other.last)), default=None)
        for name in ("url", "url_label", "list_id"):
            setattr(self, name, getattr(self, name) or getattr(other, name))


class State(_Record):
    """What is known of one run and its recipients, apart from what the columns say."""

    addressing: Addressing
    limit: int = 0
    sent: dict[str, int] = Field(default_factory=dict)
    held: Held = Field(default_factory=Held)
    taken: Held = Field(default_factory=Held)

    def dump(self) -> str:
        """Return what `load` reads."""
        # Not pydantic's JSON, which knows no lone surrogates.
        return json.dumps(self.model_dump(), default=datetime.isoformat)


class Digest:
    """Alerts that were held back, as one.

    Attributes:
        key: Of the run and its recipients.
        thread: The run.
        addressing: Who gets it.
        total: How many alerts it stands for.
    """

    def __init__(
        self, key: str, thread: str, state: State, settle: Callable[..., None]
    ) -> None:
        self.key = key
        self._settle = settle
        self.thread = thread
        self.addressing = state.addressing
        self.total = state.taken.total
        self._held = state.taken
        self._limit = state.limit

    def settle(self, *, sent: bool) -> None:
        """Forget what it stands for, or hold it back again if it could not be sent."""
        self._settle(self, sent=sent)

    def alert(self) -> Alert:
        """Return the digest as an alert, the most frequent error first."""
        groups = sorted(self._held.groups.values(), key=lambda group: -group.count)
        severity = max(groups, key=lambda group: _RANK[group.severity]).severity
        problem = _RANK[severity] >= _RANK["error"]
        noun, kind = ("failure", "error") if problem else ("alert", "kind")
        title = (
            f"{self.total:,} more {noun}{'s' if self.total != 1 else ''}, "
            f"{len(groups)} different {kind}{'s' if len(groups) != 1 else ''}"
        )
        facts: dict[str, Any] = {"Held back": self.total, "Sent alone before": self._limit}
        if self._held.first and self._held.last:
            facts["From"] = self._held.first
            facts["To"] = self._held.last
        what = "Error" if problem else "Alert"
        rows = [
            {"Count": one.count, what: one.what, "Examples": "; ".join(one.examples)}
            for one in groups
        ]
        return Alert(
            title=title,
            body=f"The first {self._limit} alerts of this run were sent alone. "
            "This mail summarizes all the others.",
            severity="error" if problem else severity,
            facts=facts,
            tables={"What they say": rows},
            url=self._held.url,
            url_label=self._held.url_label or "Open in the dashboard",
            thread=self.thread,
            list_id=self._held.list_id,
        )


def fingerprint(alert: Alert, hide: Callable[[str], str] = str) -> tuple[str, str]:
    """Return what alerts of the same error have in common, and how to call it.

    Numbers, addresses and ids are ignored; the place where the exception was raised
    is not.

    Args:
        alert: What happened.
        hide: Takes secrets out.
    """
    what = _line(alert.error or alert.title or alert.body, hide, limit=200)
    frames = _FRAME.findall(alert.traceback[-20_000:])
    place = " ".join(frames[-1]) if frames else ""
    same = _VARIABLE.sub("#", f"{what} {place}".lower())
    return blake2b(same.encode("utf-8", "replace"), digest_size=8).hexdigest(), what


def _line(text: str, hide: Callable[[str], str], *, limit: int) -> str:
    # In this order: a secret that is cut is not known for one any more.
    return clean_line(hide(text[: 10 * limit]), limit=limit)


def describe(alert: Alert, hide: Callable[[str], str]) -> Held:
    """Return what is kept of one alert that is held back."""
    key, what = fingerprint(alert, hide)
    step = next(
        (str(text) for label, text in alert.facts.items() if "step" in label.lower()), ""
    )
    example = _line(step or alert.title, hide, limit=80)
    examples = [example] if example else []
    return Held(
        groups={key: Group(what=what, severity=alert.severity, count=1, examples=examples)},
        first=alert.occurred_at,
        last=alert.occurred_at,
        url=hide(alert.url),
        url_label=_line(alert.url_label, hide, limit=100),
        list_id=hide(alert.list_id),
    )


def load(content: str) -> State | None:
    """Return the state that was written down, or None if it is corrupt."""
    try:
        state = State.model_validate(json.loads(content))
        state.addressing = state.addressing.replace(templates=None)
        return state
    except (ValidationError, ValueError, TypeError, RecursionError):
        return None
