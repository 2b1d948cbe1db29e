"""What Microsoft Graph answers, and what happens on the way, as errors of ours."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from zenmail import (
    DeliveryError,
    MailTooLarge,
    PermanentFailure,
    TemporaryFailure,
    UnknownOutcome,
)
from zenmail.clean import clean_line
from zenmail.patterns import pattern

if TYPE_CHECKING:
    from requests import Response

__all__ = ["InvalidRecipients", "TokenRefused", "answer_error", "connection_error"]


class InvalidRecipients(PermanentFailure):
    """Graph finds a recipient that is not valid, and gives the mail to nobody."""

    default_code = "graph-recipient"


class TokenRefused(PermanentFailure):
    """Graph does not take the access token."""

    default_code = "graph-token"


_PERMISSION = (
    "graph-permission",
    "Give the application the permission Mail.Send of Microsoft Graph, with an "
    "administrator's consent, and let its access policy, or RBAC for Applications, include "
    "this mailbox.",
)
_SENDER = (
    "graph-sender",
    "Use the mailbox's own address as the sender, or grant the mailbox Send As.",
)
_MAILBOX = (
    "graph-mailbox",
    "Check the sender, or `mailbox`: it must have a mailbox in Exchange Online.",
)
# https://learn.microsoft.com/en-us/graph/errors and, for what Exchange adds,
# https://learn.microsoft.com/en-us/exchange/client-developer/web-service-reference/responsecode
_ANSWERS = {
    "ErrorSendAsDenied": _SENDER,
    "ErrorSendOnBehalfOfDenied": _SENDER,
    "ErrorInvalidUser": _MAILBOX,
    "ErrorNonExistentMailbox": _MAILBOX,
    "MailboxNotEnabledForRESTAPI": _MAILBOX,
    "MailboxNotSupportedForRESTAPI": _MAILBOX,
    "Request_ResourceNotFound": _MAILBOX,
    "ResourceNotFound": _MAILBOX,
}
_BY_STATUS = {403: _PERMISSION, 404: _MAILBOX}
_QUOTA = pattern("SubmissionQuota|QuotaExceeded|ExceededMessageLimit", re.I)
# What OpenSSL says while the connection is made; it may also be lost in the mail.
_HANDSHAKE = pattern("certificate|handshake|wrong.version|unsupported.protocol", re.I)
_TOO_LARGE = pattern("MessageSizeExceeded|maximum request length", re.I)


def answer_error(answer: Response) -> DeliveryError:
    """Return the error for an answer other than ``202 Accepted``."""
    status = answer.status_code
    name, text = _read(answer)
    said = f"Microsoft Graph says {' '.join(filter(None, (str(status), name)))}: {text}"
    said = said.rstrip(": ")
    if _QUOTA.search(f"{name} {text}"):
        remedy = "Wait until the limit resets, or make room in the sender's mailbox."
        return _later(said, answer, code="quota", remedy=remedy)
    if status == 429:
        remedy = "Send less, or send through more mailboxes: a mailbox may send 30 a minute."
        return _later(said, answer, code="graph-throttled", remedy=remedy)
    if status == 504 or status < 300:
        # A gateway that gave up on Exchange; or an answer that the API does not have.
        return _lost(said)
    if status == 408 or status >= 500:
        remedy = "Try again later: Microsoft Graph is having problems."
        return _later(said, answer, code="graph-server", remedy=remedy)
    if status == 413 or _TOO_LARGE.search(f"{name} {text}"):
        return MailTooLarge(said, remedy="Send smaller attachments, or links to them.")
    if status == 401:
        return TokenRefused(
            said, remedy="Check `oauth_options`: Microsoft Graph does not accept the token."
        )
    if name == "ErrorInvalidRecipients":
        return InvalidRecipients(said, remedy="Correct the recipient's address.")
    code, remedy = _ANSWERS.get(name) or _BY_STATUS.get(
        status, ("graph-refused", "Look up the error in Microsoft Graph's reference.")
    )
    return PermanentFailure(said, code=code, remedy=remedy)


def connection_error(error: Exception, *, unsent: bool) -> DeliveryError:
    """Return the error for a request that got no answer.

    Args:
        error: What requests raised.
        unsent: Whether some of the request never left, so that nothing can have been taken.
    """
    from requests.exceptions import ConnectionError as Unreachable
    from requests.exceptions import SSLError, Timeout

    reason = clean_line(str(error), limit=300)
    if not unsent:
        return _lost(f"The mail was sent to Microsoft Graph, and the answer was lost: {reason}")
    if isinstance(error, SSLError) and _HANDSHAKE.search(reason):
        return PermanentFailure(
            f"The TLS connection to Microsoft Graph failed: {reason}",
            code="graph-tls",
            remedy="Check REQUESTS_CA_BUNDLE, and proxies that inspect TLS.",
        )
    if isinstance(error, Unreachable | Timeout):
        return TemporaryFailure(
            f"Microsoft Graph cannot be reached: {reason}",
            code="graph-unreachable",
            remedy="Check `endpoint`, proxies and firewalls.",
        )
    return PermanentFailure(
        f"Microsoft Graph cannot be called: {reason}",
        code="graph-refused",
        remedy="Check `endpoint` and the proxy's address.",
    )


def _lost(message: str) -> UnknownOutcome:
    return UnknownOutcome(
        message,
        code="graph-answer-lost",
        remedy="Check the mailbox's Sent Items before you send it again.",
    )


def _read(answer: Response) -> tuple[str, str]:
    """Return code and message of ``{"error": {"code": ..., "message": ...}}``."""
    try:
        body = answer.json()
    except ValueError:
        return "", ""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return "", ""
    name, text = str(error.get("code", "")), str(error.get("message", ""))
    return clean_line(name, limit=100), clean_line(text, limit=500)


def _later(said: str, answer: Response, *, code: str, remedy: str) -> TemporaryFailure:
    """Return a failure that says how long to wait: seconds, or a date (RFC 9110, 10.2.3)."""
    failure = TemporaryFailure(said, code=code, remedy=remedy)
    given = answer.headers.get("Retry-After", "").strip()
    if given.isdecimal():
        failure.retry_after = float(given[:9])
    elif given:
        try:
            until = parsedate_to_datetime(given)
        except ValueError:
            return failure
        left = until.astimezone(timezone.utc) - datetime.now(timezone.utc)
        failure.retry_after = max(0.0, left.total_seconds())
    return failure
