"""The outbox's side of a send: mails noted down, kept, and taken out again."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..clean import clean_line
from ..deadline import Deadline
from ..errors import ConfigurationError
from ..receipt import Receipt
from .attempts import Attempts
from .delivery import Delivery
from .secrecy import Secrecy

if TYPE_CHECKING:
    from ..ledger.outbox import Claim, Outbox, OutboxState

__all__ = ["Spooler"]

_logger = logging.getLogger(__name__)
_FLUSHED_IN_PASSING = 20
# How long a mail that could not be sent is left alone by later sends, in seconds; doubled
# with each try.
_FIRST_REST = 15.0
_LONGEST_REST = 900.0


class Spooler:
    """Keeps in an outbox what has not been delivered, if there is an outbox.

    Args:
        outbox: The outbox, or None.
        secrecy: What keeps secrets out of notes and logs.
    """

    def __init__(self, outbox: Outbox | None, secrecy: Secrecy) -> None:
        self._outbox = outbox
        self._secrecy = secrecy
        self._resting: dict[str, float] = {}

    def note_down(self, delivery: Delivery, *, waits: bool) -> Delivery:
        """Enter a mail in the outbox, so that the death of this process does not lose it.

        Args:
            delivery: The mail.
            waits: Whether other mails come first.
        """
        if self._outbox is None or not self._outbox.local:
            return delivery
        try:
            claim = self._outbox.begin(
                delivery.email, delivery.envelope, delivery.policy, waits=waits
            )
        except OSError as error:
            trouble = f"The outbox {self._outbox} takes no mail: {_reason(error)}"
            _logger.warning("%s", trouble)
            return replace(delivery, trouble=trouble)
        return replace(delivery, claim=claim)

    def give_up(self, delivery: Delivery, why: str) -> None:
        """Leave a mail that will not be tried now to the outbox."""
        try:
            if delivery.claim is not None:
                delivery.claim.abandon(why)
            elif self._outbox is not None:
                self._outbox.add(delivery.email, delivery.envelope, delivery.policy, reason=why)
            else:
                raise OSError("there is no outbox to keep it in")
        except OSError as error:
            _logger.error(
                "Mail %r to %s is lost: %s %s",
                delivery.email.subject,
                ", ".join(delivery.envelope.recipients),
                why,
                _reason(error),
            )

    def settle(self, delivery: Delivery, attempts: Attempts, receipt: Receipt) -> Receipt:
        """Keep what has not arrived, and strike out what has."""
        if delivery.trouble and delivery.trouble not in receipt.notes:
            receipt = _noting(receipt, delivery.trouble)
        if self._outbox is None:
            return receipt
        proven = delivery.proven or receipt.delivered
        kept, unknown, failed = _sorted(attempts, delivery.origin == "flush", proven)
        fates: list[tuple[OutboxState, dict[str, str]]] = [
            ("waiting", kept),
            ("unknown", unknown),
            ("failed", failed),
        ]
        fates = [(state, reasons) for state, reasons in fates if reasons]
        spooled = ""
        try:
            # The claim moves last: until then it stands for everybody, should we crash.
            for number, (state, reasons) in reversed([*enumerate(fates)]):
                claim = None if number else delivery.claim
                spooled = self._move(self._outbox, claim, delivery, state, reasons, receipt)
            if delivery.claim is not None and not fates:
                delivery.claim.done()
        except OSError as error:
            trouble = self._secrecy.hide(
                f"The outbox {self._outbox} cannot keep the mail: {_reason(error)}"
            )
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

    def _move(
        self,
        outbox: Outbox,
        claim: Claim | None,
        delivery: Delivery,
        state: OutboxState,
        reasons: Mapping[str, str],
        receipt: Receipt,
    ) -> str:
        why = {"transport": receipt.transport, "reason": receipt.detail, "code": receipt.code}
        if claim is not None:
            claim.move_out(state, list(reasons), tried=delivery.origin == "flush", **why)
            return claim.name
        envelope = delivery.envelope.to(reasons)
        return outbox.add(delivery.email, envelope, delivery.policy, state=state, **why)

    # --- out of the outbox

    def retry(self, states: Collection[OutboxState]) -> None:
        """Have the mails that are in these states wait for another try."""
        if self._outbox is None:
            return
        try:
            for item in self._outbox.list() if states else ():
                if item.state in states and item.state in ("unknown", "failed"):
                    self._outbox.retry(item.name)
        except (OSError, ConfigurationError) as error:
            _logger.error("The outbox %s cannot be read: %s", self._outbox, error)

    def flush(
        self,
        resend: Callable[[Delivery], Receipt],
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
        if self._outbox is None or (in_passing and not self._outbox.scan_due()):
            return receipts
        failures = 0
        proven = in_passing
        try:
            self._outbox.recover()
            names = list(self._outbox.waiting())
            if in_passing:
                names, limit = self._rested(names), _FLUSHED_IN_PASSING
            if limit is not None and len(names) > limit:
                # Those at the head may fail again and again; the others get their turn.
                names = sorted(random.sample(names, limit))
            for name in names:
                deadline = time_for_one()
                if deadline is None or failures > 1:
                    break
                claim = self._outbox.claim(name)
                if claim is None:
                    continue
                receipt = self._resend(resend, claim, deadline, proven=proven)
                proven = proven or bool(receipt.accepted)
                failures = 0 if receipt.accepted or receipt.refused else failures + 1
                receipts.append(receipt)
        except OSError as error:
            _logger.error("The outbox %s cannot be flushed: %s", self._outbox, _reason(error))
        return receipts

    def _resend(
        self,
        resend: Callable[[Delivery], Receipt],
        claim: Claim,
        deadline: Deadline,
        *,
        proven: bool,
    ) -> Receipt:
        entry = claim.entry
        delivery = Delivery(
            entry.email, entry.envelope, deadline, entry.policy, "flush", claim, proven=proven
        )
        receipt = resend(delivery)
        waits = receipt.outcome in ("delivered", "spooled")
        _logger.log(
            logging.INFO if waits else logging.ERROR,
            "Mail %s out of the outbox: %s. %s",
            claim.name,
            receipt.describe(),
            receipt.remedy,
        )
        if receipt.outcome == "spooled":
            pause = min(_LONGEST_REST, _FIRST_REST * 2.0**claim.entry.tries)
            self._resting[claim.name] = time.monotonic() + pause
        return receipt

    def _rested(self, names: Sequence[str]) -> list[str]:
        """Return those that this process has not just tried."""
        now = time.monotonic()
        self._resting = {name: till for name, till in self._resting.items() if name in names}
        return [name for name in names if self._resting.get(name, now) <= now]


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


def _reason(error: OSError) -> str:
    return clean_line(f"{error.strerror or error}", limit=300)
