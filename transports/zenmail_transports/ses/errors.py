"""What botocore raises and SES answers, as errors of ours."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from zenmail import (
    DeliveryError,
    MailTooLarge,
    PermanentFailure,
    TemporaryFailure,
    UnknownOutcome,
)
from zenmail.clean import clean_line
from zenmail.patterns import pattern

__all__ = ["TooManyNames", "UnverifiedIdentities", "translated"]


class TooManyNames(PermanentFailure):
    """SES counts the names in the headers, too, and finds too many."""


class UnverifiedIdentities(PermanentFailure):
    """SES is in its sandbox and names the identities that it does not know.

    Attributes:
        identities: Addresses and domains.
    """

    default_code = "ses-rejected"
    identities: frozenset[str] = frozenset()


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn whatever botocore raises into an error of ours."""
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        failure = _answered(error.response)
        # What SES says of a signature quotes the request, with the session token in it.
        raise failure from (None if failure.code == "ses-credentials" else error)
    except ResponseParserError as error:
        raise _lost("its answer is invalid") from error
    except HTTPClientError as error:
        # botocore wraps whatever a signal handler raises meanwhile, too.
        cause = error.__context__
        if type(error) is HTTPClientError and cause and not isinstance(cause, OSError):
            raise cause from None
        raise _lost(_reason(error)) from error
    except BotoCoreError as error:
        raise _unsent(error) from error
    except ValueError as error:
        # What botocore raises for an endpoint that is not an address.
        raise PermanentFailure(
            f"Amazon SES cannot be called: {_reason(error)}",
            code="ses-configuration",
            remedy="Check `region` and `endpoint_url`.",
        ) from error


def _lost(reason: str) -> UnknownOutcome:
    return UnknownOutcome(
        f"The mail was sent to Amazon SES, and the answer was lost: {reason}",
        code="ses-answer-lost",
        remedy="Check with the recipients, or in the SES console, before you send it again.",
    )


# BotoCoreError by name: the classes differ between the versions of botocore.
_UNSENT = {
    "NoRegionError": ("ses-region", "Set `region`, or the environment variable AWS_REGION."),
    "InvalidRegionError": ("ses-region", "Correct `region`."),
    "NoCredentialsError": (
        "ses-credentials",
        "Set `access_key_id` and `secret_access_key`, or `profile`, or use a role.",
    ),
    "PartialCredentialsError": (
        "ses-credentials",
        "Set both `access_key_id` and `secret_access_key`.",
    ),
    "ProfileNotFound": (
        "ses-credentials",
        "Correct `profile`, or create it: aws configure --profile NAME",
    ),
    "SSLError": ("ses-tls", "Check AWS_CA_BUNDLE, and proxies that inspect TLS."),
    "ParamValidationError": (
        "ses-request",
        "Check `configuration_set` and `tags`; the error names what AWS does not accept.",
    ),
}
_UNREACHED = {
    "EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError", "ConnectionError",
}  # fmt: skip
# What OpenSSL says while the connection is made; later the mail may be on its way.
_HANDSHAKE = pattern("certificate|handshake|wrong version|unsupported protocol|alert", re.I)


def _unsent(error: Exception) -> DeliveryError:
    name, reason = type(error).__name__, _reason(error)
    if name in _UNREACHED:
        return TemporaryFailure(
            f"Amazon SES cannot be reached: {reason}",
            code="ses-unreachable",
            remedy="Check `region`, `endpoint_url`, proxies and firewalls.",
        )
    if name == "SSLError" and not _HANDSHAKE.search(reason):
        return _lost(reason)
    unknown = "Check the credentials on this machine: aws sts get-caller-identity"
    code, remedy = _UNSENT.get(name, ("ses-credentials", unknown))
    return PermanentFailure(f"Amazon SES cannot be called: {reason}", code=code, remedy=remedy)


_CREDENTIALS = (
    "ses-credentials",
    "Check `access_key_id`, `secret_access_key`, `session_token` and the machine's clock.",
)
_PERMISSION = (
    "ses-permission",
    "Allow ses:SendEmail and ses:SendRawEmail for the sender in the IAM policy.",
)
# https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html and
# https://docs.aws.amazon.com/ses/latest/APIReference-V2/CommonErrors.html
_ANSWERS = {
    "MailFromDomainNotVerifiedException": (
        "ses-mail-from",
        "Verify the custom MAIL FROM domain in the SES console, or remove it.",
    ),
    "MessageRejected": (
        "ses-rejected",
        "Verify the sender, and in the sandbox each recipient, in this region's SES console.",
    ),
    "AccountSuspendedException": ("ses-suspended", "Contact AWS support about the account."),
    "SendingPausedException": (
        "ses-paused",
        "Turn sending on again in the SES console, for the account or the configuration set.",
    ),
    "LimitExceededException": ("ses-limit", "Ask AWS for higher limits, or send less."),
    "NotFoundException": (
        "ses-not-found",
        "Check that `configuration_set` and the sender exist in this region.",
    ),
    "AccessDeniedException": _PERMISSION,
    "AccessDenied": _PERMISSION,
    "OptInRequired": ("ses-credentials", "Enable SES for this account and region."),
}
_UNTRUSTED = pattern("UnrecognizedClient|Token|Signature|Expired")
_THROTTLED = pattern("TooManyRequests|Throttl|RequestLimitExceeded|SlowDown")
_TOO_LONG = pattern(r"length is more than (\d+) bytes")
_TOO_MANY = pattern("too many recipients|recipient count exceeds", re.I)
_UNKNOWN_IDENTITIES = pattern(r"identities failed the check in region [\w-]+: (.+)")


def _answered(response: Mapping[str, Any]) -> DeliveryError:
    name = str(response.get("Error", {}).get("Code", ""))
    text = clean_line(str(response.get("Error", {}).get("Message", "")), limit=500)
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    said = f"Amazon SES says {name or status}: {text}".rstrip(": ")
    if _THROTTLED.search(name) or status == 429:
        return TemporaryFailure(
            said,
            code="ses-throttled",
            remedy="Wait, send less, or ask AWS for a higher sending rate or daily quota.",
        )
    if status >= 500:
        return TemporaryFailure(
            said, code="ses-server", remedy="Try again later: SES is having problems."
        )
    if match := _TOO_LONG.search(text):
        failure = MailTooLarge(said, remedy="Send smaller attachments, or links to them.")
        failure.limit = int(match[1])
        return failure
    if _TOO_MANY.search(text):
        return TooManyNames(said, code="ses-rejected", remedy="Name fewer recipients.")
    code, remedy = _ANSWERS.get(
        name, ("ses-refused", "Look up the error in the SES API reference.")
    )
    if _UNTRUSTED.search(name):
        code, remedy = _CREDENTIALS
    if code == "ses-credentials":
        return PermanentFailure(f"Amazon SES says {name}.", code=code, remedy=remedy)
    if name == "MessageRejected" and (match := _UNKNOWN_IDENTITIES.search(text)):
        unverified = UnverifiedIdentities(said, remedy=remedy)
        unverified.identities = frozenset(re.split(r",\s*", match[1].rstrip(". ")))
        return unverified
    return PermanentFailure(said, code=code, remedy=remedy)


def _reason(error: Exception) -> str:
    return clean_line(str(error), limit=300)
