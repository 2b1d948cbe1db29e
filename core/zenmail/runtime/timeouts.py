"""A call that is given up on when it takes too long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVar

__all__ = ["CallTimedOut", "call_with_timeout"]

_Result = TypeVar("_Result")


class CallTimedOut(Exception):
    """The call did not return in time. It is still running, and its outcome is unknown."""


def call_with_timeout(call: Callable[[], _Result], seconds: float) -> _Result:
    """Return what a call returns that takes no time-out of its own.

    It runs in a thread, with the caller's context variables; the thread is left behind when
    the time is over. Where no thread is to be had, as CPython 3.12.0 and 3.12.1 have none at
    the interpreter's end, it runs here for as long as it takes.

    Args:
        call: What to call; whatever it raises is raised here.
        seconds: How long to wait for it.

    Raises:
        CallTimedOut: It has not returned by then.
    """
    result: list[_Result] = []
    failure: list[BaseException] = []
    done = threading.Event()
    context = copy_context()

    def run() -> None:
        try:
            result.append(context.run(call))
        except BaseException as error:
            failure.append(error)
        finally:
            done.set()

    try:
        threading.Thread(target=run, name="zenmail-call", daemon=True).start()
    except RuntimeError:
        return call()
    done.wait(seconds)
    if failure:
        raise failure[0]
    if not result:
        raise CallTimedOut
    return result[0]
