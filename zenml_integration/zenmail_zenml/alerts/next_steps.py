"""What the reader of a failure mail can type or open next."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from shlex import quote
from typing import Any

from zenml.models import PipelineRunResponse, StepRunResponse

from zenmail.redaction.names import secrecy_of

__all__ = ["follow_runbook", "log_command", "log_uri", "rerun_command"]


def log_uri(step: StepRunResponse | PipelineRunResponse | None) -> str:
    """Return where the whole log of a step or run is, or ""."""
    logs = (step.log_collection if step is not None else None) or ()
    return next((it.uri for it in logs if it.source in ("step", "orchestrator") and it.uri), "")


def log_command(uri: str) -> str:
    """Return the command that shows a log, or "" if it is on no disk."""
    if not uri or "://" in uri:
        return ""
    return f"cat {quote(uri)}{'' if uri.endswith('.log') else '/*'}"


def rerun_command(run: PipelineRunResponse, snapshot: Any) -> tuple[str, ...]:
    """Return the command that runs a pipeline again, as it was called."""
    if snapshot.is_dynamic:
        # It goes on where the run failed.
        return (f"Retry it: `zenml pipeline runs retry {run.id}`",)
    source = snapshot.pipeline_spec.source if snapshot.pipeline_spec is not None else None
    if source is None:
        return ()
    command = f"zenml pipeline run {source.import_path}"
    if run.stack is not None:
        command += f" --stack {quote(run.stack.name)}"
    parameters = {
        name: f"<{name}>" if secrecy_of(name) else value
        for name, value in (run.config.parameters or {}).items()
    }
    if parameters:
        given = quote(json.dumps({"parameters": parameters}, default=str))
        command = f"echo {given} > rerun.yaml && {command} -c rerun.yaml"
    return (f"Run it again, in the project's folder: `{command}`",)


def follow_runbook(error: str, runbooks: Mapping[str, str]) -> tuple[str, ...]:
    """Return what to do by the first runbook whose pattern the error matches.

    Args:
        error: The exception's type and message.
        runbooks: Regular expression to address. What is none is looked for as it is.
    """
    for pattern, address in runbooks.items():
        try:
            found = re.search(pattern, error[:2000])
        except re.error:
            found = re.search(re.escape(pattern), error[:2000])
        if found:
            return (f"Follow the runbook: {address}",)
    return ()
