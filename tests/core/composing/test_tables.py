"""Behaviour of metrics, steps and tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from zenmail import StepSummary
from zenmail.composing.plaintext import aligned
from zenmail.composing.summaries import metric_line, steps_table
from zenmail.composing.tables import fit, to_table


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
    metrics = {"up": 1.1, "down": 0.5, "same": 2, "new": 1, "zero": 1.0, "word": "x"}
    baseline = {"up": 1.0, "down": 1.0, "same": 2, "gone": 3, "zero": 0, "word": "y"}
    changes = {
        name: metric_line(name, metrics, baseline).change for name in {**metrics, **baseline}
    }
    assert changes == {
        "up": "▲ +0.1 (+10.0%)",
        "down": "▼ -0.5 (-50.0%)",
        "same": "unchanged",
        "new": "",
        "zero": "▲ +1",
        "word": "",
        "gone": "",
    }
    assert metric_line("gone", metrics, baseline).value == "not reported"


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


def test_a_column_that_is_not_shown_counts_for_the_rows() -> None:
    """A mapping of columns has as many rows as the longest, shown or not."""
    table = to_table("t", {"a": [1], "b": [1, 2]}, rows=5, columns=1)
    assert table.rows == [["1"], ["-"]]
    assert table.note == "1 more columns are not shown."


def test_failed_steps_are_always_shown() -> None:
    """Of many steps the failed ones come first; those that completed are counted."""
    steps = [StepSummary(name=f"s{number}", status="completed") for number in range(200)]
    steps.append(StepSummary(name="bad", status="failed", reason="boom"))
    lines, note = steps_table(steps, 10)
    assert lines[0].name == "bad"
    assert note == "200 completed; the 3 longest are shown."


def test_what_a_failure_took_down_stands_before_the_longest_steps() -> None:
    """Failed, skipped, then the longest of the others, each with its share of the run."""
    steps = [
        StepSummary(name=f"s{at}", status="completed", started=at, seconds=1 + at % 7)
        for at in range(12)
    ]
    steps += [
        StepSummary(name="lost", status="skipped"),
        StepSummary(name="bad", status="failed", started=12, seconds=12),
    ]
    lines, note = steps_table(steps, 40)
    assert [line.name for line in lines[:3]] == ["bad", "lost", "s6"]
    assert note == "12 completed in 16 s; the 3 longest are shown."
    assert (lines[0].left, lines[0].width, lines[0].span) == (50, 50, "12 s to 24 s of 24 s")


class NAType:
    """What pandas.NA is called; it has no truth."""

    def __ne__(self, other: object) -> Any:
        return self

    def __bool__(self) -> bool:
        raise TypeError("boolean value of NA is ambiguous")

    __hash__ = object.__hash__


@pytest.mark.parametrize("missing", [None, float("nan"), Decimal("nan"), NAType()])
def test_missing_values_of_any_type_are_a_dash(missing: object) -> None:
    """One of them costs neither the table nor the alignment of its column."""
    table = to_table("t", [{"a": 1.5}, {"a": missing}])
    assert table.rows == [["1.5"], ["-"]]
    assert table.right == {0}


def test_missing_values_of_pandas_are_a_dash() -> None:
    """NaT, NA and NaN in one frame."""
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    frame = pandas.DataFrame(
        {"t": [pandas.NaT, pandas.Timestamp("2026-03-01")], "n": [pandas.NA, 2]}
    )
    assert to_table("t", frame).rows == [["-", "-"], ["2026-03-01", "2"]]


class Arrow:
    """A table as pyarrow's: no columns by that name."""

    column_names = ("a", "b")
    num_rows = 30

    def slice(self, start: int, length: int) -> Arrow:
        return self

    def select(self, names: list[str]) -> Arrow:
        return self

    def to_pydict(self) -> dict[str, list[int]]:
        return {"a": [1] * 20, "b": [2] * 20}


class Lazy:
    """A frame that is read when it is asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def limit(self, count: int) -> Lazy:
        self.asked.append(count)
        return self

    def to_arrow(self) -> Arrow:
        return Arrow()


def test_frames_of_other_libraries_are_tables() -> None:
    """Arrow's, and those that turn into one; of a lazy one no more is read than is shown."""
    assert to_table("t", Arrow()).columns == ["a", "b"]
    lazy = Lazy()
    assert to_table("t", lazy).rows[0] == ["1", "2"]
    assert lazy.asked == [20]


