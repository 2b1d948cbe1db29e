"""Middleware for zenmail that links the runbook for an error in the mail about it.

ZENMAIL_RUNBOOKS names a JSON file: {"MemoryError": "https://wiki.example.com/memory"}.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from zenmail import Alert, Email, Receipt, hookimpl

_logger = logging.getLogger(__name__)


@hookimpl
def before_render(alert: Alert) -> Alert | None:
    """Link the runbook for the alert's error, if there is one."""
    path = os.environ.get("ZENMAIL_RUNBOOKS")
    if not path or not alert.error:
        return None
    runbooks: dict[str, str] = json.loads(Path(path).read_text(encoding="utf-8"))
    url = runbooks.get(alert.error.partition(":")[0])
    return alert.replace(links={**alert.links, "Runbook": url}) if url else None


@hookimpl
def after_send(receipt: Receipt, email: Email) -> None:
    """Count on the log for who was told."""
    _logger.info("%s: %s", receipt.outcome, email.subject)
