"""Why it failed, as far as ZenML knows: read inside one time box."""

from __future__ import annotations

import contextlib
import json
import logging
import platform
import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any

from zenml.client import Client
from zenml.models import PipelineRunResponse, StepRunResponse
from zenml.stack import Stack

from zenmail import Alert
from zenmail.clean import clean_line
from zenmail.redaction.own_secrets import remember_secrets
from zenmail.runtime.timeouts import CallTimedOut, call_with_timeout

from .causes import rank
from .change import Change
from .changes import compare, read_run, read_steps
from .history import History, count_good_runs, has_failed, read_history
from .log_tail import read_log_tail
from .next_steps import follow_runbook, log_command, log_uri, rerun_command
from .origin import commit_page, origin_facts
from .run_context import RunContext, read_or_default, steps_of
from .tracebacks import last_line

__all__ = ["Explanation", "explain_alert", "explain_failure", "explain_success"]

_MAX_CHANGES = 8
_MAX_METRICS = 20
_MAX_RUNS = 5
_MAX_NAMES = 10

# Untyped, because most defaults here are empty.
_try: Callable[[Callable[[], Any], Any], Any] = read_or_default
_silent: ContextVar[bool] = ContextVar("zenmail_silent", default=False)


@dataclass
class Explanation:
    """What was found out in time; everything else is empty.

    Attributes:
        history: Whether it is new, in a line.
        repeated: What the subject says of a repeated failure, such as "6th run in a row".
        incident: The ID of the incident's first failed run, or "".
        changes: What changed since the last good run, likely causes first.
        changed: The names of the failed step's parameters that changed.
        log: The last lines of the step's log.
        facts: Who started it, where it ran, what never ran, where the same error occurred.
        links: The page of the commit, by label.
        next_steps: What to type.
        command: The shell command that shows the step's log, or "".
        metrics: Metrics that the step logged, by name.
        baseline: The last good run's.
    """

    history: str = ""
    repeated: str = ""
    incident: str = ""
    changes: tuple[Change, ...] = ()
    changed: tuple[str, ...] = ()
    log: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    next_steps: tuple[str, ...] = ()
    command: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    baseline: dict[str, float] = field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        """Return what it adds to an alert, by the names of the alert's fields."""
        fields: dict[str, Any] = {name: value for name, value in vars(self).items() if value}
        fields.pop("repeated", None)
        if changes := fields.pop("changes", ()):
            # In one column, since a phone has no room for another.
            rows = [
                {"What": it.what, "Before → after": f"{it.before or '-'} → {it.after or '-'}"}
                for it in changes[:_MAX_CHANGES]
            ]
            fields["tables"] = {"What changed since the last good run": rows}
        return fields


def explain_alert(
    alert: Alert, context: RunContext, *, seconds: float, runbooks: Mapping[str, str]
) -> Alert:
    """Return an alert about a failed or completed step or run with its cause.

    Args:
        alert: The alert; one about something that neither failed nor completed stays as it is.
        context: The step or run.
        seconds: How long it may take.
        runbooks: Regular expression to the address of a page about such errors.
    """
    run, client = context.run, Client()
    # Seen from outside, a run that goes on has no cause yet.
    pending = context.stack and context.run_status not in ("failed", "completed", "cached")
    if run is None or not seconds or pending or alert.severity not in ("success", "error"):
        return alert
    if alert.severity == "success":
        found = explain_success(run, context.step, client, seconds=seconds)
    else:
        found = explain_failure(
            run,
            context.step,
            client,
            seconds=seconds,
            error=alert.error,
            traceback=alert.traceback,
            runbooks=runbooks,
            find_stack=lambda: (
                Stack.from_model(run.stack)
                if context.stack and run.stack
                else client.active_stack
            ),
        )
        if context.step is not None:
            found.facts["Host"] = platform.node()  # the hook runs where the step ran
    values = found.fields()
    if found.repeated:
        values["subject"] = f"{alert.subject or alert.title} ({found.repeated})"
    elif found.history and alert.severity == "success":
        values |= context.heading("recovered")
    for name in ("facts", "links", "tables", "metrics", "baseline"):
        values[name] = {**values.get(name, {}), **getattr(alert, name)}
    values["facts"] = {**alert.facts, **values["facts"]}
    values["next_steps"] = (*values.get("next_steps", ()), *alert.next_steps)
    # A field that nobody set is left to what ZenML knows of the run, such as its page.
    given = {name: getattr(alert, name) for name in alert.model_fields_set}
    return Alert(**{**given, **{name: value for name, value in values.items() if value}})


