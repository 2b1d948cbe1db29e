"""The connections to the ledger's database."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from zenmail import LedgerError
from zenmail.ledger.engine import Transaction
from zenmail.ledger.ledger import Ledger
from zenmail.ledger.location import open_engine


def test_a_new_file_that_others_are_opening(tmp_path: Path) -> None:
    """Whoever opens a new ledger while others set it up waits for them."""
    openers = 8
    together = Barrier(openers)

    def claim(ledger: Ledger) -> str:
        together.wait(60)
        try:
            return ledger.told.claim("run-1:failed", 60.0)
        finally:
            ledger.close()

    with ThreadPoolExecutor(openers) as pool:
        for number in range(40):
            path = str(tmp_path / f"{number}.db")
            claims = list(pool.map(claim, [Ledger(path) for _ in range(openers)]))
            assert claims.count("mine") == 1


def test_a_further_connection_leaves_the_locks_of_the_others(tmp_path: Path) -> None:
    """Another process does not take itself for the last one, and the log of changes away."""
    path = tmp_path / "ledger.db"
    ledgers = [Ledger(str(path)), Ledger(str(path))]
    for number, ledger in enumerate(ledgers):
        assert ledger.told.claim(f"run-{number}:failed", 60.0) == "mine"
    script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT * FROM told')"
    subprocess.run([sys.executable, "-c", script, str(path)], check=True)
    assert path.with_name("ledger.db-wal").exists()
    assert [ledger.told.claim("run-2:failed", 60.0) for ledger in ledgers] == ["mine", "busy"]
    for ledger in ledgers:
        ledger.close()


@pytest.mark.parametrize(
    "change_schema", ["DROP TABLE told", "ALTER TABLE told RENAME COLUMN lease TO until"]
)
def test_a_ledger_with_the_tables_of_another_version(
    ledger: Ledger, change: Callable[..., list[Any]], change_schema: str
) -> None:
    """A missing table or column is told as what it is, with what to do."""
    change(change_schema)
    with pytest.raises(LedgerError, match=r"made by another version .*another ledger"):
        ledger.told.claim("run-1:failed", 60.0)


def test_what_fails_is_told_once(location: str, caplog: pytest.LogCaptureFixture) -> None:
    """An error of the database is the caller's to tell; nothing is logged beside it."""
    engine = open_engine(location)

    def fail(transaction: Transaction) -> None:
        transaction.execute("DELETE FROM no_such_table")
        transaction.rows("SELECT event FROM told")

    with pytest.raises(LedgerError):
        engine.run(fail)
    engine.run(lambda transaction: transaction.rows("SELECT event FROM told"))
    engine.close()
    assert [record for record in caplog.records if record.name.startswith("psycopg")] == []
