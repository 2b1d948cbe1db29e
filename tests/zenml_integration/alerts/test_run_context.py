"""The context of an alert: what ZenML says, and nothing where it does not answer."""

from __future__ import annotations

from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from zenml.exceptions import RunInterruptedException, RunStoppedException

from zenmail_zenml.alerts.run_context import (
    RunContext,
    current_context,
    elapsed,
    read_or_default,
)

pytestmark = pytest.mark.zenml


class Silent:
    """A run or step of a store that does not answer, apart from name and ID."""

    name = "known"
    id = uuid4()

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")


def test_outside_a_pipeline_everything_is_empty(zenml_store: object) -> None:
    """There is neither a run nor a step, and every read says so."""
    context = current_context()
    assert context == RunContext()
    assert context.facts() == {}
    assert context.parameters == context.settings("a", "smtp_email") == {}
    assert context.seconds is None
    assert context.url == context.run_status == ""
    assert context.refreshed() is context


def test_a_store_that_does_not_answer_costs_the_details_only(zenml_store: object) -> None:
    """Names that are at hand are shown; every other read falls back to its default."""
    silent: Any = Silent()
    context = RunContext(run=silent, step=silent)
    assert context.facts() == {"Run": "known", "Step": "known", "Stack": "default"}
    assert context.parameters == context.settings("a", "smtp_email") == {}
    assert context.seconds is None
    assert context.run_status == ""
    assert RunContext(run=silent).refreshed().run is silent


@pytest.mark.parametrize("stop", [RunStoppedException, RunInterruptedException])
def test_a_stopped_run_is_never_swallowed(stop: type[Exception]) -> None:
    """ZenML raises these from a signal handler, wherever it happens to be."""

    def get() -> None:
        raise stop("now")

    with pytest.raises(stop):
        read_or_default(get, None)


@pytest.mark.parametrize("key", ["alerter:mine", "alerter.smtp_email"])
def test_settings_are_found_under_both_keys(key: str) -> None:
    """By the alerter's name or by its flavor; None is not set."""
    config = SimpleNamespace(settings={key: {"cc": "a@example.com", "bcc": None}})
    step: Any = SimpleNamespace(config=config)
    assert RunContext(step=step).settings("mine", "smtp_email") == {"cc": "a@example.com"}


def test_elapsed_takes_times_with_and_without_a_zone() -> None:
    """All of ZenML's times are in UTC, and a duration is never negative."""
    early, late = datetime(2026, 1, 1, 12), datetime(2026, 1, 1, 13, tzinfo=timezone.utc)
    assert elapsed(early, late) == 3600
    assert elapsed(late, early) == 0
    assert elapsed(None, late) is None
    now = elapsed(early, None)
    assert now is not None
    assert now > 0
