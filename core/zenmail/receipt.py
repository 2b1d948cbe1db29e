"""The outcome of a mail."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from .errors import DeliveryError, PermanentFailure, TemporaryFailure, UnknownOutcome
from .model import Model

__all__ = ["Outcome", "Receipt"]

Outcome = Literal[
    "delivered", "partial", "refused", "deferred", "unknown", "spooled", "skipped", "queued"
]


class Receipt(Model):
    """The outcome of a mail, for each recipient.

    A transport fills in ``accepted``, ``refused`` and ``deferred`` (and ``detail``
    and ``notes`` if it has something to say); the host fills in the rest.

    Attributes:
        accepted: Addresses whose mail the next server accepted.
        refused: Address to reason, for those permanently rejected.
        deferred: Address to reason, for those that may be accepted later.
        unknown: Address to reason, for those who may have received the mail.
        outcome: ``delivered`` to all; ``partial``: to some; ``refused``: permanently;
            ``deferred``: not within the deadline; ``unknown``: the mail was sent, but the
            server never confirmed it; ``spooled``: kept in the ledger; ``skipped``:
            a dry run, or held back for a digest; ``queued``: the background delivery
            has it.
        detail: One sentence: the server's answer, or what went wrong.
        code: Stable code of the error behind the outcome, or "".
        remedy: What to do about it, or "".
        attempts: How often a transport was called.
        message_id: The mail's Message-ID, with its angle brackets.
        transport: Name of the transport that was called last.
        notes: What else the reader should know, one sentence each.
        spooled: Name of the mail in the outbox, or "".
        seconds: How long the delivery took.
    """

    accepted: tuple[str, ...] = ()
    refused: dict[str, str] = Field(default_factory=dict)
    deferred: dict[str, str] = Field(default_factory=dict)
    unknown: dict[str, str] = Field(default_factory=dict)
    outcome: Outcome = "delivered"
    detail: str = ""
    code: str = ""
    remedy: str = ""
    attempts: int = 0
    message_id: str = ""
    transport: str = ""
    notes: tuple[str, ...] = ()
    spooled: str = ""
    seconds: float = 0.0

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            accepted: Iterable[str] = (),
            refused: Mapping[str, str] = ...,
            deferred: Mapping[str, str] = ...,
            unknown: Mapping[str, str] = ...,
            outcome: Outcome = "delivered",
            detail: str = "",
            code: str = "",
            remedy: str = "",
            attempts: int = 0,
            message_id: str = "",
            transport: str = "",
            notes: Iterable[str] = (),
            spooled: str = "",
            seconds: float = 0.0,
        ) -> None: ...

    @property
    def delivered(self) -> bool:
        """Whether the mail was accepted for every recipient."""
        return self.outcome == "delivered"

    @property
    def ok(self) -> bool:
        """Whether the mail was delivered, left to a worker, or skipped on purpose."""
        left_to_a_worker = self.outcome == "spooled" and not self.deferred
        return left_to_a_worker or self.outcome in ("delivered", "skipped", "queued")

    def raise_for_outcome(self) -> "Receipt":
        """Raise unless the receipt is ``ok``.

        Returns:
            The receipt itself.

        Raises:
            PermanentFailure: The mail, or a recipient, was rejected.
            TemporaryFailure: The mail, or a recipient, was deferred.
            UnknownOutcome: The mail was sent, but the server never confirmed it.
        """
        if self.ok:
            return self
        error = self._error_type()(
            f"{self.describe()}.",
            code=self.code or None,
            transport=self.transport,
            remedy=self.remedy,
        )
        error.receipt = self
        raise error

    def _error_type(self) -> type[DeliveryError]:
        if self.outcome == "unknown":
            return UnknownOutcome
        if self.outcome == "refused":
            return PermanentFailure
        if self.outcome == "partial":
            if self.refused:
                return PermanentFailure
            if self.unknown and not self.deferred:
                return UnknownOutcome
        return TemporaryFailure

    def describe(self) -> str:
        """Return one line that says what happened to whom, without a full stop."""
        words: list[str] = [self.outcome]
        if self.detail:
            words.append(self.detail)
        reasons = {**self.refused, **self.deferred, **self.unknown}
        words += [f"{address}: {why}" for address, why in reasons.items() if why != self.detail]
        return "; ".join(word.rstrip(".") for word in words)
