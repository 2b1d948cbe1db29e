"""Tracebacks of steps: Python's own text, beginning where the user's code does."""

from __future__ import annotations

from pathlib import Path
from traceback import StackSummary, TracebackException

__all__ = ["error_line", "user_traceback"]


def error_line(error: BaseException) -> str:
    """Return the exception's type and message as a traceback's last line states them."""
    kind = type(error).__qualname__
    try:
        message = str(error)
    except Exception:
        message = "(its message cannot be shown)"
    return f"{kind}: {message}" if message else kind


def user_traceback(error: BaseException) -> str:
    """Return the traceback, causes included, without the frames of ZenML that lead to it.

    Those of libraries that the user's code called follow the user's own, as Python has it.
    """
    try:
        report = TracebackException.from_exception(error)
    except Exception:  # a hostile __str__ or a source that cannot be read
        return error_line(error)
    machinery = _machinery()
    seen: set[int] = set()
    reports = [report]
    while reports:
        one = reports.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        frames = list(one.stack)
        while frames and frames[0].filename.startswith(machinery):
            del frames[0]
        if frames:
            one.stack = StackSummary.from_list(frames)
        reports += [other for other in (one.__cause__, one.__context__) if other is not None]
    return "".join(report.format()).rstrip("\n")


def _machinery() -> tuple[str, ...]:
    import zenml

    return (f"{Path(zenml.__file__).parent}/", f"{Path(__file__).parent}/")
