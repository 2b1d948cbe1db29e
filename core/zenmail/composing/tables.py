"""Metrics, steps and tables, cut down to what fits into a mail."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from ..alert import StepSummary
from .values import (
    duration,
    format_metric,
    format_value,
    is_missing,
    number_in,
    plain_mapping,
)

__all__ = ["Metric", "Step", "Table", "metrics_table", "steps_table", "to_table"]

_LONGEST_CELL = 2000


class Metric(NamedTuple):
    """A line of the metrics table; every attribute is text."""

    name: str
    value: str
    baseline: str
    change: str


class Step(NamedTuple):
    """A line of a run's summary; ``state`` is "good", "bad" or "other"."""

    name: str
    status: str
    state: str
    duration: str
    reason: str
    url: str


@dataclass
class Table:
    """A table of limited size.

    Attributes:
        title: The heading above it.
        columns: Titles of the columns.
        rows: Cells by row.
        right: Columns of numbers, aligned to the right.
        note: What was left out, or "".
    """

    title: str
    columns: list[str]
    rows: list[list[str]]
    right: frozenset[int] = frozenset()
    note: str = ""


# --- metrics


def metrics_table(metrics: Mapping[str, Any], baseline: Mapping[str, Any]) -> list[Metric]:
    """Return metrics with their baseline and the change from it."""
    lines = [
        Metric(
            str(name),
            format_metric(value),
            format_metric(baseline[name]) if name in baseline else "",
            _change(value, baseline[name]) if name in baseline else "",
        )
        for name, value in metrics.items()
    ]
    lines += [
        Metric(str(name), "not reported", format_metric(value), "")
        for name, value in baseline.items()
        if name not in metrics
    ]
    return lines


def _change(value: object, baseline: object) -> str:
    new, old = number_in(value), number_in(baseline)
    if new is None or old is None or not (math.isfinite(new) and math.isfinite(old)):
        return ""
    try:
        difference = new - old
        if not difference:
            return "unchanged"
        sign, arrow = ("+", "▲") if difference > 0 else ("-", "▼")
        percent = f" ({sign}{abs(difference) / abs(old):.1%})" if old else ""
    except OverflowError:
        return ""
    return f"{arrow} {sign}{format_metric(abs(difference))}{percent}"


# --- steps

_GOOD = frozenset({"completed", "succeeded", "success", "passed", "ok", "done"})
_BAD = frozenset({"failed", "failure", "error", "stopped", "crashed", "timeout"})


def steps_table(steps: Sequence[StepSummary], limit: int) -> tuple[list[Step], str]:
    """Return a run's steps, failed ones first to be kept, and a note on those left out."""
    lines = [
        Step(
            step.name,
            step.status,
            _state(step.status),
            "" if step.seconds is None else duration(step.seconds),
            step.reason,
            step.url,
        )
        for step in islice(steps, 50_000)
    ]
    if len(lines) <= limit:
        return lines, ""
    bad = [index for index, line in enumerate(lines) if line.state == "bad"][:limit]
    fill = [index for index, line in enumerate(lines) if line.state != "bad"]
    chosen = set(bad) | set(fill[: limit - len(bad)])
    left: dict[str, int] = {}
    for index, line in enumerate(lines):
        if index not in chosen:
            left[line.status] = left.get(line.status, 0) + 1
    summary = ", ".join(f"{count:,} {status}" for status, count in list(left.items())[:6])
    return (
        [line for index, line in enumerate(lines) if index in chosen],
        f"{len(steps) - len(chosen):,} more steps are not shown: {summary}.",
    )


def _state(status: str) -> str:
    word = status.lower()
    return "good" if word in _GOOD else "bad" if word in _BAD else "other"


# --- tables


@dataclass
class _Grid:
    columns: list[str]
    rows: list[list[object]]
    total_rows: int
    total_columns: int


def to_table(title: str, source: object, *, rows: int = 20, columns: int = 6) -> Table:
    """Return a DataFrame, mappings or sequences as a table of limited size.

    Args:
        title: What stands above it.
        source: A DataFrame (pandas, Polars), a NumPy array, a list of mappings, a list of
            sequences, or a mapping; anything else becomes a single cell.
        rows: The most rows to show.
        columns: The most columns to show.
    """
    grid = _grid(source, rows, columns)
    right = {
        at
        for at in range(len(grid.columns))
        if grid.rows
        and all(
            at >= len(row) or is_missing(row[at]) or number_in(row[at]) is not None
            for row in grid.rows
        )
        and any(at < len(row) and not is_missing(row[at]) for row in grid.rows)
    }
    left_out = []
    if grid.total_rows > len(grid.rows):
        left_out.append(f"{grid.total_rows - len(grid.rows):,} more rows")
    if grid.total_columns > len(grid.columns):
        left_out.append(f"{grid.total_columns - len(grid.columns):,} more columns")
    return Table(
        title,
        [_cell(name) for name in grid.columns],
        [[_cell(value) for value in row] for row in grid.rows],
        frozenset(right),
        f"{' and '.join(left_out)} are not shown." if left_out else "",
    )


