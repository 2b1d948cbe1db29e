"""Deliveries recorded in the metadata of the step or run that posted them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from zenml.enums import MetadataResourceTypes
from zenml.metadata.metadata_types import get_metadata_type
from zenml.models import RunMetadataRequest, RunMetadataResource

from zenmail import Receipt
from zenmail.address import parse_mailbox

from .alerts.run_context import PASS_THROUGH, RunContext

if TYPE_CHECKING:
    from uuid import UUID

__all__ = ["evidence_of", "record", "record_on_run"]

_logger = logging.getLogger(__name__)


def record(
    receipt: Receipt,
    subject: str,
    context: RunContext,
    *,
    told: str = "",
    hidden: Collection[str] = (),
) -> None:
    """Record a delivery under ``email-`` and the start of its message ID.

    A failure is logged at DEBUG and otherwise ignored.

    Args:
        receipt: The receipt of the mail.
        subject: Its subject.
        context: The step, or else the run, to record it for.
        told: The event of the run that the mail told, or "".
        hidden: Recipients that nobody is to know of.
    """
    run = context.run
    if run is None:
        return
    try:
        if told:
            record_on_run(run.id, run.project_id, {evidence_of(told): {"by": "hook"}})
        record_on(context, _as_metadata(receipt, subject, hidden))
    except PASS_THROUGH:
        raise
    except Exception as error:
        _logger.debug("Could not record the delivery: %s: %s", type(error).__name__, error)


def record_on(context: RunContext, values: dict[str, Any]) -> None:
    """Write metadata on the step, or else the run, in one request.

    Args:
        context: The step or run.
        values: The metadata by name.
    """
    innermost = context.innermost
    if innermost is None:
        return
    kind = (
        MetadataResourceTypes.STEP_RUN
        if context.step is not None
        else MetadataResourceTypes.PIPELINE_RUN
    )
    _write(RunMetadataResource(id=innermost.id, type=kind), innermost.project_id, values)


def record_on_run(run: UUID, project: UUID, values: dict[str, Any]) -> None:
    """Write metadata on a run, in one request.

    Args:
        run: The run's ID.
        project: Its project's ID.
        values: The metadata by name.
    """
    resource = RunMetadataResource(id=run, type=MetadataResourceTypes.PIPELINE_RUN)
    _write(resource, project, values)


def evidence_of(event: str) -> str:
    """Return the name of the metadata that says that an event of a run has been told."""
    return f"zenmail-told-{event}"


def _write(resource: RunMetadataResource, project: UUID, values: dict[str, Any]) -> None:
    from zenml.client import Client

    request = RunMetadataRequest(
        project=project,
        resources=[resource],
        values=values,
        types={name: get_metadata_type(value) for name, value in values.items()},
    )
    Client().zen_store.create_run_metadata(request)


def _as_metadata(receipt: Receipt, subject: str, hidden: Collection[str]) -> dict[str, Any]:
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
