"""Behaviour of metrics, steps and tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from zenmail import StepSummary
from zenmail.composing.tables import metrics_table, steps_table, to_table


@dataclass
class Point:
    x: int
    y: int


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
