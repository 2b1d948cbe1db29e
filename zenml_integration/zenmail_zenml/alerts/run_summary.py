"""What became of a run's steps, for the mails of a dynamic pipeline's own hooks."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from zenmail import StepSummary
from zenmail.clean import clean_line

from .run_context import Surroundings, elapsed, read
from .timeline import draw_timeline

if TYPE_CHECKING:
    from zenml.models import StepRunResponse

__all__ = ["summary"]

_MOST_STEPS = 500
_MOST_REASONS = 10


def summary(place: Surroundings) -> dict[str, Any]:
    """Return the parts of an `Alert` that sum up a run: body, steps, timeline.

    Args:
        place: The run.
    """
    none: list[StepRunResponse] = []
    runs = read(lambda: _step_runs(place), none)
    origin = min((run.start_time for run in runs if run.start_time is not None), default=None)
    held = place.run
    started = read(lambda: held.start_time, None) if held is not None else None
    steps = []
    reasons = 0
    for run in runs:
        status = str(run.status.value)
        wanted = status == "failed" and reasons < _MOST_REASONS
        reasons += wanted
        steps.append(_summary_of(run, status, started or origin, with_reason=wanted))
    counts: dict[str, int] = {}
    for step in steps:
        counts[step.status] = counts.get(step.status, 0) + 1
    body = ", ".join(f"{number} {status}" for status, number in counts.items())
    timeline = read(lambda: draw_timeline(steps), None)
    noun = "step" if len(steps) == 1 else "steps"
    return {
        "body": f"{len(steps)} {noun}: {body}." if steps else "",
        "steps": tuple(steps),
        "images": (timeline,) if timeline is not None else (),
    }


def _step_runs(place: Surroundings) -> list[StepRunResponse]:
    from zenml.client import Client

    if place.run_id is None:
        return []
    page = Client().list_run_steps(
        pipeline_run_id=place.run_id, size=_MOST_STEPS, sort_by="asc:created", hydrate=False
    )
    # A retried step is listed with every attempt; the last one counts.
    return list({run.name: run for run in page.items}.values())


def _summary_of(
    run: StepRunResponse, status: str, origin: dt.datetime | None, *, with_reason: bool
) -> StepSummary:
    begun, ended = run.start_time, run.end_time
    return StepSummary(
        name=run.name,
        status=status,
        started=elapsed(origin, begun) if begun is not None else None,
        seconds=elapsed(begun, ended) if ended is not None else None,
        reason=read(lambda: _reason(run), "") if with_reason else "",
    )


def _reason(run: StepRunResponse) -> str:
    from zenml.client import Client

    info = Client().get_run_step(run.id).exception_info
    if info is None:
        return ""
    lines = info.traceback.strip().rsplit("\n", 1)
    return clean_line(lines[-1], limit=300)
