"""Whether a failure is new: the pipeline's earlier runs in a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zenmail.composing.values import duration

from .run_context import elapsed

if TYPE_CHECKING:
    from zenml.client import Client
    from zenml.models import PipelineRunResponse

__all__ = ["History", "read_history"]


@dataclass(frozen=True)
class History:
    """The runs of a pipeline before one of its runs.

    Attributes:
        last_good: The last completed run, or None.
        good_in_a_row: How many runs completed since the last failure, if the run before
            was good.
        last_failed: The last failed run, or None.
        first_failed: The first failed run after the last good one, or None.
        failed_in_a_row: How many runs failed since the last good one.
    """

    last_good: PipelineRunResponse | None = None
    good_in_a_row: int = 0
    last_failed: PipelineRunResponse | None = None
    first_failed: PipelineRunResponse | None = None
    failed_in_a_row: int = 0

    def of_failure(self) -> str:
        """Return the line for a mail about a failure."""
        if self.failed_in_a_row and self.first_failed is not None:
            since = f"{self.first_failed.created:%A %Y-%m-%d %H:%M} UTC"
            good = (
                f"last good run {self.last_good.name}"
                if self.last_good is not None
                else "no run has completed yet"
            )
            return f"Failing since {since}, {self.ordinal} run in a row, {good}."
        if self.last_good is None:
            return "First run of this pipeline."
        noun = "run" if self.good_in_a_row == 1 else "runs"
        return f"First failure after {self.good_in_a_row} good {noun}."

    def of_success(self, run: PipelineRunResponse) -> str:
        """Return the line for a mail about a recovery; "" if the last run was good, too."""
        if not self.failed_in_a_row or self.first_failed is None:
            return ""
        seconds = elapsed(self.first_failed.created, run.end_time) or 0.0
        noun = "run" if self.failed_in_a_row == 1 else "runs"
        return f"Recovered after {duration(seconds)} and {self.failed_in_a_row} failed {noun}."

    @property
    def ordinal(self) -> str:
        """Which failure in a row one more failure is: 2nd, 3rd, ..."""
        number = self.failed_in_a_row + 1
        tens = number % 100 in (11, 12, 13)
        return f"{number}{'th' if tens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def read_history(run: PipelineRunResponse, client: Client) -> History:
    """Read a pipeline's runs before one of its runs, in at most four requests.

    Args:
        run: A run that failed or completed.
        client: ZenML's client.
    """
    if run.pipeline is None:
        return History()
    pipeline_id = run.pipeline.id
    # Numbers, because ZenML compares times by the second.
    earlier = f"lt:{run.index}"
    good = client.list_pipeline_runs(
        pipeline_id=pipeline_id,
        status="completed",
        index=earlier,
        size=1,
        hydrate=True,
    )
    failed = client.list_pipeline_runs(
        pipeline_id=pipeline_id, status="failed", index=earlier, size=1
    )
    last_good = good.items[0] if good.items else None
    last_failed = failed.items[0] if failed.items else None
    if last_failed is None:
        return History(last_good=last_good, good_in_a_row=good.total)
    if last_good is None or last_failed.index > last_good.index:
        since: list[int | str] = (
            [earlier] if last_good is None else [earlier, f"gt:{last_good.index}"]
        )
        streak = client.list_pipeline_runs(
            pipeline_id=pipeline_id,
            status="failed",
            index=since,
            size=1,
            sort_by="asc:index",
        )
        return History(
            last_good=last_good,
            last_failed=last_failed,
            first_failed=streak.items[0] if streak.items else last_failed,
            failed_in_a_row=streak.total,
        )
    streak = client.list_pipeline_runs(
        pipeline_id=pipeline_id,
        status="completed",
        index=[earlier, f"gt:{last_failed.index}"],
        size=1,
    )
    return History(
        last_good=last_good, last_failed=last_failed, good_in_a_row=max(1, streak.total)
    )
