"""Behaviour of a call with a time-out: its result, its error, or the end of the patience."""

from __future__ import annotations

import threading
from contextvars import ContextVar

import pytest

from zenmail.runtime.timeouts import CallTimedOut, call_with_timeout

WHO: ContextVar[str] = ContextVar("who")


def test_result_and_error_come_through() -> None:
    """What the call returns is returned, None among it, and what it raises is raised."""
    assert call_with_timeout(lambda: 5, 30) == 5
    assert call_with_timeout(lambda: None, 30) is None

    def leave() -> None:
        raise SystemExit(7)

    with pytest.raises(SystemExit) as left:
        call_with_timeout(leave, 30)
    assert left.value.code == 7


def test_the_callers_context_goes_along() -> None:
    """Context variables have the caller's values in the call."""
    WHO.set("the caller")
    assert call_with_timeout(WHO.get, 30) == "the caller"


def test_a_call_that_takes_too_long_is_left_behind() -> None:
    """It is given up on, and goes on by itself."""
    leave, left = threading.Event(), threading.Event()

    def slow() -> None:
        leave.wait(30)
        left.set()

    with pytest.raises(CallTimedOut):
        call_with_timeout(slow, 0.05)
    leave.set()
    assert left.wait(30)


def test_a_time_out_of_its_own_is_the_calls() -> None:
    """A TimeoutError out of the call is not taken for the end of the patience."""

    def late() -> None:
        raise TimeoutError("the call's own")

    with pytest.raises(TimeoutError, match="the call's own"):
        call_with_timeout(late, 30)


def test_without_threads_the_call_is_made_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPython 3.12.0 and 3.12.1 start no thread at the interpreter's end; mails go out."""

    def none(_: object) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", none)
    assert call_with_timeout(lambda: 5, 1) == 5
