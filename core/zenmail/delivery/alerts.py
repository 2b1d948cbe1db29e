"""Alerts: composed and sent, or held back for a digest when there are many."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from ..address import parse_mailbox, split_valid
from ..addressing import Addressing
from ..clean import clean_text
from ..composing.compose import compose_addressed
from ..deadline import Deadline
from ..email import Email
from ..errors import AddressError, LedgerError, ZenmailError
from ..plugins import PluginHost
from ..receipt import Receipt
from .delivery import Origin
from .dispatch import Dispatcher
from .secrecy import Secrecy

if TYPE_CHECKING:
    from ..alert import Alert
    from ..ledger.digest import Digest
    from ..ledger.storms import Storms

__all__ = ["Alerts"]

_logger = logging.getLogger(__name__)


class Alerts:
    """Turns alerts into mails, and those that are too many into digests.

    Args:
        dispatcher: What sends the mails.
        plugins: The middleware.
        secrecy: What must not stand in any mail.
        storms: What counts the alerts of a run; each stands in for the one before it.
        limit: How many alerts of a run are sent alone; None for all of them.
        seconds: The time that a digest has which nobody waits for.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        plugins: PluginHost,
        secrecy: Secrecy,
        *,
        storms: Sequence[Storms],
        limit: int | None,
        seconds: float,
    ) -> None:
        self._dispatcher = dispatcher
        self._plugins = plugins
        self._secrecy = secrecy
        self._storms = storms
        self._limit = limit
        self._seconds = seconds
        self._holding = False

    def send(
        self, alert: Alert, addressing: Addressing, subject: str, deadline: Deadline
    ) -> Receipt:
        """Send an alert, or hold it back for a digest."""
        alert = self._plugins.middleware.before_render(alert)
        held_back = self._hold_back(alert, addressing)
        if held_back is not None:
            return held_back
        return self._dispatcher.send(self._compose(alert, addressing, subject), deadline)

    def finish(self, thread: str, deadline: Deadline) -> list[Receipt]:
        """Send the digests of a run that has ended."""
        thread = self._secrecy.hide(clean_text(thread))
        digests = self._taken(lambda storms: storms.finish(thread)) if thread else []
        return self._send_digests(digests, deadline)

    def send_overdue(self, time_for_one: Callable[[], Deadline | None]) -> Iterator[Receipt]:
        """Send the digests of runs that have been quiet for a while."""
        for digest in self._taken(lambda storms: storms.take_due()):
            deadline = time_for_one()
            if deadline is None:
                self._settle(digest, sent=False)
            else:
                yield self._send_digest(digest, deadline, "overdue")

    def send_all(self) -> list[Receipt]:
        """Send the digests of all runs."""
        return [
            self._send_digest(digest, Deadline.after(self._seconds), "overdue")
            for digest in self._taken(lambda storms: storms.take_all())
        ]

    def close(self, deadline: Deadline) -> None:
        """Send the digests that are due, and those of runs that nobody else takes part in."""
        if self._holding:
            self._send_digests(self._taken(lambda storms: storms.take_own()), deadline)
            self._holding = False
            atexit.unregister(self._leave)

    def _leave(self) -> None:
        self.close(Deadline.after(self._seconds))

    def _taken(self, take: Callable[[Storms], list[Digest]]) -> list[Digest]:
        digests: list[Digest] = []
        for storms in self._storms:
            try:
                digests += take(storms)
            except LedgerError as error:
                _logger.warning("Digests are not sent now: %s", error.message)
        return digests

    def _admits(self, alert: Alert, addressing: Addressing, limit: int) -> bool:
        for storms in self._storms:
            try:
                return storms.admit(alert, addressing, limit, self._secrecy.hide)
            except LedgerError as error:
                _logger.warning("Alerts are counted in memory: %s", error.message)
        return True

    def _compose(self, alert: Alert, addressing: Addressing, subject: str = "") -> Email:
        try:
            return compose_addressed(
                alert,
                addressing,
                subject=subject,
                secrets=self._secrecy.secrets,
                pass_through=self._plugins.pass_through,
            )
        except ZenmailError as error:
            # It quotes what it refuses.
            error.message = self._secrecy.hide(error.message)
            error.args = (error.message,)
            raise

    def _hold_back(self, alert: Alert, addressing: Addressing) -> Receipt | None:
        if not self._storms or self._limit is None:
            return None
        # An unusable address is told now, not when the digest is sent.
        parse_mailbox(addressing.sender)
        valid, invalid = split_valid(addressing.recipients)
        if invalid and not valid:
            raise AddressError(next(iter(invalid.values())))
        if self._admits(alert, addressing, self._limit):
            return None
        if not self._holding:
            self._holding = True
            atexit.register(self._leave)
        return Receipt(
            outcome="skipped",
            code="held-back",
            detail=f"Held back for a digest: {self._limit} alerts of this run were sent alone.",
        )

    def _send_digests(self, digests: Sequence[Digest], deadline: Deadline) -> list[Receipt]:
        return [
            self._send_digest(digest, deadline.share(len(digests) - index), "digest")
            for index, digest in enumerate(digests)
        ]

    def _send_digest(self, digest: Digest, deadline: Deadline, origin: Origin) -> Receipt:
        sent = False
        try:
            alert = self._plugins.middleware.before_render(digest.alert())
            email = self._compose(alert, digest.addressing)
            receipt = self._dispatcher.send(email, deadline, origin)
            sent = receipt.outcome != "deferred"
        except ZenmailError as error:
            # It cannot be composed, now or later; the log is the last to hear of it.
            sent = True
            receipt = Receipt(
                outcome="refused", detail=self._secrecy.tidy(error.message), code=error.code
            )
        finally:
            self._settle(digest, sent=sent)
        if not receipt.ok:
            _logger.error(
                "The digest of %d alerts of %s to %s: %s. %s",
                digest.total,
                digest.thread,
                ", ".join(digest.addressing.to),
                receipt.describe(),
                receipt.remedy,
            )
        return receipt

    def _settle(self, digest: Digest, *, sent: bool) -> None:
        try:
            digest.settle(sent=sent)
        except LedgerError as error:
            _logger.warning("A digest may be sent twice: %s", error.message)
