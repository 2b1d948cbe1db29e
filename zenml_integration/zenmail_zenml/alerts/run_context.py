"""What ZenML knows about the step or run under way; every read is optional."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from zenml.client import Client
from zenml.enums import StackComponentType
from zenml.exceptions import RunInterruptedException, RunStoppedException
from zenml.models import PipelineRunResponse, StepRunResponse
from zenml.steps.step_context import StepContext
from zenml.utils.dashboard_utils import get_run_url
from zenml.utils.time_utils import utc_now

from zenmail.composing.headline import NAME, shortened, subject_line
from zenmail.redaction.redact import described

from .next_steps import log_command, log_uri

__all__ = [
    "PASS_THROUGH",
    "RunContext",
    "current_context",
    "elapsed",
    "read_or_default",
    "running_steps",
    "steps_of",
]

PASS_THROUGH: tuple[type[BaseException], ...] = (RunStoppedException, RunInterruptedException)
"""ZenML's signal handler raises these inside whatever code is running; they end the run."""

_logger = logging.getLogger(__name__)
_Value = TypeVar("_Value")


def read_or_default(get: Callable[[], _Value], default: _Value) -> _Value:
    """Return what ``get`` returns, or the default if it fails."""
    try:
        return get()
    except PASS_THROUGH:
        raise
    except Exception as error:
        _logger.debug("Could not read from ZenML: %s", described(error))
        return default


def _known(subject: Any, get: Callable[[Any], _Value], default: _Value) -> _Value:
    """Return what ZenML knows of a run or step; the default if there is none, or it fails."""
    return default if subject is None else read_or_default(lambda: get(subject), default)


class RunContext(NamedTuple):
    """The step or run that posts an alert; empty outside a pipeline.

    Attributes:
        run: The pipeline run.
        step: The step run; None in the run-level hooks of a dynamic pipeline.
        stack: Name of the stack of a run that is seen from outside, or "".
    """

    run: PipelineRunResponse | None = None
    step: StepRunResponse | None = None
    stack: str = ""

    @property
    def innermost(self) -> StepRunResponse | PipelineRunResponse | None:
        """The step, or else the run."""
        return self.step or self.run

    @property
    def pipeline_name(self) -> str:
        """The pipeline's name, or ""."""
        return _known(self.run, lambda run: run.pipeline.name if run.pipeline else "", "")

    @property
    def run_name(self) -> str:
        """The run's name, or ""."""
        return self.run.name if self.run is not None else ""

    @property
    def run_status(self) -> str:
        """The run's status, or ""."""
        return _known(self.run, lambda run: str(run.status.value), "")

    @property
    def step_name(self) -> str:
        """The step's name, or ""."""
        return self.step.name if self.step is not None else ""

    def heading(self, verdict: str, detail: str = "") -> dict[str, Any]:
        """Return an alert's title and subject.

        Args:
            verdict: How the step, or else the run, ended, such as "failed".
            detail: What to say at the end of the subject, or "".
        """
        names = self.step_name, self.pipeline_name
        name = shortened(next(filter(None, names), "Pipeline"), NAME)
        subject = subject_line(verdict.capitalize(), *names, detail=detail)
        return {"title": f"{name} {verdict}", "subject": subject}

    @property
    def stack_name(self) -> str:
        """The active stack's name, or "" outside a run."""
        if self.run is None or self.stack:
            return self.stack
        return read_or_default(lambda: Client().active_stack.name, "")

    @property
    def will_be_retried(self) -> bool:
        """Whether ZenML starts the step again if it fails."""
        return _known(self.step, lambda step: step.is_retriable, False)

    @property
    def parameters(self) -> dict[str, Any]:
        """The step's parameters, or the pipeline's in a run-level hook."""
        return dict(_known(self.innermost, lambda it: it.config.parameters, None) or {})

    @property
    def started(self) -> datetime | None:
        """When the step, or the run, started."""
        started: datetime | None = _known(self.innermost, lambda it: it.start_time, None)
        return started

    @property
    def seconds(self) -> float | None:
        """How long the step, or the run, has been running."""
        return elapsed(self.started, None)

    @property
    def url(self) -> str:
        """The run's page in the dashboard, or "" if there is no dashboard."""
        return _known(self.run, get_run_url, None) or ""

    @property
    def attempt(self) -> int:
        """Which try of the step this is."""
        return _known(self.step, lambda step: int(step.version), 1)

    @property
    def command(self) -> str:
        """The command that shows the log, or "" if it is on no disk."""
        return log_command(_known(self.innermost, log_uri, ""))

    def settings(self, component_name: str, flavor: str) -> dict[str, Any]:
        """Return the step's or pipeline's settings for an alerter, references unresolved."""
        none: Mapping[str, Any] = {}
        configured = _known(self.innermost, lambda it: it.config.settings, none)
        found = configured.get(f"alerter:{component_name}")
        if found is None and (found := configured.get(f"alerter.{flavor}")) is not None:
            # ZenML before 0.94.3 puts the configuration of the stack's only alerter in it.
            kind = StackComponentType.ALERTER
            names = _known(
                self.run,
                lambda run: [it.name for it in run.stack.components.get(kind, [])],
                [component_name],
            )
            found = found if component_name in names else None
        if found is None:
            return {}
        values = found if isinstance(found, Mapping) else found.model_dump()
        return {name: value for name, value in values.items() if value is not None}

    def refreshed(self) -> RunContext:
        """Return the context with the run as it is now; a run-level hook gets a stale one."""
        run = self.run
        if run is None or self.step is not None:
            return self
        return RunContext(run=read_or_default(lambda: Client().get_pipeline_run(run.id), run))

    def facts(self) -> dict[str, str]:
        """Return where the alert comes from, by label."""
        named = {
            "Pipeline": self.pipeline_name,
            "Run": self.run_name,
            "Step": self.step_name,
            "Stack": self.stack_name,
        }
        return {label: value for label, value in named.items() if value}


