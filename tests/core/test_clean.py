"""What may not travel is taken out, and nothing else."""

from __future__ import annotations

import enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zenmail.clean import as_text, clean_line, clean_text

_KEPT = [
    "plain",
    "tab\tand\nline",
    "👩\u200d👩\u200d👧\u200d👦 🏳\ufe0f\u200d🌈",
    "e\u0301 and n\u0303",
    "\u05e9\u05dc\u05d5\u05dd\u200f (x)\u200e",
    "\u0645\u0631\u062d\u0628\u0627 \u061c",
    "no\u00a0break and \u3000 wide",
    "\U0010fffd",
]


@pytest.mark.parametrize("text", _KEPT)
def test_what_people_write_is_kept(text: str) -> None:
    """Joined emoji, combining marks, direction marks and special blanks survive."""
    assert clean_text(text) == text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\r\nb\rc\x0bd\x0ce\x85f\u2028g\u2029h", "a\nb\nc\nd\ne\nf\ng\nh"),
        ("a\0b\x01\x08\x7f\x80\x9f", "ab"),
        ("\x1b[1;31mred\x1b[0m \x9b32mgreen", "red green"),
        ("\x1b]8;;https://x.example\x1b\\link\x1b]8;;\x07", "link"),
        ("\x1b]never ended", "never ended"),
        ("\x1b(B\x1b7x\x1bc", "x"),
        ("\u202eevil\u202c \u2066x\u2069 \u202a\u202b\u202d", "evil x "),
        ("\ud83d\ude00 \ud800 \udc00", "😀 \ufffd \ufffd"),
    ],
)
def test_what_cannot_travel_is_cleaned(text: str, cleaned: str) -> None:
    """Controls, terminal codes and overrides go; surrogates become characters."""
    assert clean_text(text) == cleaned


@given(st.text(st.characters()))
def test_cleaning_is_final(text: str) -> None:
    """Cleaned text is encodable, and cleaning it again changes nothing."""
    once = clean_text(text)
    once.encode("utf-8")
    assert clean_text(once) == once
    line = clean_line(text)
    assert clean_line(line) == line
    assert len(line.splitlines()) <= 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Training done\nAccuracy: 0.92", "Training done Accuracy: 0.92"),
        ("  \r\n a \t\r\n b  ", "a b"),
        ("two  blanks", "two  blanks"),
        ("x\r\nBcc: y@z.example", "x Bcc: y@z.example"),
    ],
)
def test_a_line_is_one_line(text: str, line: str) -> None:
    """Line ends and tabs become one blank each time; other blanks stay."""
    assert clean_line(text) == line


def test_a_long_line_is_cut_and_says_so() -> None:
    """What is too long for a header ends in an ellipsis."""
    assert clean_line("x" * 10**6) == "x" * 997 + "…"


@pytest.mark.parametrize(
    "unit",
    [
        "\x1b[", "\x1b]", "\x9d" + "a" * 4095, "\x1b[0", "\x1b ", "\x9b;", " ", " \t", "\n ",
        "\ud800", "\u202e", "\r", "a\0", "0;",
    ],
)  # fmt: skip
@pytest.mark.once
@pytest.mark.no_cover  # it would double the time
@pytest.mark.timeout(60)
def test_hostile_text_of_megabytes_is_cleaned(unit: str) -> None:
    """Cleaning ends in time that only a linear way can keep."""
    text = "\x1b[" + unit * (3_000_000 // len(unit))
    clean_line(text, limit=len(text))


class _Colour(str, enum.Enum):
    RED = "red"


class _Markup(str):
    __slots__ = ()

    def replace(self, *_: object) -> str:
        return "replaced"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0, "0"),
        (0.92, "0.92"),
        (ValueError("boom"), "ValueError: boom"),
        (KeyError(), "KeyError"),
        (b"caf\xc3\xa9 \xff", "café \ufffd"),
        (_Colour.RED, "red"),
        (_Markup("<b>"), "<b>"),
        (["a", 1], "['a', 1]"),
    ],
)
def test_anything_becomes_text(value: object, text: str) -> None:
    """What is no text becomes what a user expects to read, as a plain str."""
    result = as_text(value)
    assert result == text
    assert type(result) is str


class _Grumpy:
    def __str__(self) -> str:
        raise KeyError("no text")


class _GrumpyError(ValueError):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_what_cannot_be_printed_is_named() -> None:
    """An object whose ``__str__`` fails is no reason to lose an alert."""
    assert as_text(_Grumpy()) == "<_Grumpy that cannot be shown: KeyError>"
    assert "RuntimeError" in as_text(_GrumpyError())
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    assert "RecursionError" in as_text(nested)


def test_a_signal_while_printing_gets_out() -> None:
    """What a signal handler raises in the middle is not taken for the object's failure."""

    class Stopped(Exception):
        """Raised once, as by a signal handler."""

    class Interrupted:
        calls = 0

        def __str__(self) -> str:
            self.calls += 1
            if self.calls == 1:
                raise Stopped
            return "text"

    with pytest.raises(Stopped):
        as_text(Interrupted())
