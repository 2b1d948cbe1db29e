"""Forks: what keeps out of their way, and what starts afresh in the child."""

from __future__ import annotations

# Hooks that run before a fork do so in reverse. Were logging imported after this module, a
# fork would hold logging's lock while it waits for sections that log.
import logging  # noqa: F401
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol
from weakref import WeakSet

__all__ = ["Closable", "Forkable", "close_before_fork", "defer_forks", "reset_after_fork"]

# Seconds that a fork waits for the sections of other threads.
_PATIENCE = 5.0
_POLL = 0.0005
# A process that was stopped as a whole has given the sections no time to end.
_LEAST_LOOKS = 200

# The threads in a section, with how many sections deep they are in; and those that fork.
_inside: dict[int, int] = {}
_forking: set[int] = set()


@contextmanager
def defer_forks() -> Iterator[None]:
    """Have the forks of other threads wait while something short is done.

    It is for what takes locks of libc, OpenSSL or the import system: in a child that is
    forked meanwhile nobody is left to open them. Any number of threads can be in such a
    section. A fork waits until there is none, for at most five seconds in which the
    process was not stopped: a name server that is silent must not hold it up for longer.
    A thread's own section does not stop it.
    """
    me = threading.get_ident()
    depth = _inside.get(me, 0)
    try:
        # First say so, then look: a fork does it the other way round, so that one of the
        # two sees the other. There is no lock, which would have to survive forks itself.
        _inside[me] = depth + 1
        if _forking and not depth:
            _give_way(me)
        yield
    finally:
        if depth:
            _inside[me] = depth
        else:
            _inside.pop(me, None)


def _give_way(me: int) -> None:
    # For longer than a fork waits, so that it has the first go.
    give_up = time.monotonic() + 2 * _PATIENCE
    while _forking - {me} and time.monotonic() < give_up:
        _inside.pop(me, None)
        time.sleep(_POLL)
        _inside[me] = 1


def _before() -> None:
    me = threading.get_ident()
    _forking.add(me)
    give_up = time.monotonic() + _PATIENCE
    looks = 0
    while others := [thread for thread in list(_inside) if thread != me]:
        looks += 1
        if looks > _LEAST_LOOKS and time.monotonic() >= give_up:
            # They may be in there for long, and are not waited for by the next fork, too.
            for thread in others:
                _inside.pop(thread, None)
            break
        time.sleep(_POLL)
    for closable in list(_closables):
        closable.close()


def _after_in_parent() -> None:
    _forking.discard(threading.get_ident())


class Forkable(Protocol):
    """What holds locks, threads or connections, and starts afresh in the child of a fork."""

    def reset(self) -> None:
        """Forget what belongs to the parent, and make locks anew: its threads may hold them."""


_forkables: WeakSet[Forkable] = WeakSet()


def reset_after_fork(forkable: Forkable) -> None:
    """Reset the object now, and in every child that is forked while it lives."""
    forkable.reset()
    _forkables.add(forkable)


class Closable(Protocol):
    """What must not be open in two processes."""

    def close(self) -> None:
        """Close what is idle; it is opened again when it is used."""


_closables: WeakSet[Closable] = WeakSet()


def close_before_fork(closable: Closable) -> None:
    """Close the object before each fork: SQLite's locks are not inherited."""
    _closables.add(closable)


def _after_in_child() -> None:
    me = threading.get_ident()
    for thread in list(_inside):
        if thread != me:
            del _inside[thread]
    _forking.clear()
    for forkable in list(_forkables):
        forkable.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child
    )
