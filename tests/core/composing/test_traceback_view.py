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


THROUGH_PANDAS = """Traceback (most recent call last):
  File "/venv/lib/python3.11/site-packages/pandas/core/base.py", line 3816, in get_loc
    return self._engine.get_loc(key)
           ^^^^^^^^^^^^^^^^^^^^^^^^^
  File "pandas/_libs/index.pyx", line 172, in pandas._libs.index.get_loc
KeyError: 'x'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/app/steps/features.py", line 30, in add
    return frame["a"] * frame["x"]
                        ~~~~~^^^^^
  File "/venv/lib/python3.11/site-packages/pandas/core/frame.py", line 4330, in __getitem__
    indexer = self.columns.get_loc(key)
  File "/usr/lib/python3.11/functools.py", line 7, in inner
    return func()
KeyError: 'x'"""


def test_frames_of_libraries_are_counted_and_the_users_own_is_marked() -> None:
    """The reader's own line leads; its carets stay below it."""
    view = view_traceback(THROUGH_PANDAS, error="KeyError: 'x'")
    assert view.place == "steps/features.py, line 30, in add"
    assert view.source == 'return frame["a"] * frame["x"]'
    assert view.raising.split("\n")[2] == "                        ~~~~~^^^^^"
    assert "[... 2 frames in pandas ...]" in view.before
    assert view.after == "[... 2 frames in pandas, Python ...]\nKeyError: 'x'"
    assert "site-packages" not in view.text
    assert view.omitted == 8


def test_the_frame_of_the_error_that_the_mail_names_is_marked() -> None:
    """Of a chain, the frame of the cause, if the mail is about the cause."""
    text = raised()
    assert 'raise KeyError("first")' in view_traceback(text, error="KeyError: 'first'").raising
    assert "second" in view_traceback(text, error="ValueError: second").raising


def test_a_traceback_of_libraries_alone_is_whole() -> None:
    """Where no frame is the user's, none is left out."""
    text = THROUGH_PANDAS.partition("\n\n")[0]
    view = view_traceback(text, error="KeyError: 'x'")
    assert view.text == text
    assert "index.pyx" in view.raising


def test_folded_frames_of_a_group_keep_its_bars() -> None:
    """What stands in their place does not break the drawing."""
    view = view_traceback(
        '  | Traceback (most recent call last):\n  |   File "/app/a.py", line 3, in f\n'
        '  |   File "/usr/lib/python3.11/asyncio/runners.py", line 9, in run\n'
        "  | ValueError"
    )
    assert "\n  |   [... 1 frame in Python ...]\n  | ValueError" in view.text


def test_a_long_source_line_loses_its_middle_in_the_box() -> None:
    """The traceback has it whole."""
    line = f"raise ValueError({'x' * 150!r})"
    view = view_traceback(f'Traceback:\n  File "a.py", line 3, in f\n    {line}\nValueError')
    assert len(view.source) == 120
    assert line in view.text
