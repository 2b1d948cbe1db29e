"""The samples of ``zenmail preview`` are what runs of ZenML send."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from zenmail import Alert
from zenmail.composing.samples import sample_names

pytestmark = [pytest.mark.once, pytest.mark.zenml]
HERE = Path(__file__).parent
SAMPLES = HERE.parents[2] / "core" / "zenmail" / "composing" / "samples.json"


def test_samples_are_what_runs_send(tmp_path: Path) -> None:
    """Each recorded alert equals that of a run in all that a run does not change."""
    pytest.importorskip("pandas", reason="needs pandas")
    pytest.importorskip("matplotlib", reason="needs matplotlib")
    subprocess.run(
        [sys.executable, "-m", "gallery", str(tmp_path)],
        cwd=HERE.parent,
        check=True,
        capture_output=True,
    )
    sent = json.loads((tmp_path / "samples.json").read_text(encoding="utf-8"))
    recorded = json.loads(SAMPLES.read_text(encoding="utf-8"))
    # ZenML 0.94 runs no hooks for a run, and does not tell how the runs before ended.
    missing = {"run-summary", "run-completed", "new-failure", "repeated-failure", "recovered"}
    old = version("zenml").startswith("0.94.")
    assert set(recorded) - set(sent) <= (missing if old else set())
    assert sorted(recorded) == sorted(sample_names())
    for name, fields in sent.items():
        if old:  # it has a step's log in a file more often
            fields.pop("command", None)
            recorded[name].pop("command", None)
        assert _stable(fields) == _stable(recorded[name]), name


def _stable(fields: dict[str, Any]) -> dict[str, Any]:
    """Return what is the same in every run: not times, identifiers and others' code."""
    alert = Alert.model_validate(fields)
    return {
        "subject": alert.subject,
        "title": alert.title,
        "severity": alert.severity,
        "error": alert.error,
        "facts": list(alert.facts),
        "metrics": alert.metrics,
        "table": alert.tables.get("Customers most likely to leave"),
        "images": len(alert.images),
        "steps": sorted({(step.name, step.status) for step in alert.steps}),
        "fields": sorted(fields),
    }
