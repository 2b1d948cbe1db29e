"""Behaviour of tracebacks in a mail."""

from __future__ import annotations

import traceback

import pytest

from zenmail.composing.traceback_view import view_traceback


def raised() -> str:
    """Return a real traceback of two exceptions, one raised from the other."""
    try:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("second\nwith a line more") from error
    except ValueError:
        return traceback.format_exc()


def test_short_traceback_is_verbatim() -> None:
    """Nothing is added to or taken from a traceback that fits."""
    text = raised().rstrip("\n")
    view = view_traceback(text)
    assert view.text == text
    assert view.omitted == 0


def test_the_last_exception_is_the_one_that_is_marked() -> None:
    """Of a chain, the frame that raised what the reader sees is marked."""
    view = view_traceback(raised())
    assert 'raise ValueError("second' in view.raising
    assert view.place.endswith("in raised")


def test_the_raising_line_is_shown_though_the_message_is_long() -> None:
    """A message of a thousand lines does not push the raising frame out of sight."""
    text = "\n".join(
        ["Traceback (most recent call last):"]
        + [f'  File "a.py", line {number}, in f\n    g()' for number in range(200)]
        + ["ValueError: long"]
        + [f"detail {number}" for number in range(1000)]
    )
    view = view_traceback(text, lines=60)
    assert 'File "a.py", line 199' in view.raising
    assert view.text.count("\n") < 75
    assert view.text.endswith("detail 999")


@pytest.mark.parametrize("count", [61, 100, 5000])
def test_lines_left_out_are_counted(count: int) -> None:
    """Shown and omitted lines add up."""
    view = view_traceback("\n".join(f"line {number}" for number in range(count)))
    shown = [line for line in view.text.split("\n") if line.startswith("line ")]
    assert len(shown) + view.omitted == count
    assert f"{view.omitted:,} line" in view.text


def test_exception_group_is_marked() -> None:
    """The frames of a group, behind their bars, are understood."""
    view = view_traceback(
        '  | Traceback (most recent call last):\n  |   File "a.py", line 3, in f\n'
        "  |     raise ValueError()\n  | ValueError"
    )
    assert view.place == "a.py, line 3, in f"
    assert "raise ValueError" in view.raising


def test_text_that_is_no_traceback_has_no_mark() -> None:
    """Any other text is shown as it is."""
    view = view_traceback("no traceback here")
    assert view.raising == ""
    assert view.place == ""
    assert view.text == "no traceback here"
