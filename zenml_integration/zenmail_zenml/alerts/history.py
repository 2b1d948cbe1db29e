"""Whether a failure is new: the pipeline's earlier runs in a line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from zenmail.composing.values import duration

from .run_context import elapsed

if TYPE_CHECKING:
    from zenml.client import Client
    from zenml.models import PipelineRunResponse

__all__ = ["History", "read_history"]

_GOOD = ("completed", "cached")
_PAGE = 100


@dataclass(frozen=True)
class History:
    """The runs of a pipeline before one of its runs; stopped ones do not count.

    Attributes:
        last_good: The last completed run, or None.
        good_in_a_row: How many runs completed since the last failure, if the run before
            was good.
        failed: The last failed runs, latest first.
        first_failed: The first failed run after the last good one, or None.
        failed_in_a_row: How many runs failed since the last good one.
    """

    last_good: PipelineRunResponse | None = None
    good_in_a_row: int = 0
    failed: tuple[PipelineRunResponse, ...] = ()
    first_failed: PipelineRunResponse | None = None
    failed_in_a_row: int = 0

    def of_failure(self) -> str:
        """Return the line for a mail about a failure; "" for a first run."""
        if self.first_failed is not None:
            since = f"{self.first_failed.created:%A %Y-%m-%d %H:%M} UTC"
            good = self.last_good
            when = f"{good.created:%Y-%m-%d %H:%M} UTC" if good is not None else "none so far"
            return f"Failing since {since}, {self.ordinal} run in a row, last good run {when}."
        if self.last_good is None:
            return ""
        noun = "run" if self.good_in_a_row == 1 else "runs"
        return f"First failure after {self.good_in_a_row:,} good {noun}."

    def of_success(self, run: PipelineRunResponse) -> str:
        """Return the line for a mail about a recovery; "" if the last run was good, too."""
        if self.first_failed is None:
            return ""
        seconds = elapsed(self.first_failed.created, run.end_time) or 0.0
        noun = "run" if self.failed_in_a_row == 1 else "runs"
        return (
            f"Recovered after {duration(seconds)} and {self.failed_in_a_row:,} failed {noun}."
        )

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
    """Read a pipeline's runs before one of its runs: one request, or three for many runs.

    Args:
        run: A run that failed or completed.
        client: ZenML's client.
    """
    if run.pipeline is None:
        return History()
    pipeline = run.pipeline.id

    def runs(status: tuple[str, ...], *bounds: str, **how: Any) -> Any:
        # Numbers, because ZenML compares times by the second.
        index: list[int | str] = [f"lt:{run.index}", *bounds]
        wanted = f"oneof:{json.dumps(status)}"
        return client.list_pipeline_runs(
            project=run.project_id, pipeline_id=pipeline, status=wanted, index=index, **how
        )

    page = runs((*_GOOD, "failed"), size=_PAGE, sort_by="desc:index")
    if not page.items:
        return History()
    latest = page.items[0]
    streak = list(takewhile(lambda it: _failed(it) == _failed(latest), page.items))
    before = next(iter(page.items[len(streak) :]), None)
    first, number = streak[-1], len(streak)
    failed = tuple(filter(_failed, page.items))
    if before is None and page.total > number:
        same, other = (("failed",), _GOOD) if _failed(latest) else (_GOOD, ("failed",))
        before = next(iter(runs(other, size=1, sort_by="desc:index").items), None)
        bounds = [f"gt:{before.index}"] if before is not None else []
        counted = runs(same, *bounds, size=1, sort_by="asc:index")
        first, number = next(iter(counted.items), first), counted.total
    if _failed(latest):
        return History(before, failed=failed, first_failed=first, failed_in_a_row=number)
    return History(latest, number, failed)


def _failed(run: PipelineRunResponse) -> bool:
    return str(run.status.value) == "failed"
