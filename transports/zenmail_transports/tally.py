"""What is known of each recipient while the parts of a mail are sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from zenmail import DeliveryError, PermanentFailure, Receipt, TemporaryFailure

__all__ = ["Tally"]


@dataclass
class Tally:
    """Recipients by outcome, the provider's ids, and the first failure."""

    accepted: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    deferred: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    identifiers: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failure: DeliveryError | None = None

    def ascii_only(self, recipients: Iterable[str], provider: str) -> list[str]:
        """Return the recipients whose address is ASCII; the others are refused."""
        able = [address for address in recipients if address.isascii()]
        why = f"{provider} accepts only ASCII before the @ of a recipient's address."
        self.refused.update({it: why for it in recipients if not it.isascii()})
        return able

    def fail(
        self, error: DeliveryError, part: Collection[str], rest: Collection[str] = ()
    ) -> None:
        """Note a failure that concerns a part, and what was not tried because of it."""
        self.failure = self.failure or error
        untried = self.refused if isinstance(error, PermanentFailure) else self.deferred
        known = isinstance(error, PermanentFailure | TemporaryFailure)
        (untried if known else self.unknown).update(dict.fromkeys(part, error.message))
        untried.update(dict.fromkeys(rest, error.message))

    def receipt(self, taken: str) -> Receipt:
        """Return what is known, for the host, with what the provider said last."""
        failure = self.failure
        return Receipt(
            accepted=tuple(self.accepted),
            refused=self.refused,
            deferred=self.deferred,
            unknown=self.unknown,
            detail=failure.message if failure else taken,
            code=failure.code if failure else "",
            remedy=failure.remedy if failure else "",
            notes=tuple(self.notes),
        )