def _cell(value: object) -> str:
    if is_missing(value):
        return "-"
    number = number_in(value)
    text = format_metric(value) if isinstance(number, float) else format_value(value)
    return text[:_LONGEST_CELL]


def _grid(source: Any, limit: int, width: int) -> _Grid:
    shape = getattr(source, "shape", None)
    if hasattr(source, "column_names") and callable(getattr(source, "to_pydict", None)):
        return _arrow(source, limit, width)
    if hasattr(source, "columns") and isinstance(shape, tuple) and len(shape) == 2:
        return _frame(source, limit, width)
    if isinstance(shape, tuple) and hasattr(source, "to_dict") and hasattr(source, "index"):
        source = source.to_dict()
    if callable(tolist := getattr(source, "tolist", None)):
        source = source[:limit].tolist() if isinstance(shape, tuple) and shape else tolist()
        grid = _grid(source, limit, width)
        if isinstance(shape, tuple) and shape:
            grid.total_rows = shape[0]
        return grid
    if isinstance(source, Mapping):
        return _from_mapping(source, limit, width)
    if isinstance(source, Iterable) and not isinstance(source, str | bytes):
        items = source if isinstance(source, Sequence) else list(islice(source, 100_000))
        return _from_rows(items, limit, width)
    return _Grid(["Value"], [[source]], 1, 1)


def _frame(frame: Any, limit: int, width: int) -> _Grid:
    height, breadth = frame.shape
    names = list(frame.columns)[:width]
    head = frame.head(limit)
    if hasattr(head, "iter_rows"):
        rows = [list(row[:width]) for row in head.iter_rows()]
        return _Grid([_title(name) for name in names], rows, height, breadth)
    index = getattr(head, "index", None)
    named = index is not None and type(index).__name__ != "RangeIndex"
    rows = [
        list(row[: width + named])
        for row in head.iloc[:, :width].itertuples(index=named, name=None)
    ]
    titles = [_title(name) for name in names]
    if named:
        titles.insert(0, _title(getattr(index, "name", None) or ""))
    return _Grid(titles, rows, height, breadth + named)


def _arrow(table: Any, limit: int, width: int) -> _Grid:
    names = list(table.column_names)
    columns = table.slice(0, limit).select(names[:width]).to_pydict()
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    return _Grid([_title(name) for name in names], rows, table.num_rows, len(names))


def _foreign(source: Any) -> Any:
    """Return a frame of another library as one of pandas or Arrow, or None.

    Frames pass their data on through the interchange protocol, Arrow's stream, or a method
    of their own.
    """
    for name in ("to_pandas", "toPandas", "to_arrow", "to_native", "to_df", "df"):
        convert = getattr(source, name, None)
        if callable(convert):
            found = convert()
            if found is not source and (hasattr(found, "columns") or hasattr(found, "to_pydict")):
                return found
    if hasattr(source, "__dataframe__"):
        from importlib import import_module

        return import_module("pandas.api.interchange").from_dataframe(source)
    return None


def _title(name: object) -> str:
    return ", ".join(map(str, name)) if isinstance(name, tuple) else str(name)


def _from_mapping(source: Mapping[Any, Any], limit: int, width: int) -> _Grid:
    values = list(source.values())
    if values and all(isinstance(value, list | tuple) for value in values):
        names = list(source)[:width]
        height = max(map(len, values))
        rows: list[list[object]] = [
            [source[name][at] if at < len(source[name]) else None for name in names]
            for at in range(min(limit, height))
        ]
        return _Grid([_title(name) for name in names], rows, height, len(source))
    pairs: list[list[object]] = [
        [_title(name), value] for name, value in islice(source.items(), limit)
    ]
    return _Grid(["Name", "Value"], pairs, len(source), 2)


def _from_rows(items: Sequence[Any], limit: int, width: int) -> _Grid:
    shown = list(items[:limit])
    mappings = [plain_mapping(item) for item in shown]
    if shown and all(mapping is not None for mapping in mappings):
        names: dict[Any, None] = {}
        for mapping in mappings:
            names.update(dict.fromkeys(mapping or ()))
        kept = list(names)[:width]
        rows: list[list[object]] = [
            [(mapping or {}).get(name) for name in kept] for mapping in mappings
        ]
        return _Grid([_title(name) for name in kept], rows, len(items), len(names))
    lists: list[list[object]] = [
        list(item) if isinstance(item, list | tuple) else [item] for item in shown
    ]
    breadth = max(map(len, lists), default=0)
    titles = [str(at + 1) for at in range(min(width, breadth))]
    if (
        len(lists) > 1
        and all(isinstance(cell, str) for cell in lists[0])
        and any(not isinstance(cell, str) for row in lists[1:] for cell in row)
    ):
        # A first row of names above rows of values is the header.
        titles = [str(cell) for cell in lists[0][:width]]
        return _Grid(titles, [row[:width] for row in lists[1:]], len(items) - 1, breadth)
    return _Grid(titles, [row[:width] for row in lists], len(items), breadth)
