"""Tracebacks start at the user's code and keep what that code called."""

from __future__ import annotations

import json

import pytest

import zenmail_zenml.alerts.tracebacks as module
from zenmail_zenml.alerts.tracebacks import error_line, user_traceback

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
