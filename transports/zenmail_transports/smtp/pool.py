"""Connections kept open between mails: shared by threads, never by processes."""

from __future__ import annotations

import threading
import time

from zenmail import Deadline, DeadlineExceeded
from zenmail.runtime.forks import reset_after_fork

from .session import Session

__all__ = ["Pool"]


class Pool:
    """Lends each thread a connection of its own.

    Args:
        limit: How many connections there may be at a time.
        max_idle: Seconds after which an idle one is not used again.
        max_mails: How many mails one carries.
    """

    def __init__(self, *, limit: int, max_idle: float, max_mails: int) -> None:
        self._limit = limit
        self._max_idle = max_idle
        self._max_mails = max_mails
        self._idle: list[Session] = []
        self._leased: set[Session] = set()
        reset_after_fork(self)

    def reset(self) -> None:
        """Start afresh: in a child, only the handles of the parent's connections are closed."""
        # Reentrant: a signal handler may send an alert while its thread is in here.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        for session in [*self._idle, *self._leased]:
            session.wire.close()
        self._idle.clear()
        self._leased.clear()
        self._opening = 0
        self._closed = 0.0

    def lease(self, deadline: Deadline) -> Session | None:
        """Return an open connection, or None: the caller may open one and `adopt` it.

        Either way `give_back` or `discard` has to follow.

        Raises:
            DeadlineExceeded: All are in use until the deadline.
        """
        with self._lock:
            while True:
                if (session := self.lease_idle()) is not None:
                    return session
                if len(self._leased) + self._opening < self._limit:
                    self._opening += 1
                    return None
                if not self._changed.wait(deadline.remaining()) and deadline.expired:
                    raise DeadlineExceeded(
                        f"All {self._limit} connections were in use until the deadline.",
                        remedy="Raise `connections` or the deadline.",
                    )

    def lease_idle(self) -> Session | None:
        """Return an open connection if one is idle; `give_back` or `discard` has to follow."""
        with self._lock:
            while self._idle:
                session = self._idle.pop()
                if self._usable(session) and session.wire.alive():
                    self._leased.add(session)
                    return session
                session.close()
        return None

    def _usable(self, session: Session) -> bool:
        idle = time.monotonic() - session.last_used
        return session.mails < self._max_mails and idle <= self._max_idle

    def adopt(self, session: Session) -> None:
        """Take in the connection that a caller opened."""
        with self._lock:
            self._opening -= 1
            self._leased.add(session)

    def give_back(self, session: Session) -> None:
        """Keep a connection for the next mail."""
        with self._lock:
            # Within the lock, so that those given back later were also used later.
            session.last_used = time.monotonic()
            self._leased.discard(session)
            if self._usable(session) and session.wire.quiet and session.opened >= self._closed:
                self._idle.append(session)
            else:
                session.close()
            self._changed.notify()

    def discard(self, session: Session | None) -> None:
        """Close a connection that is of no use, or give up on opening one."""
        with self._lock:
            if session is None:
                self._opening -= 1
            else:
                self._leased.discard(session)
                session.wire.close()
            self._changed.notify()

    def discard_idle(self, before: float) -> None:
        """Close what has been idle since before a moment of ``time.monotonic()``."""
        with self._lock:
            gone = [session for session in self._idle if session.last_used <= before]
            self._idle = [session for session in self._idle if session not in gone]
            for session in gone:
                session.wire.close()

    def close(self) -> None:
        """Close the idle connections now, and those in use when they are given back."""
        with self._lock:
            self._closed = time.monotonic()
            while self._idle:
                self._idle.pop().close()
