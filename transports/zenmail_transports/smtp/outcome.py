"""The outcome of a mail for each recipient."""

from __future__ import annotations

from zenmail import DeliveryError, Envelope, PermanentFailure, Receipt, UnknownOutcome

from .advice import NO_UNICODE, advise, quota_used_up
from .replies import Reply

__all__ = ["Outcome"]


class Outcome:
    """The outcome for each recipient, of one transaction or of several.

    Attributes:
        accepted: Recipients whose mail the server took.
        refused: Recipients refused permanently, and why.
        deferred: Recipients that may be taken later, and why.
        unknown: Recipients that may have the mail or not, and why.
        final: The server's last answer to the mail, or None when it was not sent.
    """

    def __init__(self) -> None:
        self.accepted: list[str] = []
        self.refused: dict[str, Reply | str] = {}
        self.deferred: dict[str, Reply | str] = {}
        self.unknown: dict[str, str] = {}
        self.final: Reply | None = None

    @property
    def known(self) -> bool:
        """Whether anything has become of anybody."""
        return bool(self.accepted or self.refused or self.deferred or self.unknown)

    def fail(self, envelope: Envelope, error: DeliveryError) -> None:
        """Record that a later transaction failed, for the remaining recipients."""
        if isinstance(error, UnknownOutcome):
            self.unknown.update(dict.fromkeys(envelope.recipients, error.message))
        elif isinstance(error, PermanentFailure) and error.code != "quota":
            self.refused.update(dict.fromkeys(envelope.recipients, error.message))
        else:
            self.deferred.update(dict.fromkeys(envelope.recipients, error.message))

    def add(self, other: Outcome) -> None:
        """Take over the outcome for other recipients."""
        self.accepted += other.accepted
        self.refused.update(other.refused)
        self.deferred.update(other.deferred)
        self.unknown.update(other.unknown)
        self.final = other.final or self.final

    def receipt(self, *, anonymous: bool) -> Receipt:
        """Return the whole as a receipt.

        Args:
            anonymous: Whether nobody is logged in, which servers may mind.
        """
        detail = str(self.final) if self.final is not None else ""
        refused, deferred = dict(self.refused), dict(self.deferred)
        if not (refused or deferred or self.unknown):
            return Receipt(accepted=self.accepted, detail=detail)
        code = remedy = ""
        if refused or deferred:
            code = "recipient-refused" if refused else "recipient-deferred"
        replies = [
            item for item in (*refused.values(), *deferred.values()) if isinstance(item, Reply)
        ]
        about_us = [reply for reply in replies if quota_used_up(reply)]
        if about_us:
            code = "quota"
            # Nothing is wrong with these recipients, whatever the reply's first digit is.
            for address, why in self.refused.items():
                if why in about_us:
                    deferred[address] = refused.pop(address)
        for reply in (*about_us, *replies)[:1]:
            remedy = advise(reply, "recipient", anonymous=anonymous)
        if not replies and any("SMTPUTF8" in str(why) for why in refused.values()):
            remedy = NO_UNICODE
        return Receipt(
            accepted=self.accepted,
            refused={address: str(why) for address, why in refused.items()},
            deferred={address: str(why) for address, why in deferred.items()},
            unknown=self.unknown,
            detail=detail,
            code=code,
            remedy=remedy,
        )
