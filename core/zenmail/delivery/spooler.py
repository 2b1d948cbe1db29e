"""The outbox's side of a send: mails noted down, kept, and taken out again."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from ..deadline import Deadline
from ..errors import LedgerError
from ..receipt import Receipt
from .attempts import Attempts
from .delivery import Delivery
from .secrecy import Secrecy

if TYPE_CHECKING:
    from ..ledger.claim import Fate, OutboxState
    from ..ledger.outbox import Outbox

__all__ = ["Spooler"]

_logger = logging.getLogger(__name__)
# Seconds for which mails are claimed at a time: those that one connection holds, no other can
# send.
_TOGETHER = 0.5
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
            return self._not_noted(delivery, error)
        return delivery._replace(claim=claim)

    def spool(self, delivery: Delivery) -> Delivery:
        """Leave a mail in the outbox, for any worker; say why if that fails."""
        from ..ledger.claim import Fate

        assert self._outbox is not None
        try:
            fate = Fate("waiting")
            name = self._outbox.add(delivery.email, delivery.envelope, delivery.policy, fate)
        except LedgerError as error:
            return self._not_noted(delivery, error)
        return delivery._replace(spooled=name)

    def _not_noted(self, delivery: Delivery, error: LedgerError) -> Delivery:
        trouble = self._secrecy.tidy(
            f"The mail could not be recorded in the ledger: {error.message}"
        )
        _logger.warning("%s", trouble)
        return delivery._replace(trouble=trouble)

    def still_ours(self, delivery: Delivery) -> bool:
        """Return whether a mail that had to wait was left to this process."""
        try:
            return delivery.claim is None or delivery.claim.renew()
        except LedgerError:
            return True

    def give_up(self, delivery: Delivery, why: str) -> None:
        """Leave a mail that will not be tried now to the outbox."""
        from ..ledger.claim import Fate

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
        if self._outbox is None or (delivery.claim is None and attempts.complete):
            return receipt
        flushing = delivery.origin == "flush"
        proven = delivery.proven or receipt.delivered
        kept, unknown, failed = _sorted(attempts, flushing, proven)
        fates = _fates(receipt, failed=failed, unknown=unknown, waiting=kept)
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
        if not spooled:
            return receipt
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
        """Make what waits, and the mails in these states, due now."""
        try:
            if self._outbox is not None:
                self._outbox.retry(states)
        except LedgerError as error:
            _logger.error("%s", error.message)

    def flush(
        self,
        resend: Callable[[Sequence[Delivery]], list[Receipt]],
        time_for_next: Callable[[], Deadline | None],
        *,
        seconds: float,
        limit: int | None = None,
        proven: bool = False,
        at_once: int = 1,
    ) -> Iterator[Receipt]:
        """Send what is due, the oldest first, until two in a row fail.

        Args:
            resend: Sends some mails.
            time_for_next: Returns the deadline of the mails that are sent next, or None to
                stop.
            seconds: How far off such a deadline is at most.
            limit: How many mails to try at most.
            proven: Whether the transports have just delivered another mail.
            at_once: How many mails to send at once, at most. The first goes alone; while all
                goes well, up to four times as many follow each time, as fast as they go.
        """
        if self._outbox is None:
            return
        failures = 0
        number = 1
        try:
            self._outbox.recover()
            while failures < 2 and limit != 0 and self._outbox.due():
                deadline = time_for_next()
                if deadline is None:
                    break
                began = time.monotonic()
                most = number if limit is None else min(limit, number)
                claims = self._outbox.claim(most, deadline.remaining())
                deliveries = [
                    Delivery(
                        claim.email,
                        claim.envelope,
                        deadline,
                        claim.policy,
                        "flush",
                        claim,
                        proven=proven,
                    )
                    for claim in claims
                ]
                limit = None if limit is None else limit - len(deliveries)
                receipts = resend(deliveries)
                took = time.monotonic() - began
                for delivery, receipt in zip(deliveries, receipts, strict=True):
                    self._log(delivery, receipt)
                    proven = proven or bool(receipt.accepted)
                    failures = 0 if receipt.accepted or receipt.refused else failures + 1
                    yield receipt
                in_time = int(len(claims) * min(_TOGETHER, seconds / 10) / (took + 1e-6))
                number = 1 if failures else max(1, min(4 * number, at_once, in_time))
        except LedgerError as error:
            _logger.error("The waiting mails could not be sent: %s", error.message)

    def strike_out(self, deliveries: Sequence[Delivery]) -> None:
        """Forget mails that everybody has got, all at once; `settle` does what this cannot."""
        claims = [delivery.claim for delivery in deliveries if delivery.claim is not None]
        with contextlib.suppress(LedgerError):
            if self._outbox is not None and claims:
                self._outbox.forget(claims)

    @staticmethod
    def _log(delivery: Delivery, receipt: Receipt) -> None:
        _logger.log(
            logging.INFO if receipt.delivered else logging.ERROR,
            "Mail %(name)s from the outbox: %(detail)s",
            {
                "name": delivery.claim.name if delivery.claim is not None else "",
                "outcome": receipt.outcome,
                "detail": f"{receipt.describe()}. {receipt.remedy}".rstrip(),
            },
        )


def _sorted(
    attempts: Attempts, flushing: bool, proven: bool
) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Return those whose mail waits, those who may have it, and those for whom it failed."""
    failed: dict[str, str] = {}
    if attempts.complete:
        return {}, {}, failed
    kept = attempts.worth_keeping()
    if flushing:
        # A transport that works for others and not for this mail will not take it later.
        if proven and not attempts.deferred():
            doubtful = attempts.unknown()
            kept = {address: why for address, why in kept.items() if address in doubtful}
        failed = _without(attempts.refused(), kept)
    return kept, _without(attempts.unknown(), kept), failed


def _fates(receipt: Receipt, **addresses: Collection[str]) -> dict[str, Fate]:
    from ..ledger.claim import Fate

    return {
        address: Fate(
            cast("OutboxState", state), receipt.transport, receipt.detail, receipt.code
        )
        for state, some in addresses.items()
        for address in some
    }


def _without(reasons: Mapping[str, str], addresses: Collection[str]) -> dict[str, str]:
    return {address: why for address, why in reasons.items() if address not in addresses}


def _noting(receipt: Receipt, note: str) -> Receipt:
    return receipt.model_copy(update={"notes": (*receipt.notes, note)})
