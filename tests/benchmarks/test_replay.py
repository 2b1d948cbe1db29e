"""A month of simulated runs: the right mails open, continue and close each incident."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.zenml, pytest.mark.once]

_ROOT = Path(__file__).parents[2]


def test_incidents_are_opened_and_closed() -> None:
    """Every failure is mailed, the first opens an incident, and the recovery closes it."""
    if not (_ROOT / "benchmarks" / "replay.py").exists():
        pytest.skip("the benchmarks are not beside the tests")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.replay"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.strip("| ").split("|") for line in done.stdout.splitlines()[-4:]]
    found = {line[0].strip(): [int(cell) for cell in line[1:]] for line in lines}
    assert found["10 steady"] == [0, 0, 0, 0, 0]
    assert found["10 broken for a week"] == [280, 10, 10, 0, 0]
    assert found["10 recovering"] == [120, 40, 40, 0, 0]
