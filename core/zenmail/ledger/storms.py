"""Storms: of a run with many alerts the first are sent alone, the rest as one digest.

What is held back is counted in the ledger, by error, so that all processes share one limit
and none has to remember anything:

- the first ``limit`` alerts of a run are sent; problems and other news are counted apart,
  so that no success uses up the place of a failure;
- the rest are counted, with some examples of each error;
- the digest is due when the run's end is reported, or when the run has been quiet for a
  while, and is sent by the process that claims it. After each digest the next waits twice as
  long.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from functools import partial
from hashlib import blake2b
from typing import Any

from pydantic import ConfigDict, Field, ValidationError

from ..addressing import Addressing
from ..alert import Alert, Severity
from ..clean import clean_line, clean_text
from ..model import LateModel
from ..patterns import pattern
from .engine import Engine, Transaction

__all__ = ["Digest", "Storms", "fingerprint"]

# Seconds without an alert after which a digest is due; doubled after each.
_QUIET = 300.0
_MOST_ERRORS = 15
_EXAMPLES = 3
_FORGET_AFTER = 7 * 86400.0
# Seconds for sending a digest after it is claimed.
_TIME_TO_SEND = 90.0

_PROBLEMS = frozenset({"error", "critical"})
_RANK: dict[Severity, int] = {"info": 0, "success": 0, "warning": 1, "error": 2, "critical": 3}
_VARIABLE = pattern(
    r"0x[0-9a-f]+|\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b|\b(?=[a-f]*[0-9])[0-9a-f]{8,}\b"
    r"|[0-9]+(?:[.:][0-9]+)*"
)
_FRAME = pattern(r'File "([^"\n]*)", line [0-9]+, in ([^\n]*)')


class _Record(LateModel):
    """What is written into the database, by this version or another."""

    model_config = ConfigDict(frozen=False, extra="ignore")


class _Group(_Record):
    """Alerts with the same error."""

    what: str
    severity: Severity
    count: int = 0
    examples: list[str] = Field(default_factory=list)


class _Held(_Record):
    """What is held back."""

    groups: dict[str, _Group] = Field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None
    url: str = ""
    url_label: str = ""
    list_id: str = ""

    @property
    def total(self) -> int:
        return sum(group.count for group in self.groups.values())

    def add(self, key: str, group: _Group) -> None:
        if key not in self.groups and len(self.groups) >= _MOST_ERRORS:
            key, group = "", group.model_copy(update={"what": "other errors"})
        known = self.groups.setdefault(
            key, group.model_copy(update={"count": 0, "examples": []})
        )
        known.count += group.count
        known.examples += group.examples[: _EXAMPLES - len(known.examples)]
        if _RANK[group.severity] > _RANK[known.severity]:
            known.severity = group.severity

    def merge(self, other: _Held) -> None:
        for key, group in other.groups.items():
            self.add(key, group)
        self.first = min(filter(None, (self.first, other.first)), default=None)
        self.last = max(filter(None, (self.last, other.last)), default=None)
        for name in ("url", "url_label", "list_id"):
            setattr(self, name, getattr(self, name) or getattr(other, name))


class _State(_Record):
    """What is known of one run and its recipients, apart from what the columns say."""

    addressing: Addressing
    limit: int = 0
    sent: dict[str, int] = Field(default_factory=dict)
    held: _Held = Field(default_factory=_Held)
    taken: _Held = Field(default_factory=_Held)

    def dump(self) -> str:
        # Not pydantic's JSON, which knows no lone surrogates.
        return json.dumps(self.model_dump(), default=datetime.isoformat)


class Digest:
    """Alerts that were held back, as one.

    Attributes:
        key: Of the run and its recipients.
        thread: The run.
        addressing: Who gets it.
        total: How many alerts it stands for.
        source: Where it was taken, and is to be settled.
    """

    def __init__(self, key: str, thread: str, state: _State, source: Storms) -> None:
        self.key = key
        self.source = source
        self.thread = thread
        self.addressing = state.addressing
        self.total = state.taken.total
        self._held = state.taken
        self._limit = state.limit

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


def _describe(alert: Alert, hide: Callable[[str], str]) -> _Held:
    key, what = fingerprint(alert, hide)
    step = next(
        (str(text) for label, text in alert.facts.items() if "step" in label.lower()), ""
    )
    example = _line(step or alert.title, hide, limit=80)
    examples = [example] if example else []
    return _Held(
        groups={key: _Group(what=what, severity=alert.severity, count=1, examples=examples)},
        first=alert.occurred_at,
        last=alert.occurred_at,
        url=hide(alert.url),
        url_label=_line(alert.url_label, hide, limit=100),
        list_id=hide(alert.list_id),
    )


class Storms:
    """Decides which alerts are sent alone, and hands out the digests of the others.

    Every method raises `LedgerError` when the database cannot be used.

    Args:
        engine: The database.
        alerter: Whose alerts they are.
        margin: Seconds of the lease on a digest beyond the time to send it.
    """

    def __init__(self, engine: Engine, alerter: str = "", *, margin: float) -> None:
        self._engine = engine
        self._alerter = alerter
        self._lease = _TIME_TO_SEND + margin

    def admit(
        self,
        alert: Alert,
        addressing: Addressing,
        limit: int,
        hide: Callable[..., str] = lambda text, *, shapes: text,
    ) -> bool:
        """Return whether an alert is sent alone; it is held back otherwise.

        Args:
            alert: What happened.
            addressing: Who is told.
            limit: How many alerts of a run are sent alone.
            hide: Takes secrets out of what is written down; ``shapes`` tells it whether to look
                for what is secret by its name or shape, too.
        """
        # A run's summary comes once, and is what the reader waits for.
        if not alert.thread or alert.steps:
            return True
        key = self._key(alert.thread, addressing)
        thread = hide(clean_text(alert.thread), shapes=True)
        kind = "problems" if alert.severity in _PROBLEMS else "others"
        described = _describe(alert, partial(hide, shapes=addressing.redact))
        # The templates are a path, and nothing that is read back may be one.
        fresh = _State(addressing=addressing.replace(templates=None))

        def count(transaction: Transaction) -> bool:
            transaction.execute(
                _BEGIN,
                id=key,
                alerter=self._alerter,
                thread=thread,
                sole=self._engine.owner,
                content=fresh.dump(),
            )
            ((content,),) = transaction.rows(
                "SELECT content FROM storms WHERE id = :id {lock}", id=key
            )
            state = _load(content) or fresh
            state.limit = limit
            sent = state.sent.get(kind, 0)
            alone = sent < limit
            if alone:
                state.sent[kind] = sent + 1
            else:
                state.held.merge(described)
            transaction.execute(
                _COUNT,
                id=key,
                me=self._engine.owner,
                held=state.held.total,
                content=state.dump(),
            )
            return alone

        return self._engine.run(count)

    def finish(self, thread: str) -> list[Digest]:
        """Take all that is held back of a run, whose thread holds no secret any more."""
        return self._take("thread = :thread", thread=clean_text(thread))

    def take_due(self) -> list[Digest]:
        """Take what is held back of runs that have been quiet for a while."""
        return self._take(_DUE, quiet=_QUIET)

    def take_own(self) -> list[Digest]:
        """Take what is due, and what is held back of runs in which no other process posted."""
        return self._take(f"({_DUE} OR sole = :me)", quiet=_QUIET, me=self._engine.owner)

    def take_all(self) -> list[Digest]:
        """Take all that is held back."""
        return self._take("held > 0")

    def settle(self, digest: Digest, *, sent: bool) -> None:
        """Forget what a digest stood for, or hold it back again if it could not be sent."""

        def update(transaction: Transaction) -> None:
            rows = transaction.rows(
                "SELECT content, digests FROM storms WHERE id = :id AND owner = :me {lock}",
                id=digest.key,
                me=self._engine.owner,
            )
            if not rows or (state := _load(rows[0][0])) is None:
                return
            if not sent:
                state.held.merge(state.taken)
            state.taken = _Held()
            transaction.execute(
                _SETTLE,
                id=digest.key,
                held=state.held.total,
                digests=rows[0][1] - (not sent),
                content=state.dump(),
            )

        self._engine.run(update)

    def _take(self, condition: str, **values: Any) -> list[Digest]:
        def take(transaction: Transaction) -> list[Digest]:
            taken = []
            held = _HELD.format(condition=condition)
            rows = transaction.rows(held, alerter=self._alerter, **values)
            for key, thread, content in rows:
                state = _load(content)
                if state is None:
                    transaction.execute("DELETE FROM storms WHERE id = :id", id=key)
                    continue
                # One that was taken and not settled may have been sent. To count twice is
                # better than not at all.
                state.held.merge(state.taken)
                state.taken, state.held = state.held, _Held()
                transaction.execute(
                    _TAKE,
                    id=key,
                    owner=self._engine.owner,
                    seconds=self._lease,
                    content=state.dump(),
                )
                if state.taken.total:
                    taken.append(Digest(key, thread, state, self))
            transaction.execute(
                "DELETE FROM storms WHERE held = 0 AND owner = '' "
                "AND last_alert < {now} - :age",
                age=_FORGET_AFTER,
            )
            return taken

        return self._engine.run(take)

    def _key(self, thread: str, addressing: Addressing) -> str:
        to, cc, bcc = addressing.to, addressing.cc, addressing.bcc
        whom = json.dumps([self._alerter, thread, addressing.sender, to, cc, bcc])
        return blake2b(whom.encode("utf-8", "replace"), digest_size=12).hexdigest()


_BEGIN = """INSERT INTO storms (id, alerter, thread, sole, last_alert, content)
VALUES (:id, :alerter, :thread, :sole, {now}, :content) ON CONFLICT DO NOTHING"""
_COUNT = """UPDATE storms SET held = :held, content = :content, last_alert = {now},
sole = CASE WHEN sole = :me THEN sole ELSE '' END WHERE id = :id"""
_HELD = """SELECT id, thread, content FROM storms WHERE alerter = :alerter AND lease <= {{now}}
AND (held > 0 OR owner <> '') AND {condition} {{skip_locked}}"""
_DUE = (
    "last_alert + :quiet * CASE WHEN digests < 20 THEN 1 << digests ELSE 1048576 END <= {now}"
)
_TAKE = """UPDATE storms SET held = 0, digests = digests + 1, owner = :owner,
lease = {now} + :seconds, content = :content WHERE id = :id"""
_SETTLE = """UPDATE storms SET held = :held, digests = :digests, owner = '', lease = 0,
content = :content WHERE id = :id"""


def _load(content: str) -> _State | None:
    try:
        state = _State.model_validate(json.loads(content))
        state.addressing = state.addressing.replace(templates=None)
        return state
    except (ValidationError, ValueError, TypeError, RecursionError):
        return None
