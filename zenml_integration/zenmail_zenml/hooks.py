"""Hooks that mail what happened to a step or to the run of a dynamic pipeline.

```python
@step(on_failure=smtp_email_alerter_failure_hook)
def train() -> None: ...
```

As a hook of a dynamic pipeline (ZenML 0.95.0 or later), each mails a summary of the run.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Any, Optional

from zenml.alerter.base_alerter import BaseAlerter
from zenml.client import Client

from zenmail import Alert
from zenmail.alert import Severity
from zenmail.composing.values import duration
from zenmail.redaction.redact import described, redacted
from zenmail.runtime.timeouts import CallTimedOut, call_with_timeout

from .alerts.build import as_text, build_alert
from .alerts.run_context import PASS_THROUGH, RunContext, current_context, read_or_default
from .alerts.tracebacks import error_text, innermost, user_traceback
from .flavor import is_email_alerter

__all__ = [
    "smtp_email_alerter_end_hook",
    "smtp_email_alerter_failure_hook",
    "smtp_email_alerter_start_hook",
    "smtp_email_alerter_success_hook",
]

_logger = logging.getLogger(__name__)
# Seconds to find the alerter, which knows its own deadline.
_PATIENCE = 30.0


def smtp_email_alerter_failure_hook(exception: BaseException) -> None:
    """Mail that a step, or the run of a dynamic pipeline, failed, and why.

    Args:
        exception: The exception that ended it.
    """
    _post(lambda context: _failure(_cause(exception), context), event="failed")


def smtp_email_alerter_success_hook() -> None:
    """Mail that a step, or the run of a dynamic pipeline, completed."""
    _post(_success, event="completed")


def smtp_email_alerter_start_hook() -> None:
    """Mail that a step, or the run of a dynamic pipeline, started."""
    _post(lambda context: _alert(context, "started", "info"))


def smtp_email_alerter_end_hook(exception: Optional[BaseException] = None) -> None:  # noqa: UP045
    """Mail how a step, or the run of a dynamic pipeline, ended.

    Nothing is mailed if the success or failure hook is also set and says the same, or if
    ZenML is going to retry the step.

    Args:
        exception: The exception that ended it, or None.
    """
    # ZenML hands on no exception when it stops a step, and is still handling its own.
    stopped = exception is None and isinstance(sys.exc_info()[1], KeyboardInterrupt)

    def ended(context: RunContext) -> Alert | None:
        if stopped:
            return _success(context, "stopped")
        if exception is None:
            return None if _covered_by_another_hook(None, context) else _success(context)
        if context.will_be_retried or _covered_by_another_hook(exception, context):
            return None
        return _failure(_cause(exception), context)

    event = "stopped" if stopped else "completed" if exception is None else "failed"
    _post(ended, event=event)


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


def _cause(exception: BaseException) -> BaseException:
    """Return what failed in a step, which ZenML wraps for the run of a dynamic pipeline."""
    if type(exception).__name__ != "StepExecutionException":
        return exception
    inner = getattr(exception, "original_exception", None) or exception.__cause__
    return _cause(inner) if isinstance(inner, BaseException) else exception


def _post(make: Callable[[RunContext], Alert | None], *, event: str = "") -> None:
    """Make the alert and post it; an error is logged and never fails the step.

    Args:
        make: Makes the alert, or None for no mail.
        event: What the mail tells about; of a step, only its failure concerns the run.

    Raises:
        KeyboardInterrupt: ZenML stopped or interrupted the run. ZenML swallows its own
            exceptions for that when they leave a hook.
    """
    started = time.monotonic()
    try:
        alerters = call_with_timeout(_find_alerters, _PATIENCE)
        if not alerters:
            _logger.warning(
                "No e-mail was sent because the active stack has no alerter. Add one: "
                "zenml stack update -al <ALERTER>"
            )
            return
        patience = max(getattr(alerter, "patience", _PATIENCE) for alerter in alerters)

        def prepare() -> tuple[RunContext, Alert | None]:
            context = current_context().refreshed()
            return context, make(context)

        context, alert = call_with_timeout(prepare, started + patience - time.monotonic())
        if alert is None:
            return
        told = event if context.step is None or event == "failed" else ""
        for alerter in alerters:
            if is_email_alerter(alerter):
                alerter.post_about(context, alert, event=told, explained=True, started=started)
            else:
                alerter.post(_as_text(alert, context))
            started = time.monotonic()
    except CallTimedOut:
        _logger.error("A hook could not send its e-mail: ZenML did not answer in time.")
    except PASS_THROUGH as stop:
        raise KeyboardInterrupt(str(stop)) from stop
    except Exception as error:
        _logger.error("A hook could not send its e-mail: %s", described(error))
        _logger.debug("The hook failed:\n%s", described(error, frames=True))


def _find_alerters() -> list[BaseAlerter]:
    """Return the stack's e-mail alerters, or else its alerter of another flavor."""
    stack = Client().active_stack
    # Before ZenML 0.94.3 a stack had at most one alerter.
    components: list[Any] = list(
        getattr(stack, "all_components", None) or stack.components.values()
    )
    return [item for item in components if is_email_alerter(item)] or list(
        filter(None, [stack.alerter])
    )


def _failure(exception: BaseException, context: RunContext) -> Alert:
    return _alert(
        context,
        "failed",
        "error",
        detail=type(innermost(exception)).__qualname__,
        error=error_text(exception),
        traceback=user_traceback(exception),
    )


def _success(context: RunContext, status: str = "") -> Alert:
    status = status or (context.run_status if context.step is None else "")
    if status in ("stopped", "failed", "cancelled"):
        return _alert(context, status, "warning")
    return _alert(context, "completed", "success")


def _alert(
    context: RunContext, verdict: str, severity: Severity, *, detail: str = "", **values: Any
) -> Alert:
    """Return an alert about the step, or about the run with a summary of its steps."""
    over = verdict != "started"
    summary: dict[str, Any] = {}
    if over and context.step is None:
        from .alerts.run_summary import summarise_run

        summary = summarise_run(context)
    facts: dict[str, Any] = {}
    seconds = context.seconds
    if over and seconds is not None:
        facts["Duration"] = duration(seconds)
    if context.attempt > 1:
        facts["Attempt"] = context.attempt
    if context.parameters:
        facts["Parameters"] = context.parameters
    return Alert(
        **context.heading(verdict, summary.pop("verdict", "") or detail),
        body_format="plain",
        severity=severity,
        facts=facts,
        **summary,
        **values,
    )


def _as_text(alert: Alert, context: RunContext) -> str:
    """Return the alert as text without secrets, for alerters that take nothing else."""
    alert = build_alert(alert, None, context, include_pipeline_info=True)
    return redacted(as_text(alert))
