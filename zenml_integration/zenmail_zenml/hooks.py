"""Hooks that mail what happened: for steps, and for the runs of dynamic pipelines.

```python
@step(on_failure=smtp_email_alerter_failure_hook)
def train() -> None: ...
```

As a hook of a dynamic pipeline (ZenML 0.95.0 and newer) each mails a summary of the run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Optional

from zenmail import Alert
from zenmail.clean import clean_line
from zenmail.composing.values import duration

from .alerter import SMTPEmailAlerter
from .alerts.run_context import PASS_THROUGH, Surroundings, read, surroundings
from .alerts.run_summary import summary
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
    """Mail that a step, or a dynamic pipeline's run, failed, and why.

    Args:
        exception: What ended it.
    """
    _post(lambda place: _failure(exception, place))


def smtp_email_alerter_success_hook() -> None:
    """Mail that a step, or a dynamic pipeline's run, is completed."""
    _post(_success)


def smtp_email_alerter_start_hook() -> None:
    """Mail that a step, or a dynamic pipeline's run, has begun."""
    _post(_start)


def smtp_email_alerter_end_hook(exception: Optional[BaseException] = None) -> None:  # noqa: UP045
    """Mail how a step, or a dynamic pipeline's run, has ended.

    Where the success or the failure hook, set beside this one, says the same, nothing is
    mailed.

    Args:
        exception: What ended it, or None.
    """

    def ended(place: Surroundings) -> Alert | None:
        if _said_by_another_hook(exception, place):
            return None
        return _success(place) if exception is None else _failure(exception, place)

    _post(ended)


def _said_by_another_hook(exception: BaseException | None, place: Surroundings) -> bool:
    if exception is not None:
        kind, twin = "failure_hook_source", smtp_email_alerter_failure_hook.__name__
    elif place.step is not None or _status(place) == "completed":
        kind, twin = "success_hook_source", smtp_email_alerter_success_hook.__name__
    else:
        return False
    held = place.step or place.run
    if held is None:
        return False
    source = read(lambda: getattr(held.config, kind, None), None)
    return source is not None and source.attribute == twin


def _post(make: Callable[[Surroundings], Alert | None]) -> None:
    """Make the alert and post it; nothing that goes wrong is the step's concern.

    Raises:
        KeyboardInterrupt: ZenML stopped or interrupted the run. Its own exceptions for that
            would end here: ZenML catches whatever ordinary exception leaves a hook.
    """
    try:
        alerter = _find_alerter()
        if alerter is None:
            _logger.warning(
                "No e-mail was sent: the active stack has no alerter. Add one: "
                "zenml stack update -al <ALERTER>"
            )
            return
        alert = make(surroundings().refreshed())
        if alert is None:
            return
        if isinstance(alerter, SMTPEmailAlerter):
            alerter.post(alert)
        else:
            alerter.post(_as_text(alert))
    except PASS_THROUGH as stop:
        raise KeyboardInterrupt(str(stop)) from stop
    except Exception as error:
        _logger.error("The e-mail of a hook was not sent: %s: %s", type(error).__name__, error)
        _logger.debug("The hook's own trouble:", exc_info=True)


def _find_alerter() -> BaseAlerter | None:
    """Return the stack's e-mail alerter, or else the alerter it has."""
    from zenml.client import Client
    from zenml.enums import StackComponentType

    stack = Client().active_stack
    # A stack has had several alerters since ZenML 0.94.3 only.
    everybody: list[Any] = list(
        getattr(stack, "all_components", None) or stack.components.values()
    )
    for component in everybody:
        if component.type == StackComponentType.ALERTER and isinstance(
            component, SMTPEmailAlerter
        ):
            return component
    return stack.alerter


def _failure(exception: BaseException, place: Surroundings) -> Alert:
    error = error_line(exception)
    values = summary(place) if place.step is None else {}
    return Alert(
        title=f"{_what(place)} failed: {clean_line(error, limit=120)}",
        body=values.pop("body", ""),
        body_format="plain",
        severity="error",
        error=error,
        traceback=user_traceback(exception),
        **_details(place),
        **values,
    )


def _success(place: Surroundings) -> Alert:
    values = summary(place) if place.step is None else {}
    status = _status(place) if place.step is None else ""
    ended = status if status in ("stopped", "failed", "cancelled") else "completed"
    seconds = place.seconds
    took = f"It took {duration(seconds)}." if seconds is not None else ""
    return Alert(
        title=f"{_what(place)} {ended}",
        body=values.pop("body", "") or took,
        body_format="plain",
        severity="success" if ended == "completed" else "warning",
        **_details(place),
        **values,
    )


def _status(place: Surroundings) -> str:
    """Return the run's status, or ""."""
    run = place.run
    return read(lambda: str(run.status.value), "") if run is not None else ""


def _start(place: Surroundings) -> Alert:
    return Alert(
        title=f"{_what(place)} started",
        body_format="plain",
        **_details(place, timed=False),
    )


def _what(place: Surroundings) -> str:
    """Return what the mail is about: the same words each time, so that mails line up."""
    pipeline = place.pipeline_name
    if place.step is not None:
        return f"Step {place.step_name}" + (f" of pipeline {pipeline}" if pipeline else "")
    return f"Pipeline {pipeline}" if pipeline else "Pipeline"


def _details(place: Surroundings, *, timed: bool = True) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    seconds = place.seconds
    if timed and seconds is not None:
        facts["Duration"] = duration(seconds)
    if place.parameters:
        facts["Parameters"] = place.parameters
    return {"facts": facts}


def _as_text(alert: Alert) -> str:
    """Return the alert for an alerter that knows nothing but text."""
    facts = "\n".join(f"{label}: {value}" for label, value in alert.facts.items())
    parts = (alert.title, alert.body, facts, alert.traceback, alert.url)
    return "\n\n".join(part for part in parts if part)
