"""Whether a failure is new: the pipeline's earlier runs in a line."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from zenml.client import Client
from zenml.models import PipelineRunResponse, StepRunResponse

from zenmail.composing.values import duration

from .run_context import elapsed

__all__ = ["History", "count_good_runs", "has_failed", "read_history"]

_GOOD = ("completed", "cached")
_PAGE = 100


@dataclass(frozen=True)
class History:
    """The runs of a pipeline before one of its runs; stopped ones do not count.

    Attributes:
        last_good: The last completed run, or None.
        good_in_a_row: How many runs completed since the last failure, if the run before
            was good.
        good_are_more: Whether that is only how many were read; `count_good_runs` counts all.
        failed: The last failed runs, latest first.
        first_failed: The first failed run after the last good one, or None.
        failed_in_a_row: How many runs failed since the last good one.
    """

    last_good: PipelineRunResponse | None = None
    good_in_a_row: int = 0
    good_are_more: bool = False
    failed: tuple[PipelineRunResponse, ...] = ()
    first_failed: PipelineRunResponse | None = None
    failed_in_a_row: int = 0

    def of_failure(self) -> str:
        """Return the line for a mail about a failure; "" for a first run."""
        if self.first_failed is not None:
            since = f"{self.first_failed.created:%A %Y-%m-%d %H:%M} UTC"
            last = "no good run yet"
            if self.last_good is not None:
                last = f"last good run {self.last_good.created:%Y-%m-%d %H:%M} UTC"
            return f"Failing since {since}, {self.ordinal} run in a row, {last}."
        if self.last_good is None:
            return ""
        noun = "run" if self.good_in_a_row == 1 else "runs"
        more = "more than " if self.good_are_more else ""
        return f"First failure after {more}{self.good_in_a_row:,} good {noun}."

    def of_success(self, run: PipelineRunResponse, *, step: str = "") -> str:
        """Return the line for a mail about a recovery; "" if the last run was good, too.

        Args:
            run: The run.
            step: The step that recovered while the run may still fail, or "".
        """
        if self.first_failed is None:
            return ""
        seconds = elapsed(self.first_failed.created, run.end_time) or 0.0
        noun = "run" if self.failed_in_a_row == 1 else "runs"
        what = f"Step {step} recovered" if step else "Recovered"
        return f"{what} after {duration(seconds)} and {self.failed_in_a_row:,} failed {noun}."

    @property
    def incident(self) -> str:
        """The ID of the first failed run after the last good one, or ""."""
        return str(self.first_failed.id) if self.first_failed is not None else ""

    @property
    def ordinal(self) -> str:
        """Which failure in a row one more failure is: 2nd, 3rd, ..."""
        number = self.failed_in_a_row + 1
        tens = number % 100 in (11, 12, 13)
        return f"{number}{'th' if tens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def read_history(run: PipelineRunResponse, client: Client) -> History:
    """Read a pipeline's runs before one of its runs: one request, three in a long incident."""
    if run.pipeline is None:
        return History()
    page = _runs(run, client, (*_GOOD, "failed"), size=_PAGE, sort_by="desc:index")
    if not page.items:
        return History()
    latest = page.items[0]
    streak = list(takewhile(lambda it: has_failed(it) == has_failed(latest), page.items))
    before = next(iter(page.items[len(streak) :]), None)
    first, number = streak[-1], len(streak)
    failed = tuple(filter(has_failed, page.items))
    more = before is None and page.total > number
    if not has_failed(latest):
        return History(latest, number, more, failed)
    if more:
        before = next(iter(_runs(run, client, _GOOD, size=1, sort_by="desc:index").items), None)
        counted = _runs(run, client, ("failed",), before, size=1, sort_by="asc:index")
        first, number = next(iter(counted.items), first), counted.total
    return History(before, failed=failed, first_failed=first, failed_in_a_row=number)


def count_good_runs(history: History, run: PipelineRunResponse, client: Client) -> History:
    """Return a run's history with the exact number of good runs in a row: two requests."""
    if not history.good_are_more:
        return history
    latest = _runs(run, client, ("failed",), size=1, sort_by="desc:index").items
    counted = _runs(run, client, _GOOD, next(iter(latest), None), size=1)
    return replace(history, good_in_a_row=counted.total, good_are_more=False)


def _runs(
    run: PipelineRunResponse,
    client: Client,
    status: tuple[str, ...],
    after: PipelineRunResponse | None = None,
    **how: Any,
) -> Any:
    """Return a page of the pipeline's runs before one of them, and after another."""
    # Numbers, because ZenML compares times by the second.
    index: list[int | str] = [f"lt:{run.index}"]
    if after is not None:
        index.append(f"gt:{after.index}")
    return client.list_pipeline_runs(
        project=run.project_id,
        pipeline_id=run.pipeline.id if run.pipeline is not None else None,
        status=f"oneof:{json.dumps(status)}",
        index=index,
        **how,
    )


def has_failed(it: PipelineRunResponse | StepRunResponse) -> bool:
    """Whether a run or a step failed."""
    return str(it.status.value) == "failed"
