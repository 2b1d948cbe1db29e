"""A mail under way."""

from typing import TYPE_CHECKING, Literal, NamedTuple

from ..deadline import Deadline
from ..email import Email, Envelope
from ..retry import DeliveryPolicy

if TYPE_CHECKING:
    from ..ledger.claim import Claim

__all__ = ["Delivery", "Origin"]

Origin = Literal["send", "digest", "overdue", "flush"]


class Delivery(NamedTuple):
    """A mail under way.

    Attributes:
        email: The mail.
        envelope: Who it is from, and who has still to get it.
        deadline: When its delivery has to end.
        policy: What to do when the answer is lost.
        origin: Whether it was just sent, is a digest of the run that this process reports on,
            is an overdue digest of any run, or comes out of the outbox.
        claim: Its entry in the outbox, if it has one.
        spooled: Name of its entry if it was left to the outbox, or "".
        trouble: Why it has no entry although it should, or "".
        proven: Whether the transports have just delivered another mail.
    """

    email: Email
    envelope: Envelope
    deadline: Deadline
    policy: DeliveryPolicy
    origin: Origin = "send"
    claim: "Claim | None" = None
    spooled: str = ""
    trouble: str = ""
    proven: bool = False
