"""What ZenML knows of the step or run that is under way; every read is optional."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from zenml.exceptions import RunInterruptedException, RunStoppedException

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse, StepRunResponse

__all__ = ["PASS_THROUGH", "Surroundings", "read", "surroundings"]

PASS_THROUGH: tuple[type[BaseException], ...] = (RunStoppedException, RunInterruptedException)
"""Raised by ZenML's signal handler inside whatever runs; they end the run."""

_logger = logging.getLogger(__name__)
_Value = TypeVar("_Value")


def read(get: Callable[[], _Value], default: _Value) -> _Value:
    """Return what a getter returns, or the default when ZenML does not answer."""
    try:
        return get()
    except PASS_THROUGH:
        raise
    except Exception as error:
        _logger.debug("ZenML does not say: %s: %s", type(error).__name__, error)
        return default


@dataclass(frozen=True)
class Surroundings:
    """The step or the run in which an alert is posted; neither outside of a pipeline.

    Attributes:
        run: The pipeline run.
        step: The step run; None in the run-level hooks of a dynamic pipeline.
    """

    run: PipelineRunResponse | None = None
    step: StepRunResponse | None = None

    @property
    def pipeline_name(self) -> str:
        """The pipeline's name, or ""."""
        run = self.run
        if run is None:
            return ""
        pipeline = read(lambda: run.pipeline, None)
        return pipeline.name if pipeline is not None else ""

    @property
    def run_name(self) -> str:
        """The run's name, or ""."""
        return self.run.name if self.run is not None else ""

    @property
    def run_id(self) -> UUID | None:
        """The run's id."""
        return self.run.id if self.run is not None else None

    @property
    def step_name(self) -> str:
        """The step's name, or ""."""
        return self.step.name if self.step is not None else ""

    @property
    def stack_name(self) -> str:
        """The active stack's name, or "" outside of a run."""
        if self.run is None:
            return ""
        from zenml.client import Client

        return read(lambda: Client().active_stack.name, "")

    @property
    def parameters(self) -> dict[str, Any]:
        """The step's parameters, or the pipeline's in a run-level hook."""
        held = self.step or self.run
        if held is None:
            return {}
        parameters: Mapping[str, Any] | None = read(lambda: held.config.parameters, None)
        return dict(parameters or {})

    @property
    def seconds(self) -> float | None:
        """How long the step, or the run, has been under way."""
        held = self.step or self.run
        started = read(lambda: held.start_time, None) if held is not None else None
        return elapsed(started, None)

    @property
    def url(self) -> str:
        """The run's page in the dashboard, or "" when there is no dashboard."""
        run = self.run
        if run is None:
            return ""
        from zenml.utils.dashboard_utils import get_run_url

        return read(lambda: get_run_url(run), None) or ""

    def settings(self, component_name: str, flavor: str) -> dict[str, Any]:
        """Return what the step or the pipeline sets for an alerter, references unresolved.

        Args:
            component_name: The alerter's name in the stack.
            flavor: Its flavor.
        """
        held = self.step or self.run
        if held is None:
            return {}
        everything: Mapping[str, Any] = read(lambda: held.config.settings, {})
        # ZenML before 0.94.3 knew the second key only.
        for key in (f"alerter:{component_name}", f"alerter.{flavor}"):
            if key in everything:
                chosen = everything[key]
                given = chosen if isinstance(chosen, Mapping) else chosen.model_dump()
                return {name: value for name, value in given.items() if value is not None}
        return {}

    def refreshed(self) -> Surroundings:
        """Return the same with the run as it is now: a run-level hook is given an old one."""
        run = self.run
        if run is None or self.step is not None:
            return self
        from zenml.client import Client

        return Surroundings(run=read(lambda: Client().get_pipeline_run(run.id), run))

    def facts(self) -> dict[str, str]:
        """Return where the alert comes from, label to value."""
        named = {
            "Pipeline": self.pipeline_name,
            "Run": self.run_name,
            "Step": self.step_name,
            "Stack": self.stack_name,
        }
        return {label: value for label, value in named.items() if value}


def surroundings() -> Surroundings:
    """Return the step that is under way here, or else the dynamic pipeline's run."""
    from zenml.steps.step_context import StepContext

    step_context = read(StepContext.get, None)
    if step_context is not None:
        return Surroundings(run=step_context.pipeline_run, step=step_context.step_run)
    return Surroundings(run=read(_dynamic_run, None))


def _dynamic_run() -> PipelineRunResponse | None:
    from zenml.execution.pipeline.dynamic.run_context import DynamicPipelineRunContext

    context = DynamicPipelineRunContext.get()
    return context.run if context is not None else None


def elapsed(started: datetime | None, ended: datetime | None) -> float | None:
    """Return the seconds between two of ZenML's moments, the second now by default."""
    if started is None:
        return None
    from zenml.utils.time_utils import utc_now

    ended = ended or utc_now(tz_aware=started)
    # Some stores keep the time zone, some do not; all are in UTC.
    return max(0.0, (ended.replace(tzinfo=None) - started.replace(tzinfo=None)).total_seconds())
