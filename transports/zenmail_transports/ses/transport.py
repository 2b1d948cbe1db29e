"""Mails handed to Amazon SES."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from typing import Any

from zenmail import (
    Check,
    DeliveryError,
    Email,
    MailTooLarge,
    MissingExtra,
    PermanentFailure,
    Receipt,
    SendRequest,
    VerifyRequest,
    hookimpl,
)

from ..tally import Tally
from .clients import Clients
from .errors import TooManyNames, UnverifiedIdentities, translated
from .options import SESOptions
from .verify import verify

__all__ = ["SESTransport"]

# https://docs.aws.amazon.com/ses/latest/dg/quotas.html: recipients and bytes of a message.
_RECIPIENTS = 50
_BYTES = 40 * 1024 * 1024
_NAMELESS = (
    "The headers name no recipient, because Amazon SES accepts no more than "
    f"{_RECIPIENTS} names."
)


class SESTransport:
    """Amazon SES; keeps its clients, and with them their connections."""

    def __init__(self) -> None:
        self._clients = Clients()

    @hookimpl
    def transport_options(self) -> type[SESOptions]:
        """Return the class of the options.

        Raises:
            MissingExtra: boto3 is not installed.
        """
        # Looked for, not imported: that takes a while, and may never be needed.
        if importlib.util.find_spec("boto3") is None:
            raise MissingExtra(
                "Amazon SES needs boto3, which is not installed.",
                transport="ses",
                remedy='Install it: pip install "zenmail[ses]"',
            )
        return SESOptions

    @hookimpl
    def send_email(self, request: SendRequest[SESOptions]) -> Receipt:
        """Send the mail, in as many calls as SES needs for that many recipients.

        Raises:
            PermanentFailure: SES refuses the mail.
            TemporaryFailure: SES cannot be reached, or throttles.
            UnknownOutcome: The answer was lost.
        """
        envelope, tally = request.envelope, Tally()
        if not envelope.sender.isascii():
            raise PermanentFailure(
                f"Amazon SES accepts only ASCII in the sender's address: {envelope.sender}",
                code="smtputf8",
                remedy="Choose another sender, or another transport.",
            )
        if (size := request.email.size()) > _BYTES:
            failure = MailTooLarge(
                f"The mail has {size} bytes; Amazon SES accepts at most {_BYTES}.",
                remedy="Send smaller attachments, or links to them.",
            )
            failure.limit = _BYTES
            raise failure
        able = tally.ascii_only(envelope.recipients, "Amazon SES")
        self._send_in_parts(request, able, tally)
        taken = ""
        if tally.identifiers:
            taken = f"Amazon SES accepted the mail as {', '.join(tally.identifiers)}."
            tally.notes.append(f"{taken} It replaced the Message-ID and the Date.")
        return tally.receipt(taken)

    def _send_in_parts(
        self, request: SendRequest[SESOptions], recipients: Sequence[str], tally: Tally
    ) -> None:
        # SES has no SMTPUTF8: an address that needs it is shown as text.
        raw = request.email.as_bytes(smtputf8=False)
        for start in range(0, len(recipients), _RECIPIENTS):
            part = list(recipients[start : start + _RECIPIENTS])
            try:
                self._send_part(request, raw, part, tally)
            except DeliveryError as error:
                rest = recipients[start + _RECIPIENTS :]
                permanent = isinstance(error, PermanentFailure)
                unknown = not (tally.accepted or tally.refused)
                if unknown and (permanent or not rest):
                    raise
                tally.fail(error, part, () if permanent else rest)
                if not permanent:
                    return

    def _send_part(
        self,
        request: SendRequest[SESOptions],
        raw: bytes,
        recipients: list[str],
        tally: Tally,
    ) -> None:
        options, sender = request.options, request.envelope.sender
        arguments: dict[str, Any] = {
            "Content": {"Raw": {"Data": raw}},
            "FromEmailAddress": sender,
        }
        if options.configuration_set:
            arguments["ConfigurationSetName"] = options.configuration_set
        if options.tags:
            arguments["EmailTags"] = [
                {"Name": name, "Value": value} for name, value in options.tags.items()
            ]
        while recipients:
            try:
                with translated():
                    client = self._clients.get(options, request.deadline)
                    answer = client.send_email(
                        Destination={"ToAddresses": recipients}, **arguments
                    )
            except UnverifiedIdentities as error:
                # In the sandbox one unverified recipient costs the others their mail.
                bad = [address for address in recipients if address in error.identities]
                if sender in error.identities or not bad:
                    raise
                tally.fail(error, bad)
                recipients = [address for address in recipients if address not in bad]
            except TooManyNames:
                nameless = {"Raw": {"Data": _nameless(request.email)}}
                if arguments["Content"] == nameless:
                    raise
                arguments["Content"] = nameless
                tally.notes.append(_NAMELESS)
            else:
                tally.accepted += recipients
                tally.identifiers.append(str(answer.get("MessageId", "")))
                return

    @hookimpl
    def verify_transport(self, request: VerifyRequest[SESOptions]) -> Iterable[Check]:
        """Ask SES about the account and the sender, without sending."""
        return verify(self._clients, request)

    @hookimpl
    def close_transport(self) -> None:
        """Close the connections."""
        self._clients.close()


def _nameless(email: Email) -> bytes:
    """Return the mail with "undisclosed-recipients" in place of To and Cc."""
    hidden = email.replace(to=(), cc=(), bcc=(*email.to, *email.cc, *email.bcc))
    return hidden.as_bytes(smtputf8=False)
