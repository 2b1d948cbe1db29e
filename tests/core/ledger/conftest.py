from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from zenmail.ledger.ledger import Ledger, open_engine

from ...clusters import cluster

__all__ = ["cluster"]


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the place of a new ledger, once for each database."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.db")
    return str(request.getfixturevalue("cluster").url())


@pytest.fixture
def ledger(location: str) -> Iterator[Ledger]:
    """Return a new ledger."""
    ledger = Ledger(location)
    yield ledger
    ledger.close()


@pytest.fixture
def change(location: str) -> Iterator[Callable[..., list[Any]]]:
    """Return what executes SQL in the ledger, as somebody else who can write to it."""
    engine = open_engine(location)

    def execute(sql: str, **values: Any) -> list[Any]:
        def work(transaction: Any) -> list[Any]:
            if sql.lstrip().upper().startswith("SELECT"):
                return list(transaction.rows(sql, **values))
            transaction.execute(sql, **values)
            return []

        return engine.run(work)

    yield execute
    engine.close()
