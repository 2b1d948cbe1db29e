"""Why it failed, as far as ZenML knows: read inside one time box."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zenmail import Alert
from zenmail.clean import clean_line
from zenmail.runtime.timeouts import CallTimedOut, call_with_timeout

from .changes import Change, compare, rank, read_steps
from .history import History, read_history
from .log_tail import read_log_tail
from .next_steps import commands, find_runbook
from .run_context import RunContext, read_or_default

if TYPE_CHECKING:
    from zenml.client import Client
    from zenml.models import PipelineRunResponse, StepRunResponse
    from zenml.stack import Stack

__all__ = ["Explanation", "explain_alert", "explain_failure", "explain_success"]

_MAX_CHANGES = 8
_MAX_METRICS = 20


@dataclass
class Explanation:
    """What was found out in time; everything else is empty.

    Attributes:
        history: Whether it is new, in a line.
        repeated: What the subject says of a repeated failure, such as "6th run in a row".
        incident: The id of the incident's first failed run, or "".
        changes: What changed since the last good run, likely causes first.
        log: The last lines of the step's log.
        same_error: Where the same error occurred, too.
        next_steps: What to type.
        metrics: Metrics that the step logged, by name.
        baseline: The last good run's.
    """

    history: str = ""
    repeated: str = ""
    incident: str = ""
    changes: tuple[Change, ...] = ()
    log: tuple[str, ...] = ()
    same_error: str = ""
    next_steps: tuple[str, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    baseline: dict[str, float] = field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        """Return what it adds to an alert, by the names of the alert's fields."""
        tables: dict[str, Any] = {}
        if self.changes:
            shown = self.changes[:_MAX_CHANGES]
            tables["What changed since the last good run"] = [
                {"What": it.what, "Before": it.before, "After": it.after} for it in shown
            ]
        if self.log:
            tables["Last lines of the log"] = [{"Log": line} for line in self.log]
        facts = {"Same error": self.same_error} if self.same_error else {}
        values = {
            "tables": tables,
            "facts": facts,
            "next_steps": self.next_steps,
            "metrics": self.metrics,
            "baseline": self.baseline,
            "incident": self.incident,
        }
        return {name: value for name, value in values.items() if value}


def explain_alert(
    alert: Alert, context: RunContext, *, seconds: float, runbooks: Mapping[str, str]
) -> Alert:
    """Return a hook's alert with what ZenML knows about its cause.

    Args:
        alert: The alert; one about something that neither failed nor completed stays as it is.
        context: The step or run.
        seconds: How long it may take.
        runbooks: Regular expression to the address of a page about such errors.
    """
    from zenml.client import Client

    run, client = context.run, Client()
    if run is None or not seconds or alert.severity not in ("success", "error"):
        return alert
    if alert.severity == "success":
        return _with(alert, explain_success(run, context.step, client, seconds=seconds))
    found = explain_failure(
        run,
        context.step,
        client,
        seconds=seconds,
        error=alert.error,
        traceback=alert.traceback,
        runbooks=runbooks,
        stack=client.active_stack,
    )
    return _with(alert, found)


def _with(alert: Alert, found: Explanation) -> Alert:
    values = found.fields()
    if found.repeated:
        values["subject"] = f"{alert.subject or alert.title} ({found.repeated})"
    if found.history:
        values["body"] = f"{found.history}\n\n{alert.body}".strip()
    values["facts"] = {**alert.facts, **values.get("facts", {})}
    # A field that nobody set is left to what ZenML knows of the run, such as its page.
    given = {name: getattr(alert, name) for name in alert.model_fields_set}
    return Alert(**{**given, **values})


def explain_failure(
    run: PipelineRunResponse,
    step: StepRunResponse | None,
    client: Client,
    *,
    seconds: float,
    error: str = "",
    traceback: str = "",
    runbooks: Mapping[str, str] | None = None,
    stack: Stack | None = None,
) -> Explanation:
    """Return what ZenML knows about a failure.

    Args:
        run: The run that failed.
        step: The step that failed, or None to look for it.
        client: ZenML's client.
        seconds: How long it may take. What is not known by then is left out.
        error: The exception's type and message, or "" to take the step's.
        traceback: Its traceback, or "" to take the step's.
        runbooks: Regular expression to the address of a page about such errors.
        stack: The stack, for the log; without it, the log is left out.
    """
    found = Explanation()
    found.next_steps = _runbook(error, runbooks)

    def look() -> None:
        history = _try(lambda: read_history(run, client), History())
        if history.last_good is not None or history.last_failed is not None or run.index == 1:
            found.history = history.of_failure()
        if history.failed_in_a_row and history.first_failed is not None:
            found.repeated = f"{history.ordinal} run in a row"
            found.incident = str(history.first_failed.id)
        none: dict[str, StepRunResponse] = {}
        steps = _try(lambda: read_steps(run, client), none)
        failed = step or next((it for it in steps.values() if _failed(it)), None)
        name = failed.name if failed is not None else ""
        reason = error or _try(lambda: _error(steps[name]), "")
        report = traceback or _try(lambda: _traceback(steps[name]), "")
        if not error:
            found.next_steps = _runbook(reason, runbooks)
        good = history.last_good
        if good is not None and steps:

            def differences() -> tuple[Change, ...]:
                good_steps = read_steps(good, client)
                changes = compare(run, good, steps, good_steps, client)
                return tuple(rank(changes, failed=name, error=reason, traceback=report))

            found.changes = _try(differences, ())
        if failed is not None and stack is not None:
            current, where = steps.get(name, failed), stack
            found.log = _try(lambda: read_log_tail(current, where), ())
        found.next_steps += _try(lambda: commands(run, steps.get(name, step), client), ())
        found.same_error = _try(lambda: _same_error(name, reason, steps, history, client), "")

    _in_time(look, seconds)
    return found