@pytest.mark.parametrize(
    ("name", "value", "baseline", "trend"),
    [
        ("val_loss", 0.2, 0.3, "good"),
        ("validationLoss", 0.4, 0.3, "bad"),
        ("accuracy", 0.9, 0.8, "good"),
        ("f1", 0.7, 0.8, "bad"),
        ("rows", 3, 2, ""),
        ("accuracy_loss", 3, 2, ""),
        ("accuracy", 0.9, 0.9, ""),
    ],
)
def test_a_name_tells_whether_a_change_is_good(
    name: str, value: float, baseline: float, trend: str
) -> None:
    """A name that says neither, or both, leaves it open."""
    assert metric_line(name, {name: value}, {name: baseline}).trend == trend


def test_columns_that_do_not_fit_are_named() -> None:
    """The widest word of a column decides; two columns are always shown."""
    wide = to_table("t", [{f"column_{at:02}": "word " * 3 for at in range(12)}], columns=200)
    shown = fit(wide, 10)
    assert len(shown.columns) == 7
    assert shown.note == f"Columns not shown here: {', '.join(wide.columns[7:])}."
    assert shown.phone == 4
    assert shown.phone_note.startswith("Columns not shown here: column_04, ")
    assert shown.text_columns == 4
    assert len(fit(to_table("t", [{"a": "W" * 90, "b": "W" * 90}]), 10).columns) == 2


def test_two_columns_too_wide_for_a_line_are_a_list() -> None:
    """Each row of the text part is a line that reads by itself."""
    rows = [
        ["what", "before → after"],
        ["data", "48,211 rows, " * 5 + "→ 0 rows"],
        ["x", "1 → 2"],
    ]
    heading, wide, narrow = aligned(rows)
    assert heading == "what: before → after"
    assert " ".join(wide.split()) == f"- data: {rows[1][1]}"
    assert narrow == "- x: 1 → 2"


class Unprintable:
    """A value that cannot be printed."""

    def __str__(self) -> str:
        raise ValueError


def test_one_value_does_not_cost_its_table() -> None:
    """A value that cannot be printed is said to be one; the other cells stay."""
    (row,) = to_table("t", [{"a": 1, "b": Unprintable()}]).rows
    assert row == ["1", "<Unprintable that cannot be shown: ValueError>"]


def test_numpy_dates_and_spans_are_read_as_such() -> None:
    """They are integers to NumPy, and Python does not know their nanoseconds."""
    numpy = pytest.importorskip("numpy", reason="needs numpy")
    rows = [[numpy.timedelta64(90, "s"), numpy.datetime64("2026-03-01T04:05:06", "ns")]]
    assert to_table("t", rows).rows == [["1 min 30 s", "2026-03-01 04:05:06"]]
    missing = [[numpy.timedelta64("NaT", "s"), numpy.datetime64("NaT", "s")]]
    assert to_table("t", missing).rows == [["-", "-"]]
    plots = numpy.array([(1, 2.5)], dtype=[("epoch", "i4"), ("loss", "f8")])
    assert to_table("t", plots).columns == ["epoch", "loss"]


def test_a_mapping_of_mappings_has_a_row_for_each() -> None:
    """Their keys are the columns, as in a frame made of it."""
    table = to_table("t", {"north": {"mae": 1, "n": 2}, "south": {"mae": 3}})
    assert (table.columns, table.rows) == (
        ["", "mae", "n"],
        [["north", "1", "2"], ["south", "3", "-"]],
    )


def test_a_styled_frame_is_its_frame() -> None:
    """The style is for notebooks."""
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    pytest.importorskip("jinja2", reason="needs jinja2")
    assert to_table("t", pandas.DataFrame({"a": [1]}).style).rows == [["1"]]


@pytest.mark.parametrize("kind", ["DataFrame", "LazyFrame"])
def test_frames_of_polars(kind: str) -> None:
    """Missing values and the columns' names are theirs."""
    polars = pytest.importorskip("polars", reason="needs polars")
    table = to_table("t", getattr(polars, kind)({"a": [1.5, None], "b": ["x", "y"]}))
    assert (table.columns, table.rows) == (["a", "b"], [["1.5", "x"], ["-", "y"]])


@pytest.mark.parametrize("kind", ["Table", "RecordBatch"])
def test_tables_of_arrow(kind: str) -> None:
    """Missing values and the columns' names are theirs."""
    pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow")
    table = to_table("t", getattr(pyarrow, kind).from_pydict({"a": [1.5, None]}))
    assert (table.columns, table.rows) == (["a"], [["1.5"], ["-"]])
