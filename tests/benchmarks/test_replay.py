"""A month of simulated runs: each incident is opened, continued and closed by the right mails."""

from __future__ import annotations

import random

import pytest

pytestmark = [pytest.mark.zenml, pytest.mark.once]


@pytest.mark.parametrize(
    ("kind", "failures", "incidents"),
    [("steady", 0, 0), ("broken for a week", 28, 1), ("recovering", 12, 4)],
)
def test_incidents_are_opened_and_closed(kind: str, failures: int, incidents: int) -> None:
    """Every failure is mailed, the first opens an incident, and the recovery closes it."""
    from benchmarks.replay import replay

    found = replay("pipeline", kind, random.Random(1))
    assert found["wrong"] == found["still open"] == 0
    assert found["failures mailed"] == failures
    assert found["incidents opened"] == found["incidents closed"] == incidents
