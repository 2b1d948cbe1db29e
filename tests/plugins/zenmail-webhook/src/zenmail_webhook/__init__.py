"""A transport for zenmail that posts each mail to a URL."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from http.client import HTTPException

from pydantic import Field, SecretStr

from zenmail import (
    PermanentFailure,
    Receipt,
    SendRequest,
    TemporaryFailure,
    TransportOptions,
    UnknownOutcome,
    hookimpl,
)


class WebhookOptions(TransportOptions):
    """Options of the webhook transport."""

    url: str = Field(description="URL to post mails to.")
    token: SecretStr = Field(description="Bearer token.")


@hookimpl
def transport_options() -> type[WebhookOptions]:
    """Return the class of the options."""
    return WebhookOptions


@hookimpl
def send_email(request: SendRequest[WebhookOptions]) -> Receipt:
    """Post the mail, and read who was refused from the answer."""
    mail = {
        "sender": request.envelope.sender,
        "recipients": request.envelope.recipients,
        "mail": base64.b64encode(request.email.as_bytes()).decode("ascii"),
    }
    call = urllib.request.Request(
        request.options.url,
        data=json.dumps(mail).encode("utf-8"),
        headers={
            "Authorization": f"Bearer {request.options.token.get_secret_value()}",
            "Content-Type": "application/json",
        },
    )
    seconds = request.deadline.timeout("before the mail was posted")
    try:
        with urllib.request.urlopen(call, timeout=seconds) as answer:
            refused: dict[str, str] = json.load(answer).get("refused", {})
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 429 or error.code >= 500:
                raise TemporaryFailure(f"The webhook says {error.code}.") from None
            raise PermanentFailure(
                f"The webhook says {error.code}.", remedy="Check the options url and token."
            ) from None
    except urllib.error.URLError as error:
        raise TemporaryFailure(f"The webhook cannot be reached: {error.reason}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise UnknownOutcome(f"The webhook's answer was lost: {type(error).__name__}") from None
    accepted = tuple(name for name in request.envelope.recipients if name not in refused)
    return Receipt(accepted=accepted, refused=refused)
