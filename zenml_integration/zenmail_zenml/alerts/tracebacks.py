"""Tracebacks of steps: as Python prints them, starting at the user's code."""

from __future__ import annotations

from pathlib import Path
from traceback import FrameSummary, StackSummary, TracebackException

__all__ = ["error_line", "error_text", "innermost", "last_line", "user_traceback"]

_DEEPEST = 20


def error_line(error: BaseException) -> str:
    """Return the exception's type and message, as in the last line of a traceback."""
    kind = type(error).__qualname__
    try:
        message = str(error)
    except Exception:
        message = "(its message is not printable)"
    return f"{kind}: {message}" if message else kind


def innermost(error: BaseException) -> BaseException:
    """Return the error behind an error: the cause of another, the first of a group."""
    for _ in range(_DEEPEST):
        inside = getattr(error, "exceptions", None)
        if isinstance(inside, tuple) and inside and isinstance(inside[0], BaseException):
            error = inside[0]
        elif error.__cause__ is not None:
            error = error.__cause__
        else:
            break
    return error


def error_text(error: BaseException) -> str:
    """Return the innermost error and, in a line below, the one that it ended in."""
    real = innermost(error)
    if real is error or error_line(real) == error_line(error):
        return error_line(error)
    return f"{error_line(real)}\nIt ended in {error_line(error)}"


def last_line(traceback: str) -> str:
    """Return the exception's line of a traceback: the last that is not indented."""
    lines = [line for line in traceback.strip().splitlines() if line.strip()]
    after = [index for index, line in enumerate(lines) if line.startswith(" ")]
    rest = lines[after[-1] + 1 :] if after else lines
    # ZenML 0.94.1 leaves out the line of the exception itself.
    return rest[0] if rest else ""


def user_traceback(error: BaseException) -> str:
    """Return the traceback, causes included, without ZenML's frames around the user's code.

    Frames of libraries that the user's code called are kept.
    """
    try:
        report = TracebackException.from_exception(error)
    except Exception:  # a broken __str__, or unreadable source
        return error_line(error)
    folders = _zenml_folders()
    seen: set[int] = set()
    pending = [report]
    while pending:
        part = pending.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        frames = _user_frames(list(part.stack), folders)
        if frames:
            part.stack = StackSummary.from_list(frames)
        pending += [other for other in (part.__cause__, part.__context__) if other is not None]
    return "".join(report.format()).rstrip("\n")


def _user_frames(frames: list[FrameSummary], folders: tuple[str, ...]) -> list[FrameSummary]:
    """Drop the frames through which ZenML calls the user's code.

    In a dynamic pipeline they also stand in the middle, because its function calls steps
    through ZenML. ZenML's frames that the user's code called for other reasons are kept.
    """
    kept: list[FrameSummary] = []
    zenml_frames: list[FrameSummary] = []
    for frame in frames:
        if frame.filename.startswith(folders):
            zenml_frames.append(frame)
            continue
        if kept and not (zenml_frames and zenml_frames[-1].name.endswith("call_entrypoint")):
            kept += zenml_frames
        kept.append(frame)
        zenml_frames = []
    return kept + zenml_frames


def _zenml_folders() -> tuple[str, ...]:
    import zenml

    return (f"{Path(zenml.__file__).parent}/", f"{Path(__file__).parent}/")
