"""Hooks that mail what happened to a step or to the run of a dynamic pipeline.

```python
@step(on_failure=smtp_email_alerter_failure_hook)
def train() -> None: ...
```

As a hook of a dynamic pipeline (ZenML 0.95.0 or later), each mails a summary of the run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Optional

from zenmail import Alert
from zenmail.clean import clean_line
from zenmail.composing.values import duration

from .alerter import SMTPEmailAlerter
from .alerts.run_context import PASS_THROUGH, RunContext, current_context, read_or_default
from .alerts.run_summary import summarise_run
from .alerts.tracebacks import error_line, user_traceback

if TYPE_CHECKING:
    from zenml.alerter.base_alerter import BaseAlerter

__all__ = [
    "smtp_email_alerter_end_hook",
    "smtp_email_alerter_failure_hook",
    "smtp_email_alerter_start_hook",
    "smtp_email_alerter_success_hook",
]

_logger = logging.getLogger(__name__)


def smtp_email_alerter_failure_hook(exception: BaseException) -> None:
    """Mail that a step, or the run of a dynamic pipeline, failed, and why.

    Args:
        exception: The exception that ended it.
    """
    _post(lambda context: _failure(exception, context))


def smtp_email_alerter_success_hook() -> None:
    """Mail that a step, or the run of a dynamic pipeline, completed."""
    _post(_success)


def smtp_email_alerter_start_hook() -> None:
    """Mail that a step, or the run of a dynamic pipeline, started."""
    _post(_start)


def smtp_email_alerter_end_hook(exception: Optional[BaseException] = None) -> None:  # noqa: UP045
    """Mail how a step, or the run of a dynamic pipeline, ended.

    Nothing is mailed if the success or failure hook is also set and says the same.

    Args:
        exception: The exception that ended it, or None.
    """

    def ended(context: RunContext) -> Alert | None:
        if _covered_by_another_hook(exception, context):
            return None
        return _success(context) if exception is None else _failure(exception, context)

    _post(ended)


def _covered_by_another_hook(exception: BaseException | None, context: RunContext) -> bool:
    if exception is not None:
        setting, hook = "failure_hook_source", smtp_email_alerter_failure_hook.__name__
    elif context.step is not None or context.run_status == "completed":
        setting, hook = "success_hook_source", smtp_email_alerter_success_hook.__name__
    else:
        return False
    current = context.innermost
    if current is None:
        return False
    source = read_or_default(lambda: getattr(current.config, setting, None), None)
    return source is not None and source.attribute == hook


def _post(make: Callable[[RunContext], Alert | None]) -> None:
    """Make the alert and post it; an error is logged and never fails the step.

    Raises:
        KeyboardInterrupt: ZenML stopped or interrupted the run. ZenML swallows its own
            exceptions for that when they leave a hook.
    """
    try:
        alerter = _find_alerter()
        if alerter is None:
            _logger.warning(
                "No e-mail was sent because the active stack has no alerter. Add one: "
                "zenml stack update -al <ALERTER>"
            )
            return
        alert = make(current_context().refreshed())
        if alert is None:
            return
        if isinstance(alerter, SMTPEmailAlerter):
            alerter.post_explained(alert)
        else:
            alerter.post(_as_text(alert))
    except PASS_THROUGH as stop:
        raise KeyboardInterrupt(str(stop)) from stop
    except Exception as error:
        _logger.error("A hook could not send its e-mail: %s: %s", type(error).__name__, error)
        _logger.debug("The hook failed:", exc_info=True)


def _find_alerter() -> BaseAlerter | None:
    """Return the stack's e-mail alerter, or else its alerter of another flavor."""
    from zenml.client import Client
    from zenml.enums import StackComponentType

    stack = Client().active_stack
    # Before ZenML 0.94.3 a stack had at most one alerter.
    components: list[Any] = list(
        getattr(stack, "all_components", None) or stack.components.values()
    )
    for component in components:
        if component.type == StackComponentType.ALERTER and isinstance(
            component, SMTPEmailAlerter
        ):
            return component
    return stack.alerter


def _failure(exception: BaseException, context: RunContext) -> Alert:
    error = error_line(exception)
    values = summarise_run(context) if context.step is None else {}
    return Alert(
        title=f"{_origin(context)} failed: {clean_line(error, limit=120)}",
        body=values.pop("body", ""),
        body_format="plain",
        severity="error",
        error=error,
        traceback=user_traceback(exception),
        **_details(context),
        **values,
    )


def _success(context: RunContext) -> Alert:
    values = summarise_run(context) if context.step is None else {}
    status = context.run_status if context.step is None else ""
    ended = status if status in ("stopped", "failed", "cancelled") else "completed"
    seconds = context.seconds
    took = f"It took {duration(seconds)}." if seconds is not None else ""
    return Alert(
        title=f"{_origin(context)} {ended}",
        body=values.pop("body", "") or took,
        body_format="plain",
        severity="success" if ended == "completed" else "warning",
        **_details(context),
        **values,
    )


def _start(context: RunContext) -> Alert:
    return Alert(
        title=f"{_origin(context)} started",
        body_format="plain",
        **_details(context, timed=False),
    )


def _origin(context: RunContext) -> str:
    """Return the beginning of every title: the step, or else the pipeline."""
    pipeline = context.pipeline_name
    if context.step is not None:
        return f"Step {context.step_name}" + (f" of pipeline {pipeline}" if pipeline else "")
    return f"Pipeline {pipeline}" if pipeline else "Pipeline"


def _details(context: RunContext, *, timed: bool = True) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    seconds = context.seconds
    if timed and seconds is not None:
        facts["Duration"] = duration(seconds)
    if context.parameters:
        facts["Parameters"] = context.parameters
    return {"facts": facts}


def _as_text(alert: Alert) -> str:
    """Return the alert as text, for alerters that take nothing else."""
    facts = "\n".join(f"{label}: {value}" for label, value in alert.facts.items())
    parts = (alert.title, alert.body, facts, alert.traceback, alert.url)
    return "\n\n".join(part for part in parts if part)
