"""Decides what happened to a run, from what ZenML knows about it, and makes the alert."""

from __future__ import annotations

from datetime import datetime, timezone
from statistics import median
from typing import Any, Literal, NamedTuple

from zenml.client import Client
from zenml.models import PipelineRunResponse, StepRunResponse

from zenmail import Alert
from zenmail.composing.headline import subject_line
from zenmail.composing.values import duration

from ..alerts.run_context import RunContext, elapsed, read_or_default, steps_of
from ..alerts.run_summary import summarise_run
from ..alerts.tracebacks import last_line
from ..lineage import UNDELIVERED

__all__ = [
    "EventKind",
    "RunEvent",
    "end_of",
    "hooked_failure",
    "paused",
    "running_late",
    "silent",
    "undelivered",
    "utc",
]

EventKind = Literal["failed", "stopped", "completed", "recovered", "silent", "late", "paused"]

_ENDS: dict[str, EventKind] = {
    "failed": "failed",
    "cancelled": "stopped",
    "stopped": "stopped",
    "completed": "completed",
    "cached": "completed",
}
_MIN_HISTORY = 5
_HISTORY = 20
_LATE_FACTOR = 3.0
# ZenML's stock hooks post through the alerter, too.
_FAILURE_HOOKS = frozenset(
    {
        "smtp_email_alerter_failure_hook",
        "smtp_email_alerter_end_hook",
        "alerter_failure_hook",
    }
)


class RunEvent(NamedTuple):
    """Something that happened to a run and that somebody may want to know.

    Attributes:
        kind: What happened.
        run: The run.
        detail: A sentence about it, or "".
        subject_id: What tells apart events of the same kind, or "".
        next_steps: What the reader can do.
    """

    kind: EventKind | Literal["undelivered"]
    run: PipelineRunResponse
    detail: str = ""
    subject_id: str = ""
    next_steps: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The event's name among those of its run."""
        return f"{self.kind}-{self.subject_id}" if self.subject_id else self.kind

    @property
    def kept(self) -> dict[str, Any]:
        """What the run's metadata keeps of an alert that was not delivered."""
        kept: Any = self.run.run_metadata[f"{UNDELIVERED}{self.subject_id}"]
        return dict(kept)

    @property
    def addressing(self) -> dict[str, Any] | None:
        """Who gets an alert that was not delivered; None for whom the settings name."""
        if self.kind != "undelivered":
            return None
        return {"recipient_email": self.kept["to"], "cc": self.kept["cc"]}

    def alert(self) -> Alert:
        """Return the alert about the event, with what ZenML knows now."""
        if self.kind == "undelivered":
            return Alert.model_validate(self.kept["alert"])
        context = RunContext(run=self.run)
        reason = _failure(self.run) if self.kind in ("failed", "stopped") else {}
        kind = str(reason.get("error", "")).partition(":")[0]
        values = summarise_run(context)
        values.pop("verdict", None)  # the title says it
        facts = dict(reason.pop("facts", {}))
        seconds = elapsed(self.run.start_time, self.run.end_time)
        if seconds is not None:
            facts["Duration"] = duration(seconds)
        pipeline = context.pipeline_name
        return Alert(
            title=f"{f'Pipeline {pipeline}' if pipeline else 'A run'} "
            f"{_TITLES.get(self.kind, self.kind)}",
            subject=subject_line(self.kind.capitalize(), pipeline, detail=kind),
            body="\n".join(filter(None, (self.detail, values.pop("body", "")))),
            body_format="plain",
            severity=_SEVERITIES[self.kind],
            facts=facts,
            **{"next_steps": self.next_steps, **reason},
            **values,
        )


_SEVERITIES: dict[EventKind, Any] = {
    "failed": "error",
    "stopped": "warning",
    "completed": "success",
    "recovered": "success",
    "silent": "error",
    "late": "warning",
    "paused": "info",
}
_TITLES: dict[str, str] = {
    "silent": "shows no sign of life",
    "late": "is taking longer than expected",
    "paused": "is waiting for an answer",
}


def undelivered(run: PipelineRunResponse) -> list[RunEvent]:
    """Return the alerts that the run's metadata keeps because nobody could deliver them."""
    return [
        RunEvent("undelivered", run, subject_id=name.removeprefix(UNDELIVERED))
        for name in run.run_metadata
        if name.startswith(UNDELIVERED)
    ]


def end_of(
    run: PipelineRunResponse, before: PipelineRunResponse | None = None
) -> RunEvent | None:
    """Return how the run ended, or None if it did not.

    Args:
        run: The run, hydrated.
        before: The run of the same pipeline that ended before it; None to ask ZenML.
    """
    kind = _ENDS.get(str(run.status.value))
    if kind is None:
        return None
    if kind == "completed":
        before = before or _run_before(run)
        if before is not None and before.status.value == "failed":
            return RunEvent("recovered", run)
    return RunEvent(kind, run)


def paused(run: PipelineRunResponse) -> RunEvent | None:
    """Return the question that the run waits for, or None if it does not wait."""
    condition = read_or_default(lambda: run.active_wait_condition, None)
    if condition is None:
        return None
    which: dict[str, Any] = {"id": condition.id, "project": run.project_id, "hydrate": True}
    none: list[Any] = []
    found = read_or_default(lambda: [*Client().list_run_wait_conditions(**which)], none)
    question = next((item.question for item in found if item.question), "")
    return RunEvent(
        "paused",
        run,
        detail=question or f"The wait condition {condition.name!r} is not resolved.",
        subject_id=condition.id.hex,
        next_steps=(
            "Answer it: `zenml pipeline runs wait-conditions resolve "
            f"--run {run.id} --interactive`",
        ),
    )


