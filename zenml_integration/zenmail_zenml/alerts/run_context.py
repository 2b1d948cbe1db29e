"""What ZenML knows about the step or run under way; every read is optional."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from uuid import UUID

from zenml.exceptions import RunInterruptedException, RunStoppedException

from zenmail.composing.headline import NAME, shortened, subject_line
from zenmail.redaction.redact import described

from .next_steps import log_command, log_uri

if TYPE_CHECKING:
    from zenml.config.step_run_info import StepRunInfo
    from zenml.models import PipelineRunResponse, StepRunResponse

__all__ = [
    "PASS_THROUGH",
    "RunContext",
    "RunningSteps",
    "current_context",
    "elapsed",
    "read_or_default",
    "running_steps",
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


class RunContext(NamedTuple):
    """The step or run that posts an alert; empty outside a pipeline.

    Attributes:
        run: The pipeline run.
        step: The step run; None in the run-level hooks of a dynamic pipeline.
        stack: Name of the stack of a run that is seen from outside, or "".
    """

    run: "PipelineRunResponse | None" = None
    step: "StepRunResponse | None" = None
    stack: str = ""

    @property
    def innermost(self) -> "StepRunResponse | PipelineRunResponse | None":
        """The step, or else the run."""
        return self.step or self.run

    @property
    def pipeline_name(self) -> str:
        """The pipeline's name, or ""."""
        run = self.run
        if run is None:
            return ""
        pipeline = read_or_default(lambda: run.pipeline, None)
        return pipeline.name if pipeline is not None else ""

    @property
    def run_name(self) -> str:
        """The run's name, or ""."""
        return self.run.name if self.run is not None else ""

    @property
    def run_id(self) -> UUID | None:
        """The run's ID."""
        return self.run.id if self.run is not None else None

    @property
    def run_status(self) -> str:
        """The run's status, or ""."""
        run = self.run
        return read_or_default(lambda: str(run.status.value), "") if run is not None else ""

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
        from zenml.client import Client

        return read_or_default(lambda: Client().active_stack.name, "")

    @property
    def will_be_retried(self) -> bool:
        """Whether ZenML starts the step again if it fails."""
        step = self.step
        return step is not None and read_or_default(lambda: step.is_retriable, False)

    @property
    def parameters(self) -> dict[str, Any]:
        """The step's parameters, or the pipeline's in a run-level hook."""
        current = self.innermost
        if current is None:
            return {}
        parameters: Mapping[str, Any] | None = read_or_default(
            lambda: current.config.parameters, None
        )
        return dict(parameters or {})

    @property
    def started(self) -> datetime | None:
        """When the step, or the run, started."""
        current = self.innermost
        return read_or_default(lambda: current.start_time, None) if current else None

    @property
    def seconds(self) -> float | None:
        """How long the step, or the run, has been running."""
        return elapsed(self.started, None)

    @property
    def url(self) -> str:
        """The run's page in the dashboard, or "" if there is no dashboard."""
        run = self.run
        if run is None:
            return ""
        from zenml.utils.dashboard_utils import get_run_url

        return read_or_default(lambda: get_run_url(run), None) or ""

    @property
    def attempt(self) -> int:
        """Which try of the step this is."""
        step = self.step
        return read_or_default(lambda: int(step.version), 1) if step is not None else 1

    @property
    def command(self) -> str:
        """The command that shows the log, or "" if it is on no disk."""
        return log_command(read_or_default(lambda: log_uri(self.innermost), ""))

    def settings(self, component_name: str, flavor: str) -> dict[str, Any]:
        """Return the step's or pipeline's settings for an alerter, references unresolved.

        Args:
            component_name: The alerter's name in the stack.
            flavor: Its flavor.
        """
        current = self.innermost
        if current is None:
            return {}
        configured: Mapping[str, Any] = read_or_default(lambda: current.config.settings, {})
        found = configured.get(f"alerter:{component_name}")
        if found is None and (found := configured.get(f"alerter.{flavor}")) is not None:
            # ZenML before 0.94.3 puts the configuration of the stack's only alerter in it.
            run = self.run
            names = read_or_default(lambda: _alerters_of(run), [component_name])
            found = found if component_name in names else None
        if found is None:
            return {}
        values = found if isinstance(found, Mapping) else found.model_dump()
        return {name: value for name, value in values.items() if value is not None}

    def refreshed(self) -> "RunContext":
        """Return the context with the run as it is now; a run-level hook gets a stale one."""
        run = self.run
        if run is None or self.step is not None:
            return self
        from zenml.client import Client

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


def _alerters_of(run: "PipelineRunResponse | None") -> list[str]:
    """Return the names of the alerters of a run's stack."""
    from zenml.enums import StackComponentType

    if run is None or run.stack is None:
        raise LookupError("The stack is not known.")
    return [item.name for item in run.stack.components.get(StackComponentType.ALERTER, [])]


def current_context() -> RunContext:
    """Return the context of the step that is running, or else of the dynamic pipeline."""
    from zenml.steps.step_context import StepContext

    step_context = read_or_default(StepContext.get, None)
    if step_context is not None:
        return RunContext(run=step_context.pipeline_run, step=step_context.step_run)
    run = read_or_default(_dynamic_run, None)
    return RunContext(run=run) if run is not None else running_steps.only()


class RunningSteps:
    """The steps under way in this process, for their threads, which lack ZenML's context."""

    def __init__(self) -> None:
        self._steps: dict[UUID, UUID] = {}

    def add(self, info: "StepRunInfo") -> None:
        """Note that a step begins."""
        self._steps[info.step_run_id] = info.run_id

    def remove(self, info: "StepRunInfo") -> None:
        """Note that a step ended."""
        self._steps.pop(info.step_run_id, None)

    def only(self) -> RunContext:
        """Return the context of the step under way, or an empty one if there are several."""
        steps = list(self._steps.items())
        if len(steps) > 1:
            _logger.warning(
                "A thread posted while %d steps run in this process, so its mail names none of "
                "them. Start the thread with contextvars.copy_context().run.",
                len(steps),
            )
        if len(steps) != 1:
            return RunContext()
        from zenml.client import Client

        ((step, run),) = steps
        return read_or_default(
            lambda: RunContext(
                run=Client().get_pipeline_run(run), step=Client().get_run_step(step)
            ),
            RunContext(),
        )


running_steps = RunningSteps()
"""The steps under way in this process."""


def _dynamic_run() -> "PipelineRunResponse | None":
    from zenml.execution.pipeline.dynamic.run_context import DynamicPipelineRunContext

    context = DynamicPipelineRunContext.get()
    return context.run if context is not None else None


def elapsed(started: datetime | None, ended: datetime | None) -> float | None:
    """Return the seconds between two of ZenML's timestamps; None as the end means now."""
    if started is None:
        return None
    from zenml.utils.time_utils import utc_now

    ended = ended or utc_now(tz_aware=started)
    # All are in UTC, but not every store keeps the time zone.
    return max(0.0, (ended.replace(tzinfo=None) - started.replace(tzinfo=None)).total_seconds())
