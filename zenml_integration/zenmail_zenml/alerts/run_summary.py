"""A summary of a run's steps, for the run-level hooks of dynamic pipelines."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from zenml.client import Client
from zenml.models import StepRunResponse

from zenmail import StepSummary
from zenmail.clean import clean_line

from .run_context import RunContext, elapsed, read_or_default, steps_of
from .tracebacks import last_line

__all__ = ["summarise_run"]

_MAX_REASONS = 10


def summarise_run(context: RunContext) -> dict[str, Any]:
    """Return the fields of an `Alert` that sum up a run, and its "verdict" for the subject."""
    none: list[StepRunResponse] = []
    runs = read_or_default(lambda: _step_runs(context), none)
    first = min((run.start_time for run in runs if run.start_time is not None), default=None)
    origin = context.started or first
    failed = [run.id for run in runs if str(run.status.value) == "failed"][:_MAX_REASONS]
    url = context.url
    steps = [_summarise_step(run, origin, url, with_reason=run.id in failed) for run in runs]
    counts = Counter(step.status for step in steps)
    bad = counts.pop("failed", 0)
    others = ", ".join(f"{number} {status}" for status, number in counts.items())
    noun = "step" if len(steps) == 1 else "steps"
    verdict = ""
    if bad:
        verdict = f"{bad} of {len(steps)} failed"
        body = f"{bad} of {len(steps)} {noun} failed{f', {others}' if others else ''}."
    elif len(counts) == 1:
        body = f"{len(steps)} {noun} {steps[0].status}."
    else:
        body = f"{len(steps)} {noun}: {others}." if steps else ""
    return {"body": body, "steps": tuple(steps), "verdict": verdict}


def _step_runs(context: RunContext) -> list[StepRunResponse]:
    if context.run is None:
        return []
    # A retried step is listed once per attempt; the last one counts.
    found = steps_of(context.run, Client(), hydrate=False)
    return list({step.name: step for step in found}.values())


def _summarise_step(
    run: StepRunResponse, origin: datetime | None, url: str, *, with_reason: bool
) -> StepSummary:
    started, ended = run.start_time, run.end_time
    return StepSummary(
        name=run.name,
        status=str(run.status.value),
        started=elapsed(origin, started) if started is not None else None,
        seconds=elapsed(started, ended) if ended is not None else None,
        url=f"{url}?step={run.id}" if url else "",
        reason=read_or_default(lambda: _reason(run), "") if with_reason else "",
    )


def _reason(run: StepRunResponse) -> str:
    info = Client().get_run_step(run.id).exception_info
    return clean_line(last_line(info.traceback), limit=300) if info is not None else ""