def explain_failure(
    run: PipelineRunResponse,
    step: StepRunResponse | None,
    client: Client,
    *,
    seconds: float,
    error: str = "",
    traceback: str = "",
    runbooks: Mapping[str, str] | None = None,
    find_stack: Callable[[], Stack] | None = None,
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
        find_stack: Returns the stack, for the log; without it, the log is left out.
    """
    found = Explanation(next_steps=follow_runbook(error, runbooks or {}))

    def tell_history() -> History:
        history = read_history(run, client)
        found.history, found.incident = history.of_failure(), history.incident
        found.repeated = f"{history.ordinal} run in a row" if history.incident else ""
        return history

    def look() -> None:
        asked_history = _ask(tell_history, History())
        # It decides the subject and the conversation: on a busy machine, it goes first.
        wait([asked_history], timeout=seconds / 8)
        asked_steps = _ask(lambda: read_steps(run, client), {})
        asked_whole = _ask(lambda: read_run(run, client), run)
        asked_secrets = _ask(lambda: client.list_secrets(size=500).items, [])
        asked_snapshot = _ask(lambda: client.get_snapshot(run.snapshot.id), None)  # type: ignore[union-attr]
        steps: dict[str, StepRunResponse] = asked_steps.result()
        failed = step or next((it for it in steps.values() if has_failed(it)), None)
        name = failed.name if failed is not None else ""
        report = traceback or (_traceback(steps[name]) if name in steps else "")
        reason = error or last_line(report)
        if not error:
            found.next_steps = follow_runbook(reason, runbooks or {})
        current = steps.get(name, failed)
        _try(lambda: _know_secrets(current, client), None)
        if current is not None and (ask := find_stack) is not None:
            tail = _try(lambda: read_log_tail(current, ask(), traceback=report), ())
            found.log = "\n".join(tail)
        log = _try(lambda: log_uri(current), "")
        found.command = log_command(log)
        snapshot = asked_snapshot.result()
        if snapshot is not None:
            found.next_steps += _try(lambda: rerun_command(run, snapshot), ())
            over = step is None
            found.facts |= _try(lambda: _never_ran(snapshot, steps, name, over=over), {})
        # Without a dashboard, the command stands where its link would.
        if log and (RunContext(run).url or not found.command):
            shown = f"`{found.command}`" if found.command else log
            found.next_steps += (f"Read the whole log: {shown}",)

        history = asked_history.result()
        asked_exact = _ask(lambda: count_good_runs(history, run, client), history)
        good = history.last_good
        asked_good = _ask(lambda: read_run(good, client), good) if good else None
        asked_good_steps = _ask(lambda: read_steps(good, client), {}) if good else None
        asked_before = _ask(lambda: _failed_before(history, run, client), [])

        whole = asked_whole.result()
        found.facts |= _try(lambda: origin_facts(whole), {})
        found.links |= _try(lambda: commit_page(whole), {})
        if asked_good is not None and asked_good_steps is not None and steps:
            runs = whole, asked_good.result(), steps, asked_good_steps.result()
            secrets = asked_secrets.result()
            changes: list[Change] = _try(lambda: compare(*runs, secrets, client), [])
            found.changes = tuple(
                rank(changes, failed=name, error=reason, traceback=report, steps=steps)
            )
            found.changed = tuple(
                it.name for it in changes if it.kind == "parameter" and name in it.steps
            )
        found.history = asked_exact.result().of_failure()
        before = asked_before.result()
        places = _same_error(name, reason, steps, history, before)
        if places:
            found.facts["Same error"] = f"also in {', '.join(places)}"
        if reason and found.incident and before and not any("run " in it for it in places):
            found.history += " This error is new."

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
        seconds: How long it may take; see `explain_failure`.
    """
    found = Explanation()

    def look() -> None:
        asked: Future[Any] = _ask(
            lambda: client.get_run_step(step.id) if step else client.get_pipeline_run(run.id),
            None,
        )
        history = read_history(run, client)
        if step is None or step.name in {
            it.name for it in _failed_before(history, run, client, latest=1)
        }:
            found.history = history.of_success(run, step=step.name if step else "")
            found.incident = history.incident
        current = asked.result()
        found.metrics = _numbers(current.run_metadata) if current is not None else {}
        good: Any = history.last_good
        if good is None or not found.metrics:
            return
        if step is not None:
            good = next(iter(steps_of(good, client, name=step.name, size=1)), None)
        if good is not None:
            found.baseline = _numbers(good.run_metadata)

    _in_time(look, seconds)
    return found


def _know_secrets(step: StepRunResponse | None, client: Client) -> None:
    """Keep the ZenML secrets that the step was given out of the mail, wherever it says them."""
    for name in step.config.secrets if step is not None else ():
        remember_secrets(client.get_secret(name).secret_values)


def _ask(read: Callable[[], Any], default: Any) -> Future[Any]:
    """Read in a thread of its own, which nobody waits for at the end of the process."""
    future: Future[Any] = Future()
    context = copy_context()

    def answer() -> None:
        try:
            future.set_result(context.run(_try, read, default))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=answer, name="zenmail-explain", daemon=True).start()
    return future


