"""Deliveries recorded in the metadata of the step or run that posted them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextvars import copy_context
from typing import Any
from uuid import uuid4

from zenml.client import Client
from zenml.enums import MetadataResourceTypes
from zenml.metadata.metadata_types import get_metadata_type
from zenml.models import (
    PipelineRunResponse,
    RunMetadataRequest,
    RunMetadataResource,
    StepRunResponse,
)

from zenmail import Alert
from zenmail.delivery.background import Background
from zenmail.redaction.redact import described

from .alerts.run_context import RunContext
from .settings import Resolved

__all__ = [
    "UNDELIVERED",
    "evidence_of",
    "keep",
    "record",
    "recording",
    "write_metadata",
]

_logger = logging.getLogger(__name__)
UNDELIVERED = "zenmail-undelivered-"
"""How the names of metadata begin that hold an alert for a watcher to deliver."""
_MAX_KEPT = 20_000
recording = Background(10.0)
"""Writes the records, for which no step waits."""


def record(
    context: RunContext, values: Mapping[str, Any], *, on_run: Mapping[str, Any]
) -> None:
    """Write metadata in a thread, which the process waits for at its end, but not for long.

    A failure is logged at DEBUG and otherwise ignored.

    Args:
        context: The step, or else the run, to write it on.
        values: The metadata by name.
        on_run: What to write on the run even where there is a step.
    """
    run, step = context.run, context.step
    if run is None:
        return

    def write(_: object) -> None:
        try:
            if step is None:
                write_metadata(run, {**on_run, **values})
                return
            if on_run:
                write_metadata(run, on_run)
            write_metadata(step, values)
        except Exception as error:
            _logger.debug("Could not record a delivery: %s", described(error))

    here = copy_context()
    recording.submit(lambda deadline: here.run(write, deadline), lambda: None)


def evidence_of(event: str) -> str:
    """Return the name of the metadata that says that an event of a run has been told."""
    return f"zenmail-told-{event}"


def keep(subject: str, text: str, alert: Alert, settings: Resolved) -> dict[str, Any]:
    """Return an alert as metadata, for a watcher to deliver what nobody else keeps.

    Args:
        subject: Its subject, redacted.
        text: What it says, redacted.
        alert: The alert.
        settings: Who was to get it; hidden recipients are taken from the settings again.
    """
    return {
        f"{UNDELIVERED}{uuid4().hex[:12]}": {
            "alert": {
                "title": subject,
                "body": text[:_MAX_KEPT],
                "body_format": "plain",
                "severity": alert.severity,
                "url": alert.url,
            },
            "to": list(settings.recipient_email),
            "cc": list(settings.cc),
        }
    }


def write_metadata(
    subject: PipelineRunResponse | StepRunResponse, values: Mapping[str, Any]
) -> None:
    """Write metadata on a run or a step, in one request."""
    is_step = isinstance(subject, StepRunResponse)
    kind = MetadataResourceTypes.STEP_RUN if is_step else MetadataResourceTypes.PIPELINE_RUN
    request = RunMetadataRequest(
        project=subject.project_id,
        resources=[RunMetadataResource(id=subject.id, type=kind)],
        values=dict(values),
        types={name: get_metadata_type(value) for name, value in values.items()},
    )
    Client().zen_store.create_run_metadata(request)
