"""Sends what waits in the ledger, for all who leave their mails there."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from ..deadline import Deadline
from ..errors import ConfigurationError, LedgerError
from .mailer import Mailer

__all__ = ["Worker"]

_logger = logging.getLogger(__name__)
# Seconds between two looks while nothing can be delivered.
_LONGEST_PAUSE = 60.0
_HEALTH_INTERVAL = 60.0


class Worker:
    """Sends the mails and digests in a mailer's ledger, over several connections at once.

    Any number of workers, on any machines, may share a ledger.

    Args:
        mailer: What sends them; its ledger is the one that is drained.
        connections: How many mails to send at the same time.
        rate: Mails a minute at most, or None for no limit. Each worker counts for itself.

    Attributes:
        delivered: How many mails a server has accepted.
        failed: How many tries have failed.

    Raises:
        ConfigurationError: A number is not above 0.
    """

    def __init__(
        self, mailer: Mailer, *, connections: int = 1, rate: float | None = None
    ) -> None:
        if connections < 1 or (rate is not None and rate <= 0):
            raise ConfigurationError("connections and rate must be above 0.")
        self.delivered = 0
        self.failed = 0
        self._mailer = mailer
        self._connections = connections
        self._interval = 60.0 / rate if rate else 0.0
        self._next_start = 0.0
        self._next_report = 0.0
        self._lock = threading.Lock()

    def drain(self) -> int:
        """Send what is due now.

        Each connection ends early after two failures in a row: nothing can be delivered.

        Returns:
            How many mails a server has accepted.
        """
        before = self.delivered
        self._drain(threading.Event())
        return self.delivered - before

    def run(self, stop: threading.Event, interval: float = 1.0, *, once: bool = False) -> None:
        """Send what is due until told to stop; then the mails under way are finished.

        Args:
            stop: Ends it.
            interval: Seconds between two looks. They become more while deliveries fail.
            once: Whether to end when nothing is due any more.
        """
        pause = interval
        while not stop.is_set():
            delivered, failed = self.delivered, self.failed
            # It logs a ledger that cannot be used, once for each look.
            usable = self._report()
            if usable:
                self._drain(stop)
            if once:
                break
            failing = not usable or (self.failed > failed and self.delivered == delivered)
            pause = min(2 * pause, _LONGEST_PAUSE) if failing else interval
            stop.wait(pause)
        self._next_report = 0.0
        self._report()

    def _drain(self, stop: threading.Event) -> None:
        if self._connections == 1:
            self._work(stop)
            return
        with ThreadPoolExecutor(self._connections, "zenmail-worker") as pool:
            work = [pool.submit(self._work, stop) for _ in range(self._connections)]
            try:
                for future in work:
                    future.result()
            except BaseException:
                stop.set()
                raise

    def _work(self, stop: threading.Event) -> None:
        # At a rate, each mail waits for its turn.
        together = not self._interval
        for receipt in self._mailer.send_due(lambda: self._turn(stop), together=together):
            with self._lock:
                self.delivered += bool(receipt.accepted)
                self.failed += not receipt.accepted
            if time.monotonic() >= self._next_report:
                self._report()

    def _turn(self, stop: threading.Event) -> Deadline | None:
        """Wait until another mail may be sent; return its deadline, or None to stop."""
        with self._lock:
            start = max(self._next_start, time.monotonic())
            self._next_start = start + self._interval
        if stop.wait(start - time.monotonic()):
            return None
        return Deadline.after(self._mailer.deadline)

    def _report(self) -> bool:
        """Log the health when it is time; return whether the ledger can be used."""
        # As arguments, not as `extra`, which ZenML appends to the line as JSON.
        health: dict[str, object] = {"delivered": self.delivered, "failed": self.failed}
        try:
            waiting, oldest = self._mailer.backlog()
        except LedgerError as error:
            _logger.error("Not healthy: %(error)s", health | {"error": error.message})
            return False
        with self._lock:
            now = time.monotonic()
            due = now >= self._next_report
            self._next_report = now + _HEALTH_INTERVAL if due else self._next_report
        if due:
            health |= {"waiting": waiting, "oldest_seconds": round(oldest)}
            _logger.info(
                "Ledger: %(delivered)d delivered, %(failed)d failed, %(waiting)d waiting, the "
                "oldest for %(oldest_seconds)d seconds.",
                health,
            )
        return True
