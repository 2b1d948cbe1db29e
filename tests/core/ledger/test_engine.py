"""The connections to the ledger's database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from zenmail.ledger.ledger import Ledger


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
