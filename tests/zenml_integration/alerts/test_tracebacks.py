"""Tracebacks start at the user's code and keep what that code called."""

from __future__ import annotations

import builtins
import json
import sys

import pytest

import zenmail_zenml.alerts.tracebacks as module
from zenmail_zenml.alerts.tracebacks import error_line, error_text, user_traceback

pytestmark = pytest.mark.zenml


class Unprintable(Exception):
    """Has no message."""

    def __str__(self) -> str:
        raise KeyError("message")


def caught(text: str, name: str) -> Exception:
    """Return the exception of code in a file of the given name, called through ours."""
    try:
        exec(compile(text, name, "exec"), {"json": json})
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_frames_of_a_library_are_kept() -> None:
    """The user's line comes first, then the library's."""
    text = user_traceback(caught("json.loads('{')", "/user/step.py"))
    assert text.index("/user/step.py") < text.index("decoder.py")
    assert text.splitlines()[-1].startswith("json.decoder.JSONDecodeError")


def test_frames_of_zenml_before_the_users_code_are_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What called the user's code is not the user's concern."""
    monkeypatch.setattr(module, "_zenml_folders", lambda: (__file__,))
    text = user_traceback(caught("1 / 0", "/user/step.py"))
    assert __file__ not in text
    assert "/user/step.py" in text


def test_a_traceback_of_zenml_alone_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a frame of the user's there is still a traceback."""
    monkeypatch.setattr(module, "_zenml_folders", lambda: (__file__, "/user/"))
    assert "/user/step.py" in user_traceback(caught("1 / 0", "/user/step.py"))


def test_an_exception_without_a_message() -> None:
    """Type alone, or type and a remark, when the message cannot be had."""
    assert error_line(ValueError()) == "ValueError"
    assert error_line(ValueError("x")) == "ValueError: x"
    assert error_line(Unprintable()) == "Unprintable: (its message is not printable)"
    assert "Unprintable" in user_traceback(Unprintable())


def raised_from() -> Exception:
    """Return an error with a cause that has a cause."""
    try:
        try:
            try:
                raise KeyError("model")
            except KeyError as error:
                raise LookupError("no model") from error
        except LookupError as error:
            raise RuntimeError("scoring failed") from error
    except RuntimeError as error:
        return error


def test_the_innermost_cause_leads() -> None:
    """The reader sees what went wrong, and then what it ended in."""
    shown = error_text(raised_from())
    assert shown == "KeyError: 'model'\nIt ended in RuntimeError: scoring failed"
    assert error_text(ValueError("plain")) == "ValueError: plain"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="this Python has no exception groups")
def test_a_group_is_called_by_its_first_error() -> None:
    """A TaskGroup says of itself only that there are unhandled errors."""
    errors = [raised_from(), ValueError("b")]
    group = getattr(builtins, "ExceptionGroup")("unhandled errors in a TaskGroup", errors)  # noqa: B009
    first, last = error_text(group).split("\n")
    assert first == "KeyError: 'model'"
    assert last.startswith("It ended in ExceptionGroup: unhandled errors in a TaskGroup")
