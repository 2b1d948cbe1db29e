"""Mails handed to Amazon SES."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
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
    TemporaryFailure,
    VerifyRequest,
    hookimpl,
)

from .clients import Clients
from .errors import TooManyNames, UnverifiedIdentities, translated
from .options import SESOptions
from .verify import verify

__all__ = ["SESTransport"]

# https://docs.aws.amazon.com/ses/latest/dg/quotas.html: recipients and bytes of a message.
_RECIPIENTS = 50
_BYTES = 40 * 1024 * 1024


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
        envelope, tally = request.envelope, _Tally()
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
        able = [address for address in envelope.recipients if address.isascii()]
        for address in envelope.recipients:
            if not address.isascii():
                tally.refused[address] = (
                    "Amazon SES accepts only ASCII before the @ of an address."
                )
        if able:
            self._send_in_parts(request, able, tally)
        return tally.receipt()

    def _send_in_parts(
        self, request: SendRequest[SESOptions], recipients: Sequence[str], tally: _Tally
    ) -> None:
        # SES has no SMTPUTF8: an address that needs it is shown as text.
        raw = request.email.as_bytes(smtputf8=False)
        for start in range(0, len(recipients), _RECIPIENTS):
            part = list(recipients[start : start + _RECIPIENTS])
            try:
                self._send_part(request, raw, part, tally)
            except DeliveryError as error:
                rest = list(recipients[start + _RECIPIENTS :])
                if not tally.started and (not rest or isinstance(error, PermanentFailure)):
                    raise
                tally.fail(error, part, rest)
                if not isinstance(error, PermanentFailure):
                    return

    def _send_part(
        self,
        request: SendRequest[SESOptions],
        raw: bytes,
        recipients: list[str],
        tally: _Tally,
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
                tally.fail(error, bad, [])
                recipients = [address for address in recipients if address not in bad]
            except TooManyNames:
                nameless = {"Raw": {"Data": _nameless(request.email)}}
                if arguments["Content"] == nameless:
                    raise
                arguments["Content"] = nameless
                tally.nameless = True
            else:
                tally.accepted += recipients
                tally.identifiers.append(str(answer.get("MessageId", "")))
                return

    @hookimpl
    def verify_transport(self, request: VerifyRequest[SESOptions]) -> Iterable[Check]:
        """Ask SES about the account and the sender, without sending."""
        return list(verify(self._clients, request))

    @hookimpl
    def close_transport(self) -> None:
        """Close the connections."""
        self._clients.close()


def _nameless(email: Email) -> bytes:
    """Return the mail with "undisclosed-recipients" in place of To and Cc."""
    hidden = email.replace(to=(), cc=(), bcc=(*email.to, *email.cc, *email.bcc))
    return hidden.as_bytes(smtputf8=False)


@dataclass
class _Tally:
    """What is known of each recipient while the parts of a mail are sent."""

    accepted: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    deferred: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    identifiers: list[str] = field(default_factory=list)
    nameless: bool = False
    failure: DeliveryError | None = None

    @property
    def started(self) -> bool:
        """Whether something is known of any recipient."""
        return bool(self.accepted or self.refused)

    def fail(self, error: DeliveryError, part: Sequence[str], rest: Sequence[str]) -> None:
        """Note a failure that concerns a part, and what was not tried because of it."""
        self.failure = self.failure or error
        if isinstance(error, PermanentFailure):
            self.refused.update(dict.fromkeys(part, error.message))
            return
        known = self.deferred if isinstance(error, TemporaryFailure) else self.unknown
        known.update(dict.fromkeys(part, error.message))
        self.deferred.update(dict.fromkeys(rest, error.message))

    def receipt(self) -> Receipt:
        """Return what is known, for the host."""
        failure, taken, notes = self.failure, "", []
        if self.nameless:
            notes.append(
                "The headers name no recipient, because Amazon SES accepts no more than "
                f"{_RECIPIENTS} names."
            )
        if self.identifiers:
            taken = f"Amazon SES accepted the mail as {', '.join(self.identifiers)}."
            notes.append(f"{taken} It replaced the Message-ID and the Date.")
        return Receipt(
            accepted=tuple(self.accepted),
            refused=self.refused,
            deferred=self.deferred,
            unknown=self.unknown,
            detail=failure.message if failure else taken,
            code=failure.code if failure else "",
            remedy=failure.remedy if failure else "",
            notes=tuple(notes),
        )
