"""The outbox's side of a send: mails noted down, kept, and taken out again."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..deadline import Deadline
from ..errors import LedgerError
from ..receipt import Receipt
from .attempts import Attempts
from .delivery import Delivery
from .secrecy import Secrecy

if TYPE_CHECKING:
    from ..ledger.outbox import Claim, Outbox, OutboxState

__all__ = ["Spooler"]

_logger = logging.getLogger(__name__)
_FLUSHED_IN_PASSING = 20
_MOST_FLUSHED = 1_000_000
# How often the sends of one process look for waiting mails, in seconds.
_INTERVAL = 1.0


class Spooler:
    """Keeps in an outbox what has not been delivered, if there is an outbox.

    Args:
        outbox: The outbox, or None.
        secrecy: What keeps secrets out of notes and logs.
    """

    def __init__(self, outbox: Outbox | None, secrecy: Secrecy) -> None:
        self._outbox = outbox
        self._secrecy = secrecy
        self._next_look = 0.0

    def note_down(self, delivery: Delivery, *, waits: bool) -> Delivery:
        """Enter a mail in the outbox, so that the death of this process does not lose it.

        Args:
            delivery: The mail.
            waits: Whether other mails come first.
        """
        if self._outbox is None:
            return delivery
        try:
            claim = self._outbox.begin(
                delivery.email,
                delivery.envelope,
                delivery.policy,
                delivery.deadline.remaining(),
                waits=waits,
            )
        except LedgerError as error:
            trouble = f"The mail was not noted down: {error.message}"
            _logger.warning("%s", trouble)
            return replace(delivery, trouble=trouble)
        return replace(delivery, claim=claim)

    def still_ours(self, delivery: Delivery) -> bool:
        """Return whether a mail that had to wait was left to this process."""
        try:
            return delivery.claim is None or delivery.claim.renew()
        except LedgerError:
            return True

    def give_up(self, delivery: Delivery, why: str) -> None:
        """Leave a mail that will not be tried now to the outbox."""
        from ..ledger.outbox import Fate

        try:
            if delivery.claim is not None:
                delivery.claim.abandon(why)
            elif self._outbox is not None:
                fate = Fate("waiting", reason=why)
                self._outbox.add(delivery.email, delivery.envelope, delivery.policy, fate)
            else:
                raise LedgerError("There is no ledger to keep it in.")
        except LedgerError as error:
            _logger.error(
                "Mail %r to %s is lost: %s %s",
                delivery.email.subject,
                ", ".join(delivery.envelope.recipients),
                why,
                error.message,
            )

    def settle(self, delivery: Delivery, attempts: Attempts, receipt: Receipt) -> Receipt:
        """Keep what has not arrived, and strike out what has."""
        if delivery.trouble and delivery.trouble not in receipt.notes:
            receipt = _noting(receipt, delivery.trouble)
        if self._outbox is None:
            return receipt
        from ..ledger.outbox import Fate

        flushing = delivery.origin == "flush"
        proven = delivery.proven or receipt.delivered
        kept, unknown, failed = _sorted(attempts, flushing, proven)
        states: dict[str, OutboxState] = {
            **dict.fromkeys(failed, "failed"),
            **dict.fromkeys(unknown, "unknown"),
            **dict.fromkeys(kept, "waiting"),
        }
        fates = {
            address: Fate(state, receipt.transport, receipt.detail, receipt.code)
            for address, state in states.items()
        }
        spooled = ""
        try:
            if delivery.claim is not None:
                delivery.claim.settle(fates, tried=flushing)
                spooled = delivery.claim.name if fates else ""
            elif fates:
                envelope = delivery.envelope.to(fates)
                spooled = self._outbox.add(delivery.email, envelope, delivery.policy, fates)
        except LedgerError as error:
            trouble = self._secrecy.hide(f"The mail cannot be kept: {error.message}")
            _logger.error("%s", trouble)
            return _noting(receipt, trouble)
        if not kept:
            return receipt.model_copy(update={"spooled": spooled})
        return receipt.model_copy(
            update={
                "outcome": "unknown" if unknown else "spooled",
                "spooled": spooled,
                "deferred": self._secrecy.tidy_all(kept),
                "refused": _without(receipt.refused, kept),
                "unknown": _without(receipt.unknown, kept),
            }
        )

    # --- out of the outbox

    def scan_due(self) -> bool:
        """Whether to look for what waits after a send: not after each of many."""
        now = time.monotonic()
        if self._outbox is None or now < self._next_look:
            return False
        self._next_look = now + _INTERVAL
        return True

    def retry(self, states: Collection[OutboxState]) -> None:
        """Have the mails that are in these states wait for another try."""
        try:
            if self._outbox is not None and states:
                self._outbox.retry(states)
        except LedgerError as error:
            _logger.error("%s", error.message)

    def flush(
        self,
        resend: Callable[[Sequence[Delivery]], list[Receipt]],
        time_for_one: Callable[[], Deadline | None],
        limit: int | None = None,
        *,
        in_passing: bool = False,
    ) -> list[Receipt]:
        """Send what waits, the oldest first.

        Args:
            resend: Sends one mail.
            time_for_one: Returns the deadline of the next mail, or None to stop.
            limit: How many mails to try at most.
            in_passing: Whether a mail has just been delivered: the transports work, and
                those that were tried lately are left alone.
        """
        receipts: list[Receipt] = []
        if self._outbox is None:
            return receipts
        failures = 0
        proven = in_passing
        try:
            self._outbox.recover()
            names = list(self._outbox.waiting(_MOST_FLUSHED, rested=in_passing))
            if in_passing:
                limit = _FLUSHED_IN_PASSING
            if limit is not None and len(names) > limit:
                # Those at the head may fail again and again; the others get their turn.
                chosen = set(random.sample(names, limit))
                names = [name for name in names if name in chosen]
            for name in names:
                deadline = time_for_one()
                if deadline is None or failures > 1:
                    break
                claim = self._outbox.claim(name, deadline.remaining())
                if claim is None:
                    continue
                receipt = self._resend(resend, claim, deadline, proven=proven)
                proven = proven or bool(receipt.accepted)
                failures = 0 if receipt.accepted or receipt.refused else failures + 1
                receipts.append(receipt)
        except LedgerError as error:
            _logger.error("What waits cannot be sent: %s", error.message)
        return receipts

    def _resend(
        self,
        resend: Callable[[Sequence[Delivery]], list[Receipt]],
        claim: Claim,
        deadline: Deadline,
        *,
        proven: bool,
    ) -> Receipt:
        delivery = Delivery(
            claim.email, claim.envelope, deadline, claim.policy, "flush", claim, proven=proven
        )
        (receipt,) = resend([delivery])
        waits = receipt.outcome in ("delivered", "spooled")
        _logger.log(
            logging.INFO if waits else logging.ERROR,
            "Mail %s out of the outbox: %s. %s",
            claim.name,
            receipt.describe(),
            receipt.remedy,
        )
        return receipt


def _sorted(
    attempts: Attempts, flushing: bool, proven: bool
) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Return those whose mail waits, those who may have it, and those for whom it failed."""
    kept = attempts.worth_keeping()
    failed: dict[str, str] = {}
    if flushing:
        # A transport that works for others and not for this mail will not take it later.
        if proven and not attempts.deferred():
            kept = {}
        failed = _without(attempts.refused(), kept)
    return kept, _without(attempts.unknown(), kept), failed


def _without(reasons: Mapping[str, str], addresses: Collection[str]) -> dict[str, str]:
    return {address: why for address, why in reasons.items() if address not in addresses}


def _noting(receipt: Receipt, note: str) -> Receipt:
    return receipt.model_copy(update={"notes": (*receipt.notes, note)})
