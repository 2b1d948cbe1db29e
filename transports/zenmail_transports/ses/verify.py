"""The account and the sender checked, without sending."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zenmail import Check, DeliveryError, Envelope, VerifyRequest

from .clients import Clients
from .errors import translated
from .options import SESOptions

__all__ = ["verify"]


def verify(clients: Clients, request: VerifyRequest[SESOptions]) -> Iterator[Check]:
    """Yield what SES says of the account, and of the sender if there is one."""
    try:
        with translated():
            client = clients.get(request.options, request.deadline)
            account = client.get_account()
    except DeliveryError as error:
        if error.code != "ses-permission":
            yield Check.failed("account", error)
            yield Check("sender", "skipped", "The account could not be read.")
            return
        yield Check("account", "skipped", "The policy does not allow ses:GetAccount.")
    else:
        yield _account(account)
    if request.envelope is None:
        yield Check("sender", "skipped", "No sender was given.")
        return
    yield _sender(clients, request, request.envelope)


def _account(account: Mapping[str, Any]) -> Check:
    quota = account.get("SendQuota", {})
    detail = (
        f"{quota.get('SentLast24Hours', 0):.0f} of {quota.get('Max24HourSend', 0):.0f} "
        f"recipients in the last 24 hours, {quota.get('MaxSendRate', 0):.0f} a second at most"
    )
    if not account.get("SendingEnabled", True):
        remedy = "Turn sending on again in the SES console."
        return Check("account", "failed", f"Sending is paused; {detail}.", remedy)
    if not account.get("ProductionAccessEnabled", True):
        detail = f"In the sandbox: only verified recipients get mail; {detail}"
    return Check("account", "passed", f"{detail}.")


def _sender(clients: Clients, request: VerifyRequest[SESOptions], envelope: Envelope) -> Check:
    """Check the sender's address and, where SES does not know that, its domain."""
    for identity in (envelope.sender, envelope.sender.rpartition("@")[2]):
        try:
            with translated():
                client = clients.get(request.options, request.deadline)
                found = client.get_email_identity(EmailIdentity=identity)
        except DeliveryError as error:
            if error.code == "ses-not-found":
                continue
            if error.code == "ses-permission":
                detail = "The policy does not allow ses:GetEmailIdentity."
                return Check("sender", "skipped", detail)
            return Check.failed("sender", error)
        if found.get("VerifiedForSendingStatus"):
            return Check("sender", "passed", f"{identity} is verified.")
    return Check(
        "sender",
        "failed",
        f"Neither {envelope.sender} nor its domain is verified in this region.",
        "Verify one of them in the SES console.",
    )
