"""Thirty days of 40 pipelines: which mails open, continue and close incidents.

``python -m benchmarks.replay`` simulates a run every six hours of pipelines that are steady,
flaky, broken for a week or recovering, and lets the explanation judge each by those before.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from zenmail_zenml.alerts.explain import explain_failure, explain_success

from .tables import table

DAYS, EVERY = 30, timedelta(hours=6)
START = datetime(2026, 1, 1)


class Runs:
    """The runs of one pipeline, asked for as ZenML is."""

    def __init__(self) -> None:
        self.runs: list[Any] = []

    def list_pipeline_runs(
        self, *, status: str, index: list[str], size: int, sort_by: str, **_: Any
    ) -> Any:
        """Return the runs that match, as ZenML's client does."""
        wanted = json.loads(status.removeprefix("oneof:"))
        bounds = [bound.split(":") for bound in index]
        found = [
            run
            for run in self.runs
            if run.status.value in wanted
            and all(
                run.index < int(at) if how == "lt" else run.index > int(at)
                for how, at in bounds
            )
        ]
        found.sort(key=lambda run: run.index, reverse=sort_by.startswith("desc"))
        return SimpleNamespace(items=found[:size], total=len(found))

    def get_pipeline_run(self, key: str) -> Any:
        """Return a run by its ID."""
        return next(run for run in self.runs if run.id == key)


def fails(kind: str, number: int, chance: random.Random) -> bool:
    """Return whether a run of such a pipeline fails."""
    if kind == "flaky":
        return chance.random() < 0.1
    if kind == "broken for a week":
        return 40 <= number < 68
    return kind == "recovering" and number % 30 in (10, 11, 12)


def replay(name: str, kind: str, chance: random.Random) -> Counter[str]:
    """Count what the mails of one pipeline said, and those that were wrong."""
    client: Any = Runs()
    found: Counter[str] = Counter()
    incident, streak = "", 0
    for number in range(1, int(timedelta(days=DAYS) / EVERY) + 1):
        failed = fails(kind, number, chance)
        created = START + number * EVERY
        run: Any = SimpleNamespace(
            id=f"{name}-{number}",
            name=f"{name}-{number}",
            index=number,
            created=created,
            end_time=created + timedelta(minutes=30),
            status=SimpleNamespace(value="failed" if failed else "completed"),
            pipeline=SimpleNamespace(id=name),
            project_id="project",
            snapshot=None,
            run_metadata={},
        )
        client.runs.append(run)
        if failed:
            told = explain_failure(run, None, client, seconds=60, error="Boom")
            streak += 1
            found["failures mailed"] += 1
            found["incidents opened"] += not told.incident
            right = told.incident == incident and bool(told.repeated) == (streak > 1)
            incident = incident or run.id
        else:
            told = explain_success(run, None, client, seconds=60)
            right = told.incident == incident and bool(told.history) == bool(streak)
            found["incidents closed"] += bool(told.history)
            incident, streak = "", 0
        found["wrong"] += not right
    found["still open"] += bool(streak)
    return found


def main() -> int:
    """Print the table; return 1 if a mail was wrong."""
    chance = random.Random(7)
    kinds = ("steady", "flaky", "broken for a week", "recovering")
    columns = ("failures mailed", "incidents opened", "incidents closed", "still open", "wrong")
    rows, wrong = [], 0
    for kind in kinds:
        total: Counter[str] = Counter()
        for number in range(10):
            total += replay(f"{kind} {number}", kind, chance)
        wrong += total["wrong"]
        rows.append((f"10 {kind}", *(f"{total[column]:,}" for column in columns)))
    print(table(("pipelines", *columns), rows))
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
