"""The end of a step's log: what it said before it failed, whatever ZenML adds."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from zenmail_zenml.alerts.log_tail import read_log_tail

pytestmark = [pytest.mark.zenml, pytest.mark.once]

HANDLED = """\
try again
KeyError: handled
Traceback (most recent call last):
  File "/project/train.py", line 10, in fit
    raise KeyError("handled")
KeyError: 'handled'
"""
ANNOUNCEMENT = "An exception has occurred.\nValueError: loss is nan\n"
REPORT = """\
Traceback (most recent call last):
  File "/project/train.py", line 15, in fit
    {}["column_7"]
KeyError: 'column_7'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/project/train.py", line 17, in fit
    raise ValueError("loss is nan") from e
ValueError: loss is nan
"""


def tail(log: str, folder: Path, traceback: str = REPORT) -> tuple[str, ...]:
    """Return the tail of a log that lies in a local artifact store."""
    file = folder / "log"
    entries = (json.dumps({"message": line}) for line in log.splitlines() if line)
    file.write_text("".join(f"{entry}\n" for entry in entries))
    store = SimpleNamespace(id="1", isdir=lambda _: False, open=open)
    logs = SimpleNamespace(source="step", uri=str(file), artifact_store_id="1")
    step: Any = SimpleNamespace(log_collection=[logs])
    stack: Any = SimpleNamespace(log_store=None, artifact_store=store)
    return read_log_tail(step, stack, traceback=traceback)


@pytest.mark.parametrize("announcement", [ANNOUNCEMENT, "Failed to run step `fit`\n", ""])
def test_the_failure_s_traceback_is_not_repeated(announcement: str, tmp_path: Path) -> None:
    """With its causes and what introduces it, at every level of logging, it is left out."""
    assert tail(announcement + REPORT, tmp_path) == ()
    log = f"rate is 3\n{announcement}{REPORT}cleaning up\n"
    assert tail(log, tmp_path) == ("rate is 3",)


def test_what_follows_a_handled_error_is_kept(tmp_path: Path) -> None:
    """A step that retried has its last words after a traceback of its own."""
    kept = (*HANDLED.splitlines(), "rate is 3")
    assert tail(f"{HANDLED}rate is 3\n{ANNOUNCEMENT}{REPORT}", tmp_path) == kept
    # A hook reads the log before ZenML writes the traceback.
    assert tail(f"{HANDLED}rate is 3\n", tmp_path) == kept
    assert tail(f"{HANDLED}rate is 3\n", tmp_path, traceback="") == kept


def test_a_long_log_is_read_from_its_end(tmp_path: Path) -> None:
    """The last 20 lines are shown, each cut at 300 characters."""
    log = "".join(f"\x1b[33mline {number}\x1b[0m\n" for number in range(20_000))
    lines = tail(f"{log}{'x' * 400}\n", tmp_path)
    assert lines == (*(f"line {number}" for number in range(19_981, 20_000)), "x" * 300)
    # Of a line that is not read whole, redaction could not tell what it holds.
    assert tail("".join(f"{name * 30_000}\n" for name in "abc"), tmp_path) == tuple(
        name * 300 for name in "bc"
    )
