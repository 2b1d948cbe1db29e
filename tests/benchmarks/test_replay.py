"""Days of runs in a ZenML: the right mails open, continue and close each incident."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.zenml, pytest.mark.once]

_ROOT = Path(__file__).parents[2]
_REPLAY = """
import json, sys
from benchmarks.replay import judge, replay
print(json.dumps(judge(replay(sys.executable, 3, 4, "watcher"), "watcher")))
"""


def test_incidents_are_opened_and_closed() -> None:
    """Every failure is mailed, the first opens an incident, and the recovery closes it."""
    if not (_ROOT / "benchmarks" / "replay.py").exists():
        pytest.skip("the benchmarks are not beside the tests")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _REPLAY],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert not any(found["steady"].values())
    assert sum(count["wrong"] for count in found.values()) == 0
    assert found["broken for a week"] == {
        "failed runs": 3,
        "mails": 4,
        "incidents opened": 1,
        "in time": 1,
        "told as repeated": 2,
        "closed": 1,
        "still open": 0,
        "wrong": 0,
    }
    assert found["recovering"]["still open"] == 1