def explain_success(
    run: PipelineRunResponse, step: StepRunResponse | None, client: Client, *, seconds: float
) -> Explanation:
    """Return a success's metrics beside the last good run's, and whether it is a recovery.

    Args:
        run: The run.
        step: The step that completed, or None for the whole run.
        client: ZenML's client.
        seconds: How long it may take. What is not known by then is left out.
    """
    found = Explanation()

    def look() -> None:
        current = (
            client.get_run_step(step.id)
            if step is not None
            else client.get_pipeline_run(run.id)
        )
        found.metrics = _numbers(current.run_metadata)
        history = read_history(run, client)
        if step is None:
            found.history = history.of_success(run)
            if found.history and history.first_failed is not None:
                found.incident = str(history.first_failed.id)
        if history.last_good is None or not found.metrics:
            return
        good: Any = history.last_good
        if step is not None:
            page = client.list_run_steps(
                pipeline_run_id=good.id, name=step.name, size=1, hydrate=True
            )
            good = page.items[0] if page.items else None
        if good is not None:
            found.baseline = _numbers(good.run_metadata)

    _in_time(look, seconds)
    return found


def _in_time(look: Callable[[], None], seconds: float) -> None:
    """Call it without a word in the log, and go on when the time is over."""

    def quietly() -> None:
        with _silent_thread():
            _try(look, None)

    with contextlib.suppress(CallTimedOut):
        call_with_timeout(quietly, seconds)


@contextlib.contextmanager
def _silent_thread() -> Iterator[None]:
    """Keep what this thread logs from every handler: it may go on after the mail."""
    thread = threading.get_ident()

    def from_others(record: logging.LogRecord) -> bool:
        return record.thread != thread

    loggers = (logging.getLogger(), *map(logging.getLogger, ("zenml", "urllib3", "sqlalchemy")))
    handlers = [handler for logger in loggers for handler in logger.handlers]
    for handler in handlers:
        handler.addFilter(from_others)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(from_others)


def _try(read: Callable[[], Any], default: Any) -> Any:
    return read_or_default(read, default)


def _failed(step: StepRunResponse) -> bool:
    return str(step.status.value) == "failed"


def _same_error(
    name: str,
    error: str,
    steps: Mapping[str, StepRunResponse],
    history: History,
    client: Client,
) -> str:
    """Return the other steps, and the last failed run, that failed in the same way."""
    wanted = _fingerprint(error)
    places = [
        f"step {step.name}"
        for step in steps.values()
        if step.name != name and _failed(step) and _fingerprint(_error(step)) == wanted
    ]
    if history.last_failed is not None:
        page = client.list_run_steps(
            pipeline_run_id=history.last_failed.id, status="failed", size=20, hydrate=True
        )
        if any(_fingerprint(_error(step)) == wanted for step in page.items):
            places.append(f"run {history.last_failed.name}")
    return f"also in {', '.join(places)}" if places else ""


def _runbook(error: str, runbooks: Mapping[str, str] | None) -> tuple[str, ...]:
    address = find_runbook(error, runbooks or {})
    return (f"Follow the runbook: {address}",) if address else ()


def _traceback(step: StepRunResponse) -> str:
    return step.exception_info.traceback if step.exception_info is not None else ""


def _error(step: StepRunResponse) -> str:
    return _traceback(step).strip().rsplit("\n", 1)[-1]


def _fingerprint(error: str) -> str:
    """Return an error's first line without what differs each time: numbers and addresses."""
    first = clean_line(error.partition("\n")[0], limit=300)
    return re.sub(r"0x[0-9a-f]+|\d+", "#", first)


def _numbers(metadata: Mapping[str, Any]) -> dict[str, float]:
    numbers = {
        name: value
        for name, value in metadata.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return dict(list(numbers.items())[:_MAX_METRICS])
