"""The true cause of a planted regression is among the first lines of what changed."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from zenmail_zenml.alerts.explain import explain_failure

from .planted import PLANTED, UNCHANGED, Regression
from .planted_churn import CHURN, CHURN_UNCHANGED
from .planting import World, ground, plant

pytestmark = [
    pytest.mark.zenml,
    pytest.mark.once,
    pytest.mark.skipif(
        version("zenml").startswith("0.94."),
        reason="ZenML 0.94 does not answer what the explanation asks",
    ),
]

NIGHTLY = os.environ.get("ZENMAIL_HYPOTHESIS_PROFILE") == "nightly"
# All of them take minutes.
CHOSEN = (*PLANTED, *CHURN) if NIGHTLY else (PLANTED[2], CHURN[27], CHURN[32])
UNTOUCHED = (*UNCHANGED, *CHURN_UNCHANGED) if NIGHTLY else (CHURN_UNCHANGED[4],)


def changes(planted: Regression, folder: Path, world: World, **how: Any) -> list[str]:
    """Return the lines of what changed in a regression's failing run."""
    from zenml.client import Client

    run = plant(planted, folder, world, **how)
    found = explain_failure(run, None, Client(), seconds=60)
    return [f"{change.what} {change.before} {change.after}" for change in found.changes]


@pytest.mark.timeout(3600)
def test_the_cause_is_among_the_first_lines(zenml_store: Path, tmp_path: Path) -> None:
    """Nine of ten true causes are among the first three lines, and seven of ten first."""
    places: dict[str, int] = {}
    with ground(tmp_path) as world:
        for planted in CHOSEN:
            lines = changes(planted, tmp_path, world)
            hits = [all(word in line for word in planted.cause) for line in lines]
            places[planted.name] = hits.index(True) if True in hits else len(CHOSEN) + 3
    among = sum(place < 3 for place in places.values())
    first = sum(place == 0 for place in places.values())
    assert (among >= 0.9 * len(places), first >= 0.7 * len(places)) == (True, True), places


@pytest.mark.timeout(600)
def test_nothing_is_claimed_where_nothing_changed(zenml_store: Path, tmp_path: Path) -> None:
    """A service that fails by itself leaves no difference to blame."""
    with ground(tmp_path) as world:
        for planted in UNTOUCHED:
            assert changes(planted, tmp_path, world, changed=False) == []
