"""What was mailed, written into the metadata of the step or run it came from."""

from __future__ import annotations

import logging
from typing import Any

from zenmail import Receipt

from .alerts.run_context import PASS_THROUGH, Surroundings

__all__ = ["record"]

_logger = logging.getLogger(__name__)


def record(receipt: Receipt, subject: str, place: Surroundings) -> None:
    """Write down what became of a mail, under ``email-`` and the start of its message id.

    Trouble is logged for those who debug and is nobody else's.

    Args:
        receipt: What became of the mail.
        subject: What it was about.
        place: The step, or else the run, whose metadata it goes to.
    """
    if place.run is None:
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
        if place.step is not None:
            log_metadata(metadata=metadata, step_id=place.step.id)
        else:
            log_metadata(metadata=metadata, run_id_name_or_prefix=place.run.id)
    except PASS_THROUGH:
        raise
    except Exception as error:
        _logger.debug("ZenML takes no metadata: %s: %s", type(error).__name__, error)
