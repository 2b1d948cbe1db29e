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
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from ..addressing import Addressing
from ..clean import clean_text
from ..runtime.forks import defer_forks
from .engine import Engine, Transaction

if TYPE_CHECKING:
    from ..alert import Alert
    from .digest import Digest

__all__ = ["Storms"]

# Seconds without an alert after which a digest is due; doubled after each.
_QUIET = 300.0
_FORGET_AFTER = 7 * 86400.0
# Seconds for sending a digest after it is claimed.
_TIME_TO_SEND = 90.0

_PROBLEMS = frozenset({"error", "critical"})


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
        with defer_forks():
            from .digest import State, describe, load

        key = self._key(alert.thread, addressing)
        thread = hide(clean_text(alert.thread), shapes=True)
        kind = "problems" if alert.severity in _PROBLEMS else "others"
        described = describe(alert, partial(hide, shapes=addressing.redact))
        # The templates are a path, and nothing that is read back may be one.
        fresh = State(addressing=addressing.replace(templates=None))

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
            state = load(content) or fresh
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
        from .digest import Held, load

        def update(transaction: Transaction) -> None:
            rows = transaction.rows(
                "SELECT content, digests FROM storms WHERE id = :id AND owner = :me {lock}",
                id=digest.key,
                me=self._engine.owner,
            )
            if not rows or (state := load(rows[0][0])) is None:
                return
            if not sent:
                state.held.merge(state.taken)
            state.taken = Held()
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
                from .digest import Digest, Held, load

                state = load(content)
                if state is None:
                    transaction.execute("DELETE FROM storms WHERE id = :id", id=key)
                    continue
                # One that was taken and not settled may have been sent. To count twice is
                # better than not at all.
                state.held.merge(state.taken)
                state.taken, state.held = state.held, Held()
                transaction.execute(
                    _TAKE,
                    id=key,
                    owner=self._engine.owner,
                    seconds=self._lease,
                    content=state.dump(),
                )
                if state.taken.total:
                    taken.append(Digest(key, thread, state, self.settle))
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
