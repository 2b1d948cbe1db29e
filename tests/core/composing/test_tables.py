"""Behaviour of values, metrics and tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum
from pathlib import Path

import pytest

from zenmail import Alert, StepSummary, compose
from zenmail.composing.tables import (
    duration,
    format_metric,
    format_value,
    metrics_table,
    steps_table,
    to_table,
)


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    y: int


class Scalar:
    """A number of a foreign library, such as a tensor of one element."""

    ndim = 0

    def item(self) -> float:
        return 0.5


class Index:
    """An index with names."""

    name = "row"


class Located:
    """What a pandas frame gives for ``iloc``."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame

    def __getitem__(self, key: tuple[slice, slice]) -> Frame:
        return Frame([row[key[1]] for row in self.frame.rows], self.frame.columns[key[1]])


class Frame:
    """As much of a pandas DataFrame as a table needs."""

    index = Index()

    def __init__(self, rows: list[list[object]], columns: list[str]) -> None:
        self.rows, self.columns = rows, columns
        self.shape = (len(rows), len(columns))
        self.iloc = Located(self)

    def head(self, count: int) -> Frame:
        return Frame(self.rows[:count], self.columns)

    def itertuples(self, *, index: bool, name: None) -> Iterator[tuple[object, ...]]:
        for number, row in enumerate(self.rows):
            yield (f"r{number}", *row) if index else tuple(row)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        (20240101, "20240101"),
        (True, "True"),
        (None, "None"),
        (0.1 + 0.2, "0.3"),
        (Colour.RED, "red"),
        (b"ab\xff", "ab\\xff"),
        (Path("a/b"), "a/b"),
        (Scalar(), "0.5"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc), "2026-01-02 03:04:05 UTC"),
        (timedelta(seconds=125), "2 min 05 s"),
        ([1, 2], "1, 2"),
        (Point(1, 2), "x: 1, y: 2"),
        (list(range(25)), ", ".join(map(str, range(20))) + ", and 5 more"),
        ({"a": {"b": 1}}, "a.b: 1"),
    ],
)
def test_values_are_readable(value: object, text: str) -> None:
    """Values of every kind are shown as people read them, whole numbers digit by digit."""
    assert format_value(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.912345678, "0.91235"),
        (1204331, "1,204,331"),
        (1234.5678, "1,234.6"),
        (3e-7, "3e-07"),
        (float("nan"), "not a number"),
        (float("inf"), "infinite"),
        (0.0, "0"),
        ("n/a", "n/a"),
        (10**400, "about 10^400"),
        (Scalar(), "0.5"),
        (1e300, "1e+300"),
    ],
)
def test_metrics_have_sensible_digits(value: object, text: str) -> None:
    """Measured values have five significant digits and groups of thousands."""
    assert format_metric(value) == text


def test_change_against_the_baseline_has_sign_and_percent() -> None:
    """A change is told by an arrow, a sign and a percentage; none where there is none."""
    lines = metrics_table(
        {"up": 1.1, "down": 0.5, "same": 2, "new": 1, "zero": 1.0, "word": "x"},
        {"up": 1.0, "down": 1.0, "same": 2, "gone": 3, "zero": 0, "word": "y"},
    )
    changes = {line.name: line.change for line in lines}
    assert changes == {
        "up": "▲ +0.1 (+10.0%)",
        "down": "▼ -0.5 (-50.0%)",
        "same": "unchanged",
        "new": "",
        "zero": "▲ +1",
        "word": "",
        "gone": "",
    }
    assert lines[-1].value == "not reported"


@pytest.mark.parametrize(
    ("source", "columns", "first"),
    [
        (Frame([[1, "a"], [2, "b"]], ["n", "s"]), ["row", "n", "s"], ["r0", "1", "a"]),
        ([{"a": 1}, {"b": 2}], ["a", "b"], ["1", "-"]),
        ([["x", "y"], [1, 2]], ["x", "y"], ["1", "2"]),
        ({"x": [1, 2], "y": [3]}, ["x", "y"], ["1", "3"]),
        ({"x": 1}, ["Name", "Value"], ["x", "1"]),
        ([Point(1, 2)], ["x", "y"], ["1", "2"]),
        ("text", ["Value"], ["text"]),
        ((item for item in [[1]]), ["1"], ["1"]),
    ],
)
def test_sources_become_tables(source: object, columns: list[str], first: list[str]) -> None:
    """Frames, mappings, sequences and generators become tables with titles."""
    table = to_table("t", source)
    assert table.columns == columns
    assert table.rows[0] == first


def test_large_tables_say_what_is_left_out() -> None:
    """Rows and columns beyond the limits are counted."""
    table = to_table("t", Frame([[0] * 50] * 1000, [str(at) for at in range(50)]))
    assert len(table.rows) == 20
    assert table.note == "980 more rows and 44 more columns are not shown."


def test_failed_steps_are_always_shown() -> None:
    """Of many steps the failed ones stay; the others are counted by status."""
    steps = [StepSummary(name=f"s{number}", status="completed") for number in range(200)]
    steps.append(StepSummary(name="bad", status="failed", reason="boom"))
    lines, note = steps_table(steps, 10)
    assert lines[-1].name == "bad"
    assert note == "191 more steps are not shown: 191 completed."


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (9.96, "10 s"),
        (65, "1 min 05 s"),
        (7800, "2 h 10 min"),
        (200_000, "2 d 7 h"),
        (float("nan"), "n/a"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """Time spans are told in the units that matter."""
    assert duration(seconds) == text


class Broken:
    """A value that cannot be printed."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__

    @property
    def shape(self) -> tuple[int, ...]:
        raise RuntimeError("no")


class Stopped(Exception):
    """What a signal handler raises."""


class Stopping:
    def __str__(self) -> str:
        raise Stopped


def test_values_that_cannot_be_shown_lose_nothing_else() -> None:
    """A broken object anywhere is a note; the rest of the alert arrives."""
    email = compose(
        Alert(
            title="Title",
            facts={"a": Broken(), "b": 1, "c": {"d": [Broken()]}},
            metrics={"m": Broken(), "kept": 0.25},
            tables={"t": Broken(), "u": [[1]]},
        ),
        sender="a@example.com",
        to="b@example.com",
    )
    for words in ("Title", "b: 1", "Broken", "cannot be shown", "kept: 0.25"):
        assert words in email.text


def test_a_stop_signal_is_not_swallowed() -> None:
    """An exception that ends the program passes through."""
    with pytest.raises(Stopped):
        compose(
            Alert(title="x", facts={"a": Stopping()}),
            sender="a@example.com",
            to="b@example.com",
            pass_through=(Stopped,),
        )
