"""An alert's tables without secrets, and the files that hold those too wide for the mail."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from ..attachment import Attachment
from ..redaction.names import Secrecy, is_secret
from .safe_texts import Limits, SafeTexts
from .shield import Shield
from .tables import Table, fit, to_table

__all__ = ["SafeTables"]

_NAMES: Final = ("name", "key", "variable", "parameter")
_MOST_COLUMNS: Final = 200
_MOST_ROWS: Final = 1000
_LARGEST_CSV: Final = 40_000


class SafeTables:
    """Makes tables fit for a mail; ``files`` hold what does not fit, ``notes`` tell of it."""

    def __init__(self, safe: SafeTexts, shield: Shield, limits: Limits) -> None:
        self._safe = safe
        self._shield = shield
        self._limits = limits
        self.files: list[Attachment] = []
        self.notes: list[str] = []

    def shown(self, tables: Mapping[str, Any]) -> list[Table]:
        """Return the tables, by title, as far as the mail shows them."""
        limits = self._limits
        safe: list[Table] = []
        for title, source in islice(tables.items(), limits.tables):
            try:
                whole = self._table(title, source, limits.rows)
                shown = fit(whole, limits.columns)
                if len(shown.columns) < len(whole.columns):
                    self._attach_csv(title, source, len(safe))
            except self._shield.pass_through:
                raise
            except Exception as error:
                self.notes.append(
                    f'The table "{title}" cannot be shown: {type(error).__name__}.'
                )
                continue
            safe.append(shown)
        if len(tables) > limits.tables:
            self.notes.append(f"{len(tables) - limits.tables:,} more tables are not shown.")
        return safe

    def _attach_csv(self, title: str, source: object, number: int) -> None:
        """Attach a table that is too wide for the mail."""
        table = self._table(title, source, _MOST_ROWS, exact=True)
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\r\n")
        writer.writerow(table.columns)
        kept = 0
        for row in table.rows:
            if stream.tell() > _LARGEST_CSV * self._limits.rows / Limits().rows:
                break
            writer.writerow(row)
            kept += 1
        name = f"table{number + 1}.csv"
        content = stream.getvalue().encode("utf-8")
        self.files.append(Attachment(filename=name, content=content, content_type="text/csv"))
        cut = kept < len(table.rows) or table.note
        extent = f"The first {kept:,} rows" if cut else "All rows and columns"
        self.notes.append(f'{extent} of "{table.title}" are attached as {name}.')

    def _table(self, title: str, source: object, rows: int, *, exact: bool = False) -> Table:
        table = to_table(
            title,
            source,
            rows=rows,
            columns=_MOST_COLUMNS,
            exact=exact,
            pass_through=self._shield.pass_through,
        )
        secrecies: list[Secrecy] = [self._shield.secrecy_of(name) for name in table.columns]
        headings = [name.lower() for name in table.columns]
        named = next((at for at, name in enumerate(headings) if name in _NAMES), 0)
        # Where values stand whose names are beside them.
        values = {1 - named} if len(headings) == 2 else set()
        values |= {at for at, name in enumerate(headings) if name == "value"}

        def masked(row: list[str], at: int) -> str:
            secrecy: Secrecy = secrecies[at] if at < len(secrecies) else ""
            if at in values and at != named < len(row):
                secrecy = secrecy or self._shield.secrecy_of(row[named])
            if is_secret(secrecy, row[at]):
                return self._shield.redactor.masked()
            return row[at]

        cells = [[masked(row, at) for at in range(len(row))] for row in table.rows]
        longest = max(map(len, (table.columns, *cells)))
        (table.title,), table.columns, *table.rows = self._safe.rows(
            ([table.title], table.columns, *cells), *[self._limits.cell] * max(1, longest)
        )
        return table