def running_late(
    run: PipelineRunResponse, now: datetime, max_duration: float | None
) -> RunEvent | None:
    """Return that the run takes too long, or None.

    Args:
        run: A run in progress.
        now: The time, in UTC.
        max_duration: The seconds it may take; None for three times what is usual.
    """
    seconds = elapsed(run.start_time, now)
    if seconds is None:
        return None
    if max_duration is not None:
        if seconds <= max_duration:
            return None
        limit = f"Its limit is {duration(max_duration)} (max_duration)."
    else:
        usual = _usual_duration(run)
        if usual is None or seconds <= _LATE_FACTOR * usual:
            return None
        limit = f"It usually takes {duration(usual)}."
    return RunEvent("late", run, detail=f"It has been running for {duration(seconds)}. {limit}")


def silent(run: PipelineRunResponse, now: datetime, patience: float) -> RunEvent | None:
    """Return that the run shows no sign of life, or None.

    A step with a heartbeat is silent once ZenML's threshold for it, or the patience if that
    is shorter, has passed. Anything else is judged by the last change of a step.

    Args:
        run: A run in progress.
        now: The time, in UTC.
        patience: Seconds without a sign of life.
    """
    age = elapsed(run.start_time or run.created, now)
    if age is None or age <= min(patience, _HEARTBEAT_SECONDS):
        return None
    steps = steps_of(run, Client(), sort_by="desc:created")
    active = [step for step in steps if not step.status.is_finished]
    signs = [
        (elapsed(beat, now), min(60.0 * (step.heartbeat_threshold or 30), patience))
        for step in active
        if (beat := getattr(step, "latest_heartbeat", None)) is not None
    ]
    if not signs:
        changes = [moment for step in steps for moment in (step.start_time, step.end_time)]
        last = max(map(utc, filter(None, [run.start_time or run.created, *changes])))
        signs = [(elapsed(last, now), patience)]
    if any(quiet is None or quiet <= allowed for quiet, allowed in signs):
        return None
    quiet = min(quiet for quiet, _ in signs if quiet is not None)
    names = ", ".join(step.name for step in active[:5])
    where = f" Its last steps: {names}." if names else ""
    return RunEvent(
        "silent",
        run,
        detail=f"The last sign of life was {duration(quiet)} ago.{where} Its process was "
        "probably killed or lost its connection.",
        next_steps=("Check the process or pod that ran it, for example for lack of memory.",),
    )


_HEARTBEAT_SECONDS = 600.0


def hooked_failure(run: PipelineRunResponse) -> datetime | None:
    """Return when the run failed if that also calls a hook that mails it, or None."""
    failed = _failed_steps(run)
    if not (_names_hook(run.config) or any(_names_hook(step.config) for step in failed)):
        return None
    ends = [run.end_time, *(step.end_time for step in failed)]
    return max((end for end in ends if end is not None), key=utc, default=None)


def _names_hook(config: Any) -> bool:
    sources = (
        getattr(config, name, None) for name in ("failure_hook_source", "end_hook_source")
    )
    return any(source is not None and source.attribute in _FAILURE_HOOKS for source in sources)


def _failure(run: PipelineRunResponse) -> dict[str, Any]:
    """Return what failed and why, as fields of an `Alert`."""
    none: list[StepRunResponse] = []
    failed = read_or_default(lambda: _failed_steps(run), none)
    raised = [step for step in failed if step.exception_info is not None][:1]
    info = getattr((*raised, run)[0], "exception_info", None)
    values: dict[str, Any] = {}
    if info is not None:
        values = {"error": last_line(info.traceback), "traceback": info.traceback.strip()}
    elif failed:
        values["next_steps"] = (
            "ZenML recorded no exception, so the step did not fail in its own code. Look at "
            "its log: an input or output, a secret, or the process itself may be the cause.",
        )
    if failed:
        values["facts"] = {"Failed step": ", ".join(step.name for step in raised or failed)}
    return values


def _failed_steps(run: PipelineRunResponse) -> list[StepRunResponse]:
    return steps_of(run, Client(), status="failed", size=10)


def _run_before(run: PipelineRunResponse) -> PipelineRunResponse | None:
    """Return the run of the same pipeline that ended before this one."""
    if run.pipeline is None or run.end_time is None:
        return None
    page = Client().list_pipeline_runs(
        pipeline_id=run.pipeline.id,
        project=run.project_id,
        end_time=f"lt:{utc(run.end_time):%Y-%m-%d %H:%M:%S}",
        sort_by="desc:end_time",
        size=1,
    )
    return next((item for item in page.items if item.id != run.id), None)


def _usual_duration(run: PipelineRunResponse) -> float | None:
    if run.pipeline is None:
        return None
    page = Client().list_pipeline_runs(
        pipeline_id=run.pipeline.id,
        project=run.project_id,
        status="completed",
        sort_by="desc:end_time",
        size=_HISTORY,
        hydrate=True,
    )
    times = [elapsed(item.start_time, item.end_time) for item in page.items if item.end_time]
    known = [seconds for seconds in times if seconds is not None]
    return median(known) if len(known) >= _MIN_HISTORY else None


def utc(moment: datetime) -> datetime:
    """Return ZenML's timestamp without its time zone, which not every store keeps."""
    if moment.tzinfo is not None:
        moment = moment.astimezone(timezone.utc)
    return moment.replace(tzinfo=None)
