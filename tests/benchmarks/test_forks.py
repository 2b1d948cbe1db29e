from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_children_forked_beside_first_sends_send() -> None:
    """No child inherits a lock that a thread of its parent held in its first send."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.forks", "--children", "16"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("16 children: 0 hang, 0 cannot send\n", "")
