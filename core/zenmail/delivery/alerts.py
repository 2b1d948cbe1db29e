"""Alerts: composed and sent, or held back for a digest when there are many."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..address import ADDRESS_REMEDY, parse_mailbox, split_valid
from ..addressing import Addressing
from ..composing.compose import compose_addressed
from ..deadline import Deadline
from ..email import Email
from ..errors import AddressError, ZenmailError
from ..plugins import PluginHost
from ..receipt import Receipt
from .dispatch import Dispatcher
from .secrecy import Secrecy

if TYPE_CHECKING:
    from ..alert import Alert
    from ..ledger.storms import Digest, StormGuard

__all__ = ["Alerts"]

_logger = logging.getLogger(__name__)


class Alerts:
    """Turns alerts into mails, and those that are too many into digests.

    Args:
        dispatcher: What sends the mails.
        plugins: The middleware.
        secrecy: What must not stand in any mail.
        storms: What counts the alerts of a run, or None.
        limit: How many alerts of a run are sent alone; None for all of them.
        seconds: The time that a digest has which nobody waits for.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        plugins: PluginHost,
        secrecy: Secrecy,
        *,
        storms: StormGuard | None,
        limit: int | None,
        seconds: float,
    ) -> None:
        self._dispatcher = dispatcher
        self._plugins = plugins
        self._secrecy = secrecy
        self._storms = storms
        self._limit = limit
        self._seconds = seconds

    def send(
        self, alert: Alert, addressing: Addressing, subject: str, deadline: Deadline
    ) -> Receipt:
        """Send an alert, or hold it back for a digest."""
        alert = self._plugins.before_render(alert)
        held_back = self._hold_back(alert, addressing)
        if held_back is not None:
            return held_back
        return self._dispatcher.send(self._compose(alert, addressing, subject), deadline)

    def finish(self, thread: str, deadline: Deadline) -> list[Receipt]:
        """Send the digests of a run that has ended."""
        if self._storms is None or not thread:
            return []
        return self._send_digests(self._storms.finish(thread), deadline)

    def send_overdue(self, time_for_one: Callable[[], Deadline | None]) -> None:
        """Send the digests of runs that have been quiet for a while."""
        if self._storms is None or time_for_one() is None:
            return
        for digest in self._storms.take_quiet():
            deadline = time_for_one()
            if deadline is None:
                self._storms.settle(digest, sent=False)
            else:
                self._send_digest(digest, deadline)

    def send_orphaned(self) -> list[Receipt]:
        """Send the digests of runs in which no process takes part any more."""
        if self._storms is None:
            return []
        orphaned = self._storms.take_orphaned()
        return [self._send_digest(item, Deadline.after(self._seconds)) for item in orphaned]

    def close(self, deadline: Deadline) -> None:
        """Send the digests that nobody else will send."""
        if self._storms is not None:
            self._storms.close()
            # The other half is for sending them.
            digests = self._storms.take_at_exit(deadline.share(2).remaining())
            self._send_digests(digests, deadline)

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
        if self._storms is None or self._limit is None:
            return None
        # An unusable address is told now, not when the digest is sent.
        parse_mailbox(addressing.sender)
        valid, invalid = split_valid(addressing.recipients)
        if invalid and not valid:
            raise AddressError(next(iter(invalid.values())), remedy=ADDRESS_REMEDY)
        if self._storms.admit(alert, addressing):
            return None
        self._storms.watch(self._send_in_their_own_time, self._seconds)
        return Receipt(
            outcome="skipped",
            code="held-back",
            detail=f"Held back for a digest: {self._limit} alerts of this run were sent alone.",
        )

    def _send_in_their_own_time(self, digests: Sequence[Digest]) -> None:
        self._send_digests(digests, Deadline.after(self._seconds))

    def _send_digests(self, digests: Sequence[Digest], deadline: Deadline) -> list[Receipt]:
        return [
            self._send_digest(digest, deadline.share(len(digests) - index))
            for index, digest in enumerate(digests)
        ]

    def _send_digest(self, digest: Digest, deadline: Deadline) -> Receipt:
        assert self._storms is not None
        sent = False
        try:
            alert = self._plugins.before_render(digest.alert())
            email = self._compose(alert, digest.addressing)
            receipt = self._dispatcher.send(email, deadline, "digest")
            sent = receipt.outcome != "deferred"
        except ZenmailError as error:
            # It cannot be composed, now or later; the log is the last to hear of it.
            sent = True
            receipt = Receipt(
                outcome="refused", detail=self._secrecy.tidy(error.message), code=error.code
            )
        finally:
            self._storms.settle(digest, sent=sent)
        if not receipt.delivered:
            _logger.error(
                "The digest of %d alerts of %s to %s: %s. %s",
                digest.total,
                digest.thread,
                ", ".join(digest.addressing.to),
                receipt.describe(),
                receipt.remedy,
            )
        return receipt