def _in_time(look: Callable[[], None], seconds: float) -> None:
    """Call it without a word in the log, and go on when the time is over."""
    loggers = (logging.getLogger(), *map(logging.getLogger, ("zenml", "urllib3", "sqlalchemy")))
    for handler in (handler for logger in loggers for handler in logger.handlers):
        # It stays: what asks may go on after the mail.
        handler.addFilter(_is_wanted)

    def quietly() -> None:
        _silent.set(True)
        _try(look, None)

    with contextlib.suppress(CallTimedOut):
        call_with_timeout(quietly, seconds)


def _is_wanted(_: logging.LogRecord) -> bool:
    return not _silent.get()


def _traceback(step: StepRunResponse) -> str:
    return step.exception_info.traceback if step.exception_info is not None else ""


def _failed_before(
    history: History, run: PipelineRunResponse, client: Client, *, latest: int = _MAX_RUNS
) -> list[StepRunResponse]:
    """Return the failed steps of the latest failed runs."""
    if not history.failed:
        return []
    runs = [str(it.id) for it in history.failed[:latest]]
    which = f"oneof:{json.dumps(runs)}"
    return steps_of(run, client, pipeline_run_id=which, status="failed", size=20)


def _same_error(
    name: str,
    error: str,
    steps: Mapping[str, StepRunResponse],
    history: History,
    before: list[StepRunResponse],
) -> list[str]:
    """Return the other steps, and the last failed runs, that failed in the same way."""
    wanted = _fingerprint(error)

    def same(step: StepRunResponse) -> bool:
        # What has no error is like nothing else.
        return wanted == _fingerprint(last_line(_traceback(step))) != "" and has_failed(step)

    ids = {it.pipeline_run_id for it in before if same(it)}
    runs = [it.name for it in history.failed if it.id in ids]
    more = f" and {len(runs) - 1} before it" if runs[1:] else ""
    return [
        *(f"step {it.name}" for it in steps.values() if it.name != name and same(it)),
        *(f"run {name}{more}" for name in runs[:1]),
    ]


def _fingerprint(error: str) -> str:
    """Return an error's first line without what differs each time: numbers and addresses."""
    first = clean_line(error.partition("\n")[0], limit=300)
    return re.sub(r"0x[0-9a-f]+|\d+", "#", first)


def _never_ran(
    snapshot: Any, steps: Mapping[str, StepRunResponse], failed: str, *, over: bool
) -> dict[str, str]:
    """Return the steps that did not run; before the run is over, those after the failed one."""
    missing: list[str] = []
    for name, step in snapshot.step_configurations.items():
        if name not in steps and (over or {failed, *missing} & set(step.spec.upstream_steps)):
            missing.append(name)
    more = f" and {len(missing) - _MAX_NAMES} more" if len(missing) > _MAX_NAMES else ""
    return {"Never ran": ", ".join(missing[:_MAX_NAMES]) + more} if missing else {}


def _numbers(metadata: Mapping[str, Any]) -> dict[str, float]:
    numbers = {
        name: value
        for name, value in metadata.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return dict(list(numbers.items())[:_MAX_METRICS])
