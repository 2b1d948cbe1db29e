"""The connections to the ledger's database."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from zenmail import ConfigurationError, Email, LedgerError
from zenmail.ledger.claim import Fate
from zenmail.ledger.engine import Transaction
from zenmail.ledger.ledger import Ledger, open_engine


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


def test_a_ledger_needs_no_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process whose folder is gone finds a ledger that is not a path relative to it."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for location in (":memory:", tmp_path / "ledger.db"):
        Ledger(location).close()
    with pytest.raises(ConfigurationError, match="neither a path nor"):
        Ledger("mysql://db.example.com/ledger")


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


def test_no_statement_compares_all_with_all(
    cluster: Any, email: Email, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL joins the slow way what it takes for empty, as after a worker emptied it."""
    ledger, count = Ledger(cluster.url()), 400
    engine = ledger.outbox._engine
    copies = (
        "INSERT INTO mails SELECT id || '-' || number, alerter, policy, created, sender, "
        "subject, content FROM mails, generate_series(1, :count) number WHERE id = :name "
        "RETURNING id",
        "INSERT INTO deliveries (mail, recipient, position, state) SELECT m.id, d.recipient, "
        "d.position, d.state FROM mails m, deliveries d WHERE d.mail = :name AND m.id <> :name "
        "RETURNING mail",
    )

    def fill() -> None:
        name = ledger.outbox.add(email, email.envelope, "at_most_once", Fate("waiting"))
        engine.run(lambda t: [t.rows(copy, count=count, name=name) for copy in copies])

    def drained(transaction: Transaction) -> None:
        for table in ("mails", "deliveries"):
            transaction.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
            transaction.execute(f"DELETE FROM {table}")
            transaction.execute(f"ANALYZE {table}")

    fill()
    engine.run(drained)
    fill()
    read = [0]
    run = type(engine).run

    def counted(self: Any, work: Callable[[Transaction], Any], **_: Any) -> Any:
        def work_and_count(transaction: Transaction) -> Any:
            result = work(transaction)
            found = "sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int8"
            read.extend(*transaction.rows(f"SELECT {found} FROM pg_stat_xact_user_tables"))
            return result

        return run(self, work_and_count)

    monkeypatch.setattr(type(engine), "run", counted)
    ledger.outbox.recover()
    ledger.outbox.retry(("unknown", "failed"))
    assert ledger.outbox.backlog()[0] == count + 1
    ledger.outbox.forget(ledger.outbox.claim(count, 60.0))
    assert len(ledger.outbox.list()) <= 1
    ledger.close()
    rows = count * (1 + len(email.envelope.recipients))
    # The server adds them up until it writes its statistics, a second apart.
    assert max(after - before for before, after in pairwise(read)) < 12 * rows, read