def current_context() -> RunContext:
    """Return the context of the step that is running, or else of the dynamic pipeline."""
    step_context = read_or_default(StepContext.get, None)
    if step_context is not None:
        return RunContext(run=step_context.pipeline_run, step=step_context.step_run)
    run = read_or_default(_dynamic_run, None)
    return RunContext(run=run) if run is not None else _only_running_step()


running_steps: dict[UUID, UUID] = {}
"""The run of each step under way in this process, for threads that lack ZenML's context."""


def _only_running_step() -> RunContext:
    """Return the context of the step under way, or an empty one if there are several."""
    steps = list(running_steps.items())
    if len(steps) > 1:
        _logger.warning(
            "A thread posted while %d steps run in this process, so its mail names none of "
            "them. Start the thread with contextvars.copy_context().run.",
            len(steps),
        )
    if len(steps) != 1:
        return RunContext()
    ((step, run),) = steps
    return read_or_default(
        lambda: RunContext(
            run=Client().get_pipeline_run(run), step=Client().get_run_step(step)
        ),
        RunContext(),
    )


def _dynamic_run() -> PipelineRunResponse | None:
    from zenml.execution.pipeline.dynamic.run_context import DynamicPipelineRunContext

    context = DynamicPipelineRunContext.get()
    return context.run if context is not None else None


def elapsed(started: datetime | None, ended: datetime | None) -> float | None:
    """Return the seconds between two of ZenML's timestamps; None as the end means now."""
    if started is None:
        return None
    ended = ended or utc_now(tz_aware=started)
    # All are in UTC, but not every store keeps the time zone.
    return max(0.0, (ended.replace(tzinfo=None) - started.replace(tzinfo=None)).total_seconds())


def steps_of(
    run: PipelineRunResponse, client: Client, *, size: int = 500, **which: Any
) -> list[StepRunResponse]:
    """Return steps of a run in one request, the oldest first; a retried one once per attempt.

    Args:
        run: The run.
        client: ZenML's client.
        size: How many at most.
        which: Other arguments of ``Client.list_run_steps``.
    """
    usual = {"pipeline_run_id": run.id, "sort_by": "asc:created", "hydrate": True}
    page = client.list_run_steps(project=run.project_id, size=size, **{**usual, **which})
    return list(page.items)
