"""Tracebacks of steps: Python's own text, beginning where the user's code does."""

from __future__ import annotations

from pathlib import Path
from traceback import FrameSummary, StackSummary, TracebackException

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
    """Return the traceback, causes included, without ZenML's frames that lead to it.

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
        frames = _without_machinery(list(one.stack), machinery)
        if frames:
            one.stack = StackSummary.from_list(frames)
        reports += [other for other in (one.__cause__, one.__context__) if other is not None]
    return "".join(report.format()).rstrip("\n")


def _without_machinery(
    frames: list[FrameSummary], machinery: tuple[str, ...]
) -> list[FrameSummary]:
    """Leave out ZenML's frames that lead to the user's code, and no others.

    A dynamic pipeline's function calls its steps through ZenML, so they stand in the
    middle, too. Those that end elsewhere are what the user's code called.
    """
    kept: list[FrameSummary] = []
    leading: list[FrameSummary] = []
    for frame in frames:
        if frame.filename.startswith(machinery):
            leading.append(frame)
            continue
        if kept and not (leading and leading[-1].name.endswith("call_entrypoint")):
            kept += leading
        kept.append(frame)
        leading = []
    return kept + leading


def _machinery() -> tuple[str, ...]:
    import zenml

    return (f"{Path(zenml.__file__).parent}/", f"{Path(__file__).parent}/")
