"""A run's summary: its steps, why they failed, and when they ran."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from zenmail_zenml.alerts import run_summary
from zenmail_zenml.alerts.run_context import RunContext
from zenmail_zenml.alerts.run_summary import summarise_run

pytestmark = pytest.mark.zenml

START = datetime(2026, 1, 1)


def step(name: str, status: str, started: int, ended: int | None) -> Any:
    """Return a step run, with times in seconds after the run's start."""
    return SimpleNamespace(
        id=name,
        name=name,
        status=SimpleNamespace(value=status),
        start_time=START + timedelta(seconds=started),
        end_time=None if ended is None else START + timedelta(seconds=ended),
    )


@pytest.fixture
def summarise(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Summarise a run of the given steps; each failed step's reason is its ID."""

    def do(*steps: Any) -> dict[str, Any]:
        run: Any = SimpleNamespace(id="run", start_time=START)
        monkeypatch.setattr(run_summary, "_step_runs", lambda _: list(steps))
        monkeypatch.setattr(run_summary, "_reason", lambda found: f"because of {found.id}")
        return summarise_run(RunContext(run=run))

    return do


def test_steps_are_counted_and_timed(summarise: Any) -> None:
    """The body counts by status; each step has its start and duration; a failed one, why."""
    found = summarise(
        step("load", "completed", 0, 2),
        step("fit", "failed", 2, 5),
        step("b", "running", 3, None),
    )
    assert found["body"] == "1 of 3 steps failed, 1 completed, 1 running."
    assert found["verdict"] == "1 of 3 failed"
    load, fit, running = found["steps"]
    assert (load.started, load.seconds, load.reason) == (0, 2, "")
    assert (fit.started, fit.seconds, fit.reason) == (2, 3, "because of fit")
    assert running.seconds is None


def test_reasons_are_read_for_the_first_failures_only(summarise: Any) -> None:
    """Each reason is a request to ZenML's server."""
    found = summarise(*(step(f"s{number}", "failed", 0, 1) for number in range(12)))
    assert [bool(item.reason) for item in found["steps"]] == [True] * 10 + [False] * 2


def test_a_store_that_does_not_answer_gives_no_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mail then goes out without a summary."""

    def fail(_: object) -> Any:
        raise RuntimeError("no answer")

    monkeypatch.setattr(run_summary, "_step_runs", fail)
    assert summarise_run(RunContext()) == {"body": "", "steps": (), "verdict": ""}
