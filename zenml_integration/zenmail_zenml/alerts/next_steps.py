"""What the reader of a failure mail can type or open next."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zenml.client import Client
    from zenml.models import PipelineRunResponse, StepRunResponse

__all__ = ["commands", "find_runbook"]


def commands(
    run: PipelineRunResponse, step: StepRunResponse | None, client: Client
) -> tuple[str, ...]:
    """Return the commands that show the log and run the pipeline again.

    Args:
        run: The run that failed.
        step: The step that failed, if one did.
        client: ZenML's client; asked once, for the pipeline's source.
    """
    found: list[str] = []
    logs = (step.log_collection if step is not None else None) or ()
    uri = next((it.uri for it in logs if it.source == "step" and it.uri), None)
    if uri is not None:
        found.append(f"Read the whole log: {uri}")
    if run.snapshot is not None:
        snapshot = client.get_snapshot(run.snapshot.id)
        spec = snapshot.pipeline_spec
        if spec is not None and spec.source is not None:
            found.append(f"Run it again: zenml pipeline run {spec.source.import_path}")
    return tuple(found)


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
