"""Deliveries recorded in the metadata of the step or run that posted them."""

from __future__ import annotations

import logging
from typing import Any

from zenmail import Receipt

from .alerts.run_context import PASS_THROUGH, RunContext

__all__ = ["record"]

_logger = logging.getLogger(__name__)


def record(receipt: Receipt, subject: str, context: RunContext) -> None:
    """Record a delivery under ``email-`` and the start of its message ID.

    A failure is logged at DEBUG and otherwise ignored.

    Args:
        receipt: The receipt of the mail.
        subject: Its subject.
        context: The step, or else the run, to record it for.
    """
    if context.run is None:
        return
    try:
        from zenml.utils.metadata_utils import log_metadata

        metadata: dict[str, Any] = {
            f"email-{receipt.message_id.strip('<>').partition('@')[0][:12]}": {
                "subject": subject,
                "message_id": receipt.message_id,
                "transport": receipt.transport,
                "outcome": receipt.outcome,
                "accepted": list(receipt.accepted),
                "refused": receipt.refused,
                "deferred": receipt.deferred,
                "unknown": receipt.unknown,
                "attempts": receipt.attempts,
                "detail": receipt.detail,
            }
        }
        if context.step is not None:
            log_metadata(metadata=metadata, step_id=context.step.id)
        else:
            log_metadata(metadata=metadata, run_id_name_or_prefix=context.run.id)
    except PASS_THROUGH:
        raise
    except Exception as error:
        _logger.debug("Could not record the delivery: %s: %s", type(error).__name__, error)
