"""The account and the sender checked, without sending."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from zenmail import Check, DeliveryError, Envelope, VerifyRequest

from .clients import Clients
from .errors import translated
from .options import SESOptions

__all__ = ["verify"]


def verify(clients: Clients, request: VerifyRequest[SESOptions]) -> Iterator[Check]:
    """Yield what SES says of the account, and of the sender if there is one."""
    started = time.monotonic()
    try:
        with translated():
            client = clients.get(request.options, request.deadline)
            account = client.get_account()
    except DeliveryError as error:
        seconds = time.monotonic() - started
        if error.code != "ses-permission":
            yield Check("account", "failed", error.message, error.remedy, seconds, error.code)
            yield Check("sender", "skipped", "The account could not be read.")
            return
        yield Check("account", "skipped", "The policy does not allow ses:GetAccount.")
    else:
        yield _account(account, time.monotonic() - started)
    if request.envelope is None:
        yield Check("sender", "skipped", "No sender was given.")
        return
    yield _sender(clients, request, request.envelope)


def _account(account: Mapping[str, Any], seconds: float) -> Check:
    quota = account.get("SendQuota", {})
    detail = (
        f"{quota.get('SentLast24Hours', 0):.0f} of {quota.get('Max24HourSend', 0):.0f} "
        f"recipients in the last 24 hours, {quota.get('MaxSendRate', 0):.0f} a second at most"
    )
    if not account.get("SendingEnabled", True):
        remedy = "Turn sending on again in the SES console."
        return Check("account", "failed", f"Sending is paused; {detail}.", remedy, seconds)
    if not account.get("ProductionAccessEnabled", True):
        detail = f"In the sandbox: only verified recipients get mail; {detail}"
    return Check("account", "passed", f"{detail}.", seconds=seconds)


def _sender(clients: Clients, request: VerifyRequest[SESOptions], envelope: Envelope) -> Check:
    """Check the sender's address and, where SES does not know that, its domain."""
    started = time.monotonic()
    for identity in (envelope.sender, envelope.sender.rpartition("@")[2]):
        try:
            with translated():
                client = clients.get(request.options, request.deadline)
                found = client.get_email_identity(EmailIdentity=identity)
        except DeliveryError as error:
            if error.code == "ses-not-found":
                continue
            seconds = time.monotonic() - started
            if error.code == "ses-permission":
                detail = "The policy does not allow ses:GetEmailIdentity."
                return Check("sender", "skipped", detail, seconds=seconds)
            return Check("sender", "failed", error.message, error.remedy, seconds, error.code)
        if found.get("VerifiedForSendingStatus"):
            seconds = time.monotonic() - started
            return Check("sender", "passed", f"{identity} is verified.", seconds=seconds)
    return Check(
        "sender",
        "failed",
        f"Neither {envelope.sender} nor its domain is verified in this region.",
        "Verify one of them in the SES console.",
        time.monotonic() - started,
    )
