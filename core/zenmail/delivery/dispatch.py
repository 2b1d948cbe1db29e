"""The path of a mail: every station of a send, in order."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..composing.shorten import without_missing_files
from ..deadline import Deadline
from ..email import Email
from ..errors import AddressError, LedgerError
from ..plugins import PluginHost
from ..receipt import Outcome, Receipt
from ..retry import Retry
from .attempts import Attempts
from .calls import Route, call_together
from .delivery import Delivery, Origin
from .secrecy import Secrecy

if TYPE_CHECKING:
    from .background import Background
    from .redirect import Redirect
    from .spooler import Spooler

__all__ = ["Dispatcher"]

_logger = logging.getLogger(__name__)
_MOST_AT_ONCE = 50


class Dispatcher:
    """Takes mails through the stations of a send.

    Args:
        routes: The transports, in order.
        plugins: The middleware.
        secrecy: What keeps secrets out of receipts.
        spooler: What keeps mails in the outbox.
        retry: How hard each mail is tried.
        redirect: Who gets the mail in place of its recipients, if somebody does.
        queue: What delivers in the background, if anything does.
        spools: Whether mails are left to the outbox, for a worker to send.
        dry_run: Whether to do everything but send.
        in_spare_time: What to do, until the deadline, once a mail has been taken over.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        *,
        plugins: PluginHost,
        secrecy: Secrecy,
        spooler: Spooler,
        retry: Retry,
        redirect: Redirect | None = None,
        queue: Background | None = None,
        spools: bool = False,
        dry_run: bool = False,
        in_spare_time: Callable[[Deadline], object] = lambda deadline: None,
    ) -> None:
        self._routes = routes
        self._middleware = plugins.middleware
        self._pass_through = plugins.pass_through
        self._secrecy = secrecy
        self._spooler = spooler
        self._retry = retry
        self._redirect = redirect
        self._queue = queue
        self._spools = spools
        self._dry_run = dry_run
        self._in_spare_time = in_spare_time

    def send(self, email: Email, deadline: Deadline, origin: Origin = "send") -> Receipt:
        """Send a mail, or leave it to the outbox or the background queue."""
        email = self._middleware.before_send(email, email.envelope)
        delivery = self._redirected(
            Delivery(email, email.envelope, deadline, self._retry.policy, origin)
        )
        if self._dry_run:
            receipt = self._left(delivery, "skipped", "Dry run: nothing was sent.")
            self._middleware.after_send(receipt, delivery.email)
            return receipt
        if self._spools and origin != "overdue":
            delivery = self._spooler.spool(delivery)
            if delivery.spooled:
                return self._left(delivery, "spooled", "A worker will send it.")
            return self._deliver(delivery)
        queue = self._queue if origin == "send" else None
        delivery = self._spooler.note_down(delivery, waits=queue is not None)
        if queue is not None and self._enqueue(queue, delivery):
            return self._left(delivery, "queued", "Queued for background delivery.")
        return self._deliver(delivery)

    @property
    def most_at_once(self) -> int:
        """How many mails `resend` had best be given."""
        return _MOST_AT_ONCE if self._routes[0].transport.sends_together else 1

    def resend(self, deliveries: Sequence[Delivery]) -> list[Receipt]:
        """Send mails that come out of the outbox, at once if the first transport can."""
        mails = [self._redirected(delivery) for delivery in deliveries]
        attempts = [self._attempts(mail) for mail in mails]
        try:
            self._call_together(mails, attempts)
            self._spooler.strike_out(
                [mail for one, mail in zip(attempts, mails, strict=True) if one.arrived]
            )
            return [self._deliver(mail, one) for one, mail in zip(attempts, mails, strict=True)]
        except BaseException:
            _abandon(mails)
            raise

    def _call_together(self, mails: Sequence[Delivery], attempts: Sequence[Attempts]) -> None:
        """Make the first call for several mails one, if the first transport can."""
        route = self._routes[0]
        if len(mails) < 2 or not route.transport.sends_together:
            return
        fetch_token = self._secrecy.fetch_token
        requests = [
            one.request(
                mail.envelope.recipients,
                route,
                mail.deadline.share(len(self._routes)),
                fetch_token,
            )
            for one, mail in zip(attempts, mails, strict=True)
        ]
        answers = call_together(route, requests, self._pass_through)
        for one, answer in zip(attempts, answers, strict=True):
            one.answer_first_call(answer)

    def _deliver(self, delivery: Delivery, attempts: Attempts | None = None) -> Receipt:
        started = time.monotonic()
        attempts = attempts or self._attempts(delivery)
        try:
            attempts.run(
                self._routes,
                delivery.deadline,
                self._secrecy.fetch_token,
                rounds=1 if delivery.origin == "flush" else self._retry.max_attempts,
                hide=self._secrecy.tidy,
            )
        except BaseException:
            _abandon([delivery])
            raise
        receipt = self._receipt(delivery, attempts, time.monotonic() - started)
        receipt = self._spooler.settle(delivery, attempts, receipt)
        self._middleware.after_send(receipt, delivery.email)
        if receipt.accepted and delivery.origin == "send":
            self._in_spare_time(delivery.deadline)
        return receipt

    # --- the stations

    def _redirected(self, delivery: Delivery) -> Delivery:
        if self._redirect is None:
            return delivery
        email, envelope = self._redirect.apply(
            delivery.email, delivery.envelope, flushing=delivery.origin == "flush"
        )
        return delivery._replace(email=email, envelope=envelope)

    def _enqueue(self, queue: Background, delivery: Delivery) -> bool:
        def work(deadline: Deadline) -> None:
            if not self._spooler.still_ours(delivery):
                return
            receipt = self._deliver(delivery._replace(deadline=deadline))
            if not receipt.delivered:
                _logger.error(
                    "Mail %r to %s: %s. %s",
                    delivery.email.subject,
                    ", ".join(delivery.envelope.recipients),
                    receipt.describe(),
                    receipt.remedy,
                )

        def give_up() -> None:
            self._spooler.give_up(delivery, "The process ended before the mail was sent.")

        size = delivery.email.size() if delivery.claim is None else 0
        return queue.submit(work, give_up, size=size)

    def _attempts(self, delivery: Delivery) -> Attempts:
        return Attempts(
            without_missing_files(delivery.email),
            delivery.envelope,
            delivery.policy,
            pass_through=self._pass_through,
            claim=delivery.claim,
        )

    # --- the receipts

    def _receipt(self, delivery: Delivery, attempts: Attempts, seconds: float) -> Receipt:
        tidy, tidy_all = self._secrecy.tidy, self._secrecy.tidy_all
        outcome, detail, code = attempts.outcome(), attempts.detail, attempts.code
        remedy = attempts.remedy
        # A mail out of the outbox had them reported when it went in.
        invalid = {} if delivery.origin == "flush" else delivery.email.invalid
        if invalid and outcome == "delivered":
            outcome, detail = "partial", next(iter(invalid.values()))
            code, remedy = AddressError.default_code, AddressError.default_remedy
        others: dict[str, Any] = {}
        if outcome != "delivered":
            others = {
                "refused": {
                    **{tidy(address): tidy(why) for address, why in invalid.items()},
                    **tidy_all(attempts.refused()),
                },
                "deferred": tidy_all(attempts.deferred()),
                "unknown": tidy_all(attempts.unknown()),
            }
        return Receipt(
            outcome=outcome,
            accepted=tuple(attempts.accepted),
            **others,
            # Who takes a mail says so in set words, and each send would pay for the search.
            detail=tidy(detail, shapes=outcome != "delivered"),
            code=tidy(code),
            remedy=tidy(remedy),
            attempts=attempts.attempts,
            message_id=delivery.email.message_id,
            transport=attempts.transport,
            notes=tuple(map(tidy, attempts.notes())),
            seconds=seconds,
        )

    def _left(self, delivery: Delivery, outcome: Outcome, detail: str) -> Receipt:
        return Receipt(
            outcome=outcome,
            detail=detail,
            message_id=delivery.email.message_id,
            transport=self._routes[0].name,
            notes=(delivery.trouble,) if delivery.trouble else (),
            spooled=delivery.spooled,
        )


def _abandon(deliveries: Sequence[Delivery]) -> None:
    """Leave mails whose delivery was interrupted to the outbox."""
    for delivery in deliveries:
        if delivery.claim is not None:
            with suppress(LedgerError):
                delivery.claim.abandon("Its delivery was interrupted.")
