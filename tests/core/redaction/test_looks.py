"""What a value looks like, judged in time that its length bounds."""

from __future__ import annotations

from time import process_time

import pytest

from zenmail.redaction.looks import is_random


def _seconds(unit: str, length: int) -> float:
    tries = []
    for _ in range(3):
        began = process_time()
        for more in range(20):
            is_random.__wrapped__((unit * length)[: length + more])
        tries.append(process_time() - began)
    return min(tries)


@pytest.mark.parametrize("unit", ["y", "Y", "aB", "aaB", "AAb", "a1", "a-", "a.", "é"])
def test_a_long_run_takes_no_longer_than_its_length(unit: str) -> None:
    """Six times the letters take at most about six times the time, not its fifth power."""
    assert _seconds(unit, 120) < 40 * max(_seconds(unit, 20), 1e-4)
