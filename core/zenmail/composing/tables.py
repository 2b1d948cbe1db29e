"""Values, metrics and tables as cells that fit into a mail."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import Enum
from itertools import islice
from typing import Any, NamedTuple

from ..alert import StepSummary

__all__ = [
    "Metric",
    "Step",
    "Table",
    "duration",
    "flattened",
    "format_metric",
    "format_value",
    "is_number",
    "metrics_table",
    "plain_mapping",
    "steps_table",
    "to_table",
]

_LONGEST = 2000
_MANY = 20
_DEEP = 4


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
    """A table that fits into a mail.

    Attributes:
        title: What stands above it.
        columns: Titles of the columns.
        rows: Cells by row.
        right: Columns of numbers.
        note: What was left out, or "".
    """

    title: str
    columns: list[str]
    rows: list[list[str]]
    right: frozenset[int] = frozenset()
    note: str = ""


# --- values


def format_value(value: object) -> str:
    """Return a value as people read it; numbers keep the digits they came with."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[return-value]
    if value is None or kind is bool or kind is int:
        return str(value)
    if kind is float:
        return format(value, ".12g")
    if isinstance(value, Enum):
        return format_value(value.value)
    if isinstance(value, bytes | bytearray):
        return bytes(value[:_LONGEST]).decode("utf-8", "backslashreplace")
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} {value.tzname() or ''}".rstrip()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return duration(value.total_seconds())
    number = _number(value)
    if number is not None:
        return format(number, ".12g") if isinstance(number, float) else str(number)
    mapping = plain_mapping(value)
    if mapping is not None:
        return ", ".join(f"{key}: {text}" for key, text in flattened(mapping))
    if isinstance(value, list | tuple | set | frozenset):
        items = [format_value(item) for item in islice(value, _MANY)]
        more = f", and {len(value) - _MANY:,} more" if len(value) > _MANY else ""
        return ", ".join(items) + more
    return str(value)


def plain_mapping(value: object) -> Mapping[Any, Any] | None:
    """Return the value as a mapping when it is one, or a model of named fields."""
    if isinstance(value, Mapping):
        return value
    fields = getattr(type(value), "model_fields", None) or getattr(
        type(value), "__dataclass_fields__", None
    )
    if isinstance(fields, Mapping):
        return {name: getattr(value, name, None) for name in fields}
    return None


def flattened(
    mapping: Mapping[Any, Any], prefix: str = "", depth: int = 0
) -> list[tuple[str, str]]:
    """Return names with dots and texts of a nested mapping."""
    pairs: list[tuple[str, str]] = []
    for key, value in islice(mapping.items(), 2 * _MANY):
        inner = plain_mapping(value)
        name = f"{prefix}{format_value(key)}"
        if inner is None or depth >= _DEEP:
            pairs.append(
                (name, format_value(value) if inner is None else f"({len(inner)} entries)")
            )
        else:
            pairs += flattened(inner, f"{name}.", depth + 1)
    return pairs


def is_number(value: object) -> bool:
    """Whether it is a number of any kind, also of NumPy."""
    return _number(value) is not None


def _number(value: object) -> int | float | None:
    """Return a number of any kind (also of NumPy and PyTorch) as Python's own, or None."""
    if isinstance(value, bool | str | bytes):
        return None
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if getattr(value, "ndim", None) == 0 and callable(item := getattr(value, "item", None)):
        single = item()
        return (
            None
            if isinstance(single, bool)
            else _number(single)
            if single is not value
            else None
        )
    return None


def duration(seconds: float) -> str:
    """Return a time span as people say it: ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if not math.isfinite(seconds) or seconds < 0:
        return "n/a"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


# --- metrics


def format_metric(value: object) -> str:
    """Return a measured value with five significant digits and groups of thousands."""
    number = _number(value)
    if number is None:
        return format_value(value)
    if isinstance(number, int):
        if abs(number) < 10**15:
            return f"{number:,}"
        return f"about {'-' if number < 0 else ''}10^{math.floor(math.log10(abs(number)))}"
    if not math.isfinite(number):
        return {math.inf: "infinite", -math.inf: "-infinite"}.get(number, "not a number")
    size = abs(number)
    if size and not 1e-4 <= size < 1e9:
        return f"{number:.4g}"
    if size >= 1000:
        return f"{number:,.1f}".removesuffix(".0")
    return f"{number:.5g}"


def metrics_table(metrics: Mapping[str, Any], baseline: Mapping[str, Any]) -> list[Metric]:
    """Return metrics beside their baseline and the change between them."""
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
    new, old = _number(value), _number(baseline)
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
    """Return a run's steps, failed ones in any case, and a note on those left out."""
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
    numeric: set[int] = field(default_factory=set)


def to_table(title: str, source: object, *, rows: int = 20, columns: int = 6) -> Table:
    """Return a DataFrame, mappings or sequences as a table that fits.

    Args:
        title: What stands above it.
        source: A DataFrame (pandas, Polars), a NumPy array, a list of mappings, a list of
            sequences, a mapping, or whatever else, which becomes a single cell.
        rows: How many rows to show at most.
        columns: How many columns to show at most.
    """
    grid = _grid(source, rows, columns)
    right = {
        at
        for at in range(len(grid.columns))
        if grid.rows
        and all(
            at >= len(row) or row[at] is None or _number(row[at]) is not None
            for row in grid.rows
        )
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
    number = _number(value)
    if value is None or (isinstance(number, float) and math.isnan(number)):
        return "-"
    text = format_metric(value) if isinstance(number, float) else format_value(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST]


def _grid(source: Any, limit: int, width: int) -> _Grid:
    shape = getattr(source, "shape", None)
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
