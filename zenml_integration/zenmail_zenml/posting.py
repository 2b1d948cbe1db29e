"""What a post brings with it, and what its caller learns about the mail."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError
from zenml.alerter.base_alerter import BaseAlerterStepParameters

from zenmail import ConfigurationError, Receipt
from zenmail.address import parse_mailbox, split_valid
from zenmail.clean import clean_line
from zenmail.model import describe_validation

from .settings import Resolved

if TYPE_CHECKING:
    from .alerts.message import SMTPEmailAlerterParameters

__all__ = ["Posted", "as_parameters"]

_logger = logging.getLogger(__name__)


class Posted(NamedTuple):
    """The outcome of a post.

    Attributes:
        receipt: The receipt of the mail.
        subject: Its subject, as the log may show it.
        settings: The settings in force.
        kept: Metadata of the run that keeps a mail which nobody delivered, or nothing.
    """

    receipt: Receipt
    subject: str
    settings: "Resolved"
    kept: Mapping[str, Any]

    def metadata(self) -> dict[str, Any]:
        """Return the delivery as metadata, under ``email-`` and the start of its message ID."""
        receipt = self.receipt
        hidden = {parse_mailbox(item).address for item in self.settings.bcc}

        def seen(outcomes: Mapping[str, str]) -> dict[str, str]:
            return {name: text for name, text in outcomes.items() if name not in hidden}

        return {
            f"email-{receipt.message_id.strip('<>').partition('@')[0][:12]}": {
                "subject": self.subject,
                "message_id": receipt.message_id,
                "transport": receipt.transport,
                "outcome": receipt.outcome,
                "accepted": [name for name in receipt.accepted if name not in hidden],
                "refused": seen(receipt.refused),
                "deferred": seen(receipt.deferred),
                "unknown": seen(receipt.unknown),
                "attempts": receipt.attempts,
                "detail": receipt.detail,
            }
        }

    def report(self) -> bool:
        """Return whether the mail was delivered; if not, log what was lost, and why.

        Raises:
            DeliveryError: It was not delivered and ``on_delivery_failure`` is "raise".
        """
        if self.settings.on_delivery_failure == "raise":
            self.receipt.raise_for_outcome()
        return self.log()

    def log(self) -> bool:
        """Return whether the mail was delivered; if not, log what was lost, and why."""
        receipt = self.receipt
        if receipt.ok:
            for note in receipt.notes:
                _logger.info("E-mail %r: %s", self.subject, note)
            return True
        recipients = self.settings.recipients
        valid, missing = split_valid(recipients)
        lost = [item for item in valid if parse_mailbox(item).address not in receipt.accepted]
        why = clean_line(receipt.describe()).removeprefix(f"{receipt.outcome}; ")
        advice = [receipt.remedy] if receipt.remedy else []
        if receipt.spooled:
            advice.append("Send it later: zenmail outbox flush")
        _logger.error(
            "%s: %r to %s. %s",
            _VERDICTS.get(receipt.outcome, "E-mail lost"),
            self.subject,
            ", ".join([*lost, *missing] or recipients),
            " ".join([f"{why}.", *advice]),
        )
        return False


_VERDICTS = {
    "partial": "E-mail lost for some recipients",
    "unknown": "E-mail possibly lost",
    "spooled": "E-mail not delivered yet, kept in the ledger",
}


def as_parameters(
    params: "BaseAlerterStepParameters | Mapping[str, Any] | None",
) -> "SMTPEmailAlerterParameters | None":
    """Return the parameters of a post, without what only other flavors know.

    Raises:
        ConfigurationError: A parameter is invalid.
    """
    if params is None:
        return None
    from .alerts.message import SMTPEmailAlerterParameters

    if isinstance(params, SMTPEmailAlerterParameters):
        return params
    if not isinstance(params, Mapping):
        known = set(SMTPEmailAlerterParameters.model_fields)
        params = {name: value for name, value in params.model_dump().items() if name in known}
    try:
        return SMTPEmailAlerterParameters(**params)
    except ValidationError as error:
        raise ConfigurationError(
            describe_validation(
                error, known=SMTPEmailAlerterParameters.model_fields, noun="parameter"
            )
        ) from None
