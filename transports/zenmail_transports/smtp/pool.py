"""Connections kept open between mails: shared by threads, never by processes."""

from __future__ import annotations

import os
import threading
import time

from zenmail import Deadline, DeadlineExceeded

from .session import Session

__all__ = ["Pool"]


class _Process:
    """The connections of one process. After a fork the child has none of these."""

    def __init__(self) -> None:
        # Reentrant: a signal handler may send an alert while its thread is in here.
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.idle: list[Session] = []
        self.leased: set[Session] = set()
        self.opening = 0
        self.closed = 0.0


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
        self._processes: dict[int, _Process] = {}

    def _mine(self) -> _Process:
        pid = os.getpid()
        process = self._processes.get(pid)
        if process is None:
            # A lock that another thread held at the fork never opens again in the child:
            # everything starts anew. setdefault is atomic.
            process = self._processes.setdefault(pid, _Process())
            self._abandon(pid)
        return process

    def _abandon(self, pid: int) -> None:
        """Close this process's handles of connections that belong to another."""
        for owner in [owner for owner in self._processes if owner != pid]:
            process = self._processes.pop(owner, None)
            if process is not None:
                for session in [*process.idle, *process.leased]:
                    session.wire.close()

    def lease(self, deadline: Deadline) -> Session | None:
        """Return an open connection, or None: the caller may open one and `adopt` it.

        Either way `give_back` or `discard` has to follow.

        Raises:
            DeadlineExceeded: All are in use until the deadline.
        """
        process = self._mine()
        with process.lock:
            while True:
                while process.idle:
                    session = process.idle.pop()
                    if self._usable(session) and session.wire.alive():
                        process.leased.add(session)
                        return session
                    session.close()
                if len(process.leased) + process.opening < self._limit:
                    process.opening += 1
                    return None
                if not process.changed.wait(deadline.remaining()) and deadline.expired:
                    raise DeadlineExceeded(
                        f"All {self._limit} connections were in use until the deadline.",
                        remedy="Raise connections, or the deadline.",
                    )

    def _usable(self, session: Session) -> bool:
        idle = time.monotonic() - session.last_used
        return session.mails < self._max_mails and idle <= self._max_idle

    def adopt(self, session: Session) -> None:
        """Take in the connection that a caller opened."""
        process = self._mine()
        with process.lock:
            process.opening -= 1
            process.leased.add(session)

    def give_back(self, session: Session) -> None:
        """Keep a connection for the next mail."""
        process = self._mine()
        with process.lock:
            # Within the lock, so that those given back later were also used later.
            session.last_used = time.monotonic()
            process.leased.discard(session)
            if (
                self._usable(session)
                and session.wire.quiet
                and session.opened >= process.closed
            ):
                process.idle.append(session)
            else:
                session.close()
            process.changed.notify()

    def discard(self, session: Session | None) -> None:
        """Close a connection that is of no use, or give up on opening one."""
        process = self._mine()
        with process.lock:
            if session is None:
                process.opening -= 1
            else:
                process.leased.discard(session)
                session.wire.close()
            process.changed.notify()

    def discard_idle(self, before: float) -> None:
        """Close what has been idle since before a moment of ``time.monotonic()``."""
        process = self._mine()
        with process.lock:
            gone = [session for session in process.idle if session.last_used <= before]
            process.idle = [session for session in process.idle if session not in gone]
            for session in gone:
                session.wire.close()

    def close(self) -> None:
        """Close the idle connections now, and those in use when they are given back."""
        process = self._mine()
        with process.lock:
            process.closed = time.monotonic()
            while process.idle:
                process.idle.pop().close()
