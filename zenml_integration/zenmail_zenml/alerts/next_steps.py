"""What the reader of a failure mail can type or open next."""

from __future__ import annotations

import re
from collections.abc import Mapping
from shlex import quote
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse, StepRunResponse

__all__ = ["find_runbook", "log_command", "rerun_command"]


def log_command(step: StepRunResponse | None) -> tuple[str, ...]:
    """Return where the whole log of a step is."""
    logs = (step.log_collection if step is not None else None) or ()
    uris = [it.uri for it in logs if it.source == "step" and it.uri]
    return tuple(f"Read the whole log: {uri}" for uri in uris[:1])


def rerun_command(run: PipelineRunResponse, snapshot: Any) -> tuple[str, ...]:
    """Return the command that runs a pipeline again, as it was called.

    Args:
        run: The run that failed.
        snapshot: Its snapshot.
    """
    stack = run.stack.name if run.stack is not None else ""
    if snapshot.is_dynamic:
        # It goes on where the run failed.
        return (f"Retry it: zenml pipeline runs retry {run.id}",)
    source = snapshot.pipeline_spec.source if snapshot.pipeline_spec is not None else None
    if source is None:
        return ()
    if run.config.parameters:
        given = ", ".join(f"{key}={value!r}" for key, value in run.config.parameters.items())
        code = f"from {source.module} import {source.attribute} as run; run({given})"
        return (f"Run it again, in the project's folder: python -c {quote(code)}",)
    where = f" --stack {quote(stack)}" if stack else ""
    return (
        f"Run it again, in the project's folder: "
        f"zenml pipeline run {source.import_path}{where}",
    )


def find_runbook(error: str, runbooks: Mapping[str, str]) -> str:
    """Return the address of the first runbook whose pattern the error matches, or "".

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
            return str(address)
    return ""
