"""A custom transport: appends each mail to a file, as a line of JSON.

    pip install ./examples/third_party_transport
    zenml alerter register jsonl_alerter --flavor=smtp_email --transport=jsonl \
        --transport_options='{"file": "mails.jsonl"}' \
        --sender_email=alerts@example.com --recipient_email=team@example.com

These two functions are all there is to a transport. Retry, deadline, failover, redirect,
redaction and the outbox are zenmail's own.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import Field

from zenmail import Receipt, SendRequest, TransportOptions, hookimpl


class JsonlOptions(TransportOptions):
    """Options of the transport."""

    file: Path = Field(description="File to append to.")


@hookimpl
def transport_options() -> type[JsonlOptions]:
    """Return the class of the options."""
    return JsonlOptions


@hookimpl
def send_email(request: SendRequest[JsonlOptions]) -> Receipt:
    """Append the mail; whatever goes wrong counts as temporary."""
    line = {
        "from": request.envelope.sender,
        "to": request.envelope.recipients,
        "subject": request.email.subject,
        "text": request.email.text,
    }
    with request.options.file.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    return Receipt(accepted=request.envelope.recipients)
