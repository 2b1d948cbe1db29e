"""Deliveries recorded in the metadata of the step or run that posted them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from contextvars import copy_context
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from zenml.enums import MetadataResourceTypes
from zenml.metadata.metadata_types import get_metadata_type
from zenml.models import RunMetadataRequest, RunMetadataResource

from zenmail import Receipt
from zenmail.address import parse_mailbox
from zenmail.delivery.background import Background
from zenmail.redaction.redact import described

from .alerts.run_context import RunContext

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse, StepRunResponse

    from zenmail import Alert

    from .settings import Resolved

__all__ = [
    "UNDELIVERED",
    "as_metadata",
    "evidence_of",
    "keep",
    "record",
    "record_on_run",
    "recording",
]

_logger = logging.getLogger(__name__)
UNDELIVERED = "zenmail-undelivered-"
"""How the names of metadata begin that hold an alert for a watcher to deliver."""
_MAX_KEPT = 20_000
recording = Background(10.0)
"""Writes the records, for which no step waits."""


def record(
    context: RunContext, values: dict[str, Any], *, on_run: Mapping[str, Any] | None = None
) -> None:
    """Write metadata in a thread, which the process waits for at its end, but not for long.

    A failure is logged at DEBUG and otherwise ignored.

    Args:
        context: The step, or else the run, to write it on.
        values: The metadata by name.
        on_run: What to write on the run even where there is a step.
    """
    run = context.run
    if run is None:
        return
    if context.step is None:
        values = {**(on_run or {}), **values}

    def write(_: object) -> None:
        try:
            if on_run and context.step is not None:
                record_on_run(run, dict(on_run))
            record_on(context, values)
        except Exception as error:
            _logger.debug("Could not record a delivery: %s", described(error))

    here = copy_context()
    recording.submit(lambda deadline: here.run(write, deadline), lambda: None)


def record_on(context: RunContext, values: dict[str, Any]) -> None:
    """Write metadata on the step, or else the run, in one request."""
    if context.step is not None:
        _write(MetadataResourceTypes.STEP_RUN, context.step, values)
    elif context.run is not None:
        _write(MetadataResourceTypes.PIPELINE_RUN, context.run, values)


def record_on_run(run: PipelineRunResponse, values: dict[str, Any]) -> None:
    """Write metadata on a run, in one request."""
    _write(MetadataResourceTypes.PIPELINE_RUN, run, values)


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


def _write(
    kind: MetadataResourceTypes,
    subject: PipelineRunResponse | StepRunResponse,
    values: dict[str, Any],
) -> None:
    from zenml.client import Client

    request = RunMetadataRequest(
        project=subject.project_id,
        resources=[RunMetadataResource(id=subject.id, type=kind)],
        values=values,
        types={name: get_metadata_type(value) for name, value in values.items()},
    )
    Client().zen_store.create_run_metadata(request)


def as_metadata(receipt: Receipt, subject: str, hidden: Collection[str]) -> dict[str, Any]:
    """Return a delivery as metadata, under ``email-`` and the start of its message ID.

    Args:
        receipt: The receipt of the mail.
        subject: Its subject.
        hidden: Recipients that nobody is to know of.
    """
    unseen = {parse_mailbox(item).address for item in hidden}

    def seen(outcomes: Mapping[str, str]) -> dict[str, str]:
        return {name: text for name, text in outcomes.items() if name not in unseen}

    return {
        f"email-{receipt.message_id.strip('<>').partition('@')[0][:12]}": {
            "subject": subject,
            "message_id": receipt.message_id,
            "transport": receipt.transport,
            "outcome": receipt.outcome,
            "accepted": [name for name in receipt.accepted if name not in unseen],
            "refused": seen(receipt.refused),
            "deferred": seen(receipt.deferred),
            "unknown": seen(receipt.unknown),
            "attempts": receipt.attempts,
            "detail": receipt.detail,
        }
    }
