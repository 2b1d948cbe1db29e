"""Tables of any library, cut down to what fits into a mail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice, zip_longest
from typing import Any

from .values import (
    attempt,
    format_metric,
    format_value,
    is_missing,
    number_in,
    plain_mapping,
)

__all__ = ["Table", "fit", "to_table"]

_LONGEST_CELL = 2000
_MANY = 12


@dataclass
class Table:
    """A table of limited size.

    Attributes:
        title: The heading above it.
        columns: Titles of the columns.
        rows: Cells by row.
        right: Columns of numbers, aligned to the right.
        note: What was left out, or "".
        phone: How many columns fit on a phone.
        phone_note: Which columns a phone does not show, or "".
        text_columns: How many columns fit in the text part.
        text_note: What is left out there, or "".
    """

    title: str
    columns: list[str]
    rows: list[list[str]]
    right: frozenset[int] = frozenset()
    note: str = ""
    phone: int = 100
    phone_note: str = ""
    text_columns: int = 100
    text_note: str = ""


@dataclass
class _Grid:
    columns: list[str]
    rows: list[list[Any]]
    total_rows: int
    total_columns: int


def to_table(
    title: str,
    source: object,
    *,
    rows: int = 20,
    columns: int = 6,
    exact: bool = False,
    pass_through: tuple[type[BaseException], ...] = (),
) -> Table:
    """Return a DataFrame, mappings or sequences as a table of limited size.

    Anything else becomes a single cell. When ``exact``, numbers keep all digits, and what
    stands for a missing value is left out.
    """
    grid = _grid(source, rows, columns)
    show = _exact if exact else _cell
    shown = [
        [attempt(partial(show, value), value, pass_through) for value in row]
        for row in grid.rows
    ]
    right = frozenset(
        at
        for at in range(len(grid.columns))
        if _is_numeric([row[at] for row in grid.rows if at < len(row)])
    )
    left = {
        "rows": grid.total_rows - len(grid.rows),
        "columns": grid.total_columns - len(grid.columns),
    }
    left_out = [f"{count:,} more {what}" for what, count in left.items() if count > 0]
    note = f"{' and '.join(left_out)} are not shown." if left_out else ""
    return Table(title, [_cell(name) for name in grid.columns], shown, right, note)


def _is_numeric(column: Sequence[object]) -> bool:
    there = [value for value in column if not is_missing(value)]
    return bool(there) and all(number_in(value) is not None for value in there)


_COLUMN, _PHONE, _LINE = 576, 341, 76
_CHARACTER, _PADDING = 7.8, 12


def fit(table: Table, most: int) -> Table:
    """Return a table with as many columns as fit; the note names the others."""
    cells = [
        [name, *(row[at] for row in table.rows if at < len(row))]
        for at, name in enumerate(table.columns)
    ]
    words = [max(map(len, " ".join(column).split()), default=0) for column in cells]
    lengths = [
        max(len(column[0]), *(min(40, len(cell)) for cell in column)) for column in cells
    ]
    pixels = [_CHARACTER * word + _PADDING for word in words]
    shown = min(most, _fitting(pixels, _COLUMN))
    phone = min(shown, _fitting(pixels, _PHONE))
    text = min(shown, _fitting([length + 2 for length in lengths], _LINE + 2))

    def note(count: int) -> str:
        left = table.columns[count:]
        names = ", ".join(left[:_MANY])
        more = f" and {len(left) - _MANY} more" if len(left) > _MANY else ""
        others = f"Columns not shown here: {names}{more}." if left else ""
        return f"{others} {table.note}".strip()

    return Table(
        table.title,
        table.columns[:shown],
        [row[:shown] for row in table.rows],
        table.right,
        note=note(shown),
        phone=phone,
        phone_note=note(phone) if phone < shown else "",
        text_columns=text,
        text_note=note(text),
    )


def _fitting(sizes: Sequence[float], room: float) -> int:
    count = 0
    for size in sizes:
        room -= size
        if room < 0:
            break
        count += 1
    return max(count, min(2, len(sizes)))


def _exact(value: object) -> str:
    return "" if is_missing(value) else format_value(value)[:_LONGEST_CELL]


def _cell(value: object) -> str:
    if is_missing(value):
        return "-"
    number = number_in(value)
    text = format_metric(value) if isinstance(number, float) else format_value(value)
    return text[:_LONGEST_CELL]


def _grid(source: Any, limit: int, width: int) -> _Grid:
    if type(source).__name__ == "Styler":
        source = source.data
    shape = getattr(source, "shape", None)
    if _is_arrow(source):
        return _arrow(source, limit, width)
    # In this order: a lazy frame of Polars warns when it is asked for its columns.
    if isinstance(shape, tuple) and len(shape) == 2 and hasattr(source, "columns"):
        return _frame(source, limit, width)
    if isinstance(shape, tuple) and hasattr(source, "to_dict") and hasattr(source, "index"):
        source = source.to_dict()
    foreign = _foreign(source, limit)
    if foreign is not None:
        return _grid(foreign, limit, width)
    if callable(getattr(source, "tolist", None)):
        sizes = shape if isinstance(shape, tuple) else ()
        grid = _grid((source[:limit] if sizes else source).tolist(), limit, width)
        if sizes:
            grid.total_rows = sizes[0]
        names = getattr(getattr(source, "dtype", None), "names", None)
        grid.columns = list(names or grid.columns)[: len(grid.columns)]
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
    rows = [*map(list, head.iloc[:, :width].itertuples(index=named, name=None))]
    titles = [getattr(index, "name", None) or "", *names] if named else names
    return _Grid([*map(_title, titles)], rows, height, breadth + named)


def _arrow(table: Any, limit: int, width: int) -> _Grid:
    names = list(table.column_names)
    columns = table.slice(0, limit).select(names[:width]).to_pydict()
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    return _Grid([_title(name) for name in names], rows, table.num_rows, len(names))


_CONVERSIONS = ("to_pandas", "toPandas", "to_arrow", "to_native", "collect", "compute", "df")


def _foreign(source: Any, limit: int) -> Any:
    """Return a frame of another library as one of pandas, Polars or Arrow, or None."""
    if isinstance(source, Mapping | Sequence):
        return None
    interchangeable = hasattr(source, "__dataframe__")
    for name in _CONVERSIONS:
        if callable(getattr(source, name, None)):
            # Of data that is read only now, no more is read than is shown.
            few = source.limit(limit) if callable(getattr(source, "limit", None)) else source
            found = getattr(few, name)()
            if found is not source and (hasattr(found, "columns") or _is_arrow(found)):
                return found
    if interchangeable:
        from importlib import import_module

        return import_module("pandas.api.interchange").from_dataframe(source)
    return None


def _is_arrow(source: Any) -> bool:
    return hasattr(source, "column_names") and callable(getattr(source, "to_pydict", None))


def _title(name: object) -> str:
    return ", ".join(map(str, name)) if isinstance(name, tuple) else str(name)


def _from_mapping(source: Mapping[Any, Any], limit: int, width: int) -> _Grid:
    values = list(source.values())
    if values and all(isinstance(value, list | tuple) for value in values):
        names = list(source)[:width]
        rows = [list(row[:width]) for row in islice(zip_longest(*values), limit)]
        height = max(map(len, values))
        return _Grid([_title(name) for name in names], rows, height, len(source))
    if values and all(isinstance(value, Mapping) for value in values):
        return _from_rows([{"": name, **value} for name, value in source.items()], limit, width)
    pairs = [[_title(name), value] for name, value in islice(source.items(), limit)]
    return _Grid(["Name", "Value"], pairs, len(source), 2)


def _from_rows(items: Sequence[Any], limit: int, width: int) -> _Grid:
    shown = list(items[:limit])
    mappings = [it for it in map(plain_mapping, shown) if it is not None]
    if shown and len(mappings) == len(shown):
        names = list(dict.fromkeys(chain.from_iterable(mappings)))
        rows = [[mapping.get(name) for name in names[:width]] for mapping in mappings]
        return _Grid([_title(name) for name in names[:width]], rows, len(items), len(names))
    lists = [list(item) if isinstance(item, list | tuple) else [item] for item in shown]
    breadth = max(map(len, lists), default=0)
    titles = [str(at + 1) for at in range(min(width, breadth))]
    count = len(items)
    if (
        len(lists) > 1
        and all(isinstance(cell, str) for cell in lists[0])
        and any(not isinstance(cell, str) for row in lists[1:] for cell in row)
    ):
        # A first row of names above rows of values is the header.
        titles, count = [str(cell) for cell in lists.pop(0)[:width]], count - 1
    return _Grid(titles, [row[:width] for row in lists], count, breadth)
