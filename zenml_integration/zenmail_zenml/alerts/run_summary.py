"""A summary of a run's steps, for the run-level hooks of dynamic pipelines."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

from zenmail import StepSummary
from zenmail.clean import clean_line

from .run_context import RunContext, elapsed, read_or_default

if TYPE_CHECKING:
    from zenml.models import StepRunResponse

__all__ = ["summarise_run"]

_MAX_STEPS = 500
_MAX_REASONS = 10


def summarise_run(context: RunContext) -> dict[str, Any]:
    """Return the fields of an `Alert` that sum up a run, and its "verdict" for the subject.

    Args:
        context: The context of a run-level hook.
    """
    none: list[StepRunResponse] = []
    runs = read_or_default(lambda: _step_runs(context), none)
    first = min((run.start_time for run in runs if run.start_time is not None), default=None)
    origin = context.started or first
    failed = [run.id for run in runs if str(run.status.value) == "failed"][:_MAX_REASONS]
    url = context.url
    steps = [_summarise_step(run, origin, url, with_reason=run.id in failed) for run in runs]
    counts = Counter(step.status for step in steps)
    if not steps:
        return {"body": "", "steps": (), "verdict": ""}
    bad = counts.pop("failed", 0)
    others = ", ".join(f"{number} {status}" for status, number in counts.items())
    noun = "step" if len(steps) == 1 else "steps"
    if not bad:
        told = f"{noun} {steps[0].status}" if len(counts) == 1 else f"{noun}: {others}"
        return {"body": f"{len(steps)} {told}.", "steps": tuple(steps), "verdict": ""}
    verdict = f"{bad} of {len(steps)}"
    return {
        "body": f"{verdict} {noun} failed" + (f", {others}." if others else "."),
        "steps": tuple(steps),
        "verdict": f"{verdict} failed",
    }


def _step_runs(context: RunContext) -> list[StepRunResponse]:
    from zenml.client import Client

    run = context.run
    if run is None:
        return []
    page = Client().list_run_steps(
        pipeline_run_id=run.id,
        project=run.project_id,
        size=_MAX_STEPS,
        sort_by="asc:created",
        hydrate=False,
    )
    # A retried step is listed once per attempt; the last one counts.
    return list({run.name: run for run in page.items}.values())


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
    from zenml.client import Client

    info = Client().get_run_step(run.id).exception_info
    if info is None:
        return ""
    lines = info.traceback.strip().rsplit("\n", 1)
    return clean_line(lines[-1], limit=300)
