"""The connections to the ledger's database."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from zenmail.ledger.ledger import Ledger


def test_a_new_file_that_others_are_opening(tmp_path: Path) -> None:
    """Whoever opens a new ledger while another process sets it up waits for that."""
    path = tmp_path / "ledger.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(0.3, other.execute, ("COMMIT",))
    release.start()
    ledger = Ledger(str(path))
    try:
        assert ledger.told.claim("run-1:failed")
    finally:
        release.join()
        ledger.close()
        other.close()
