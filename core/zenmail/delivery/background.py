"""Deliveries that nobody waits for, done by a thread that the process does."""

import atexit
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ..deadline import Deadline
from ..runtime.forks import reset_after_fork

if TYPE_CHECKING:
    from multiprocessing.util import Finalize

__all__ = ["Background"]

_logger = logging.getLogger(__name__)
_MOST_JOBS = 1000
_MOST_BYTES = 64 * 1024 * 1024


class _Job(NamedTuple):
    work: Callable[[Deadline], object]
    give_up: Callable[[], object]
    size: int


class Background:
    """A queue with a worker.

    The worker is a daemon, so that a transport that hangs cannot hold up the process. At its
    end the process waits for the work, for no longer than the patience.

    Args:
        patience: Seconds that one job may take, and that the process waits at its end.
        most_jobs: At most how many jobs wait.
        most_bytes: At most how many bytes they hold.
    """

    def __init__(
        self, patience: float, *, most_jobs: int = _MOST_JOBS, most_bytes: int = _MOST_BYTES
    ) -> None:
        self._patience = patience
        self._most_jobs = most_jobs
        self._most_bytes = most_bytes
        reset_after_fork(self)

    def reset(self) -> None:
        """Start afresh: in the child of a fork the parent's work is the parent's."""
        self._lock = threading.Condition()
        self._jobs: deque[_Job] = deque()
        self._bytes = 0
        self._busy = False
        self._worker: threading.Thread | None = None
        self._finalizer: Finalize | None = None
        self._closing: Deadline | None = None

    def submit(
        self,
        work: Callable[[Deadline], object],
        give_up: Callable[[], object],
        *,
        size: int = 0,
    ) -> bool:
        """Queue a job.

        Args:
            work: Is called with the moment by which it has to end.
            give_up: Is called in its place when the process cannot wait any longer.
            size: Bytes that the job holds.

        Returns:
            Whether the job was taken. It is not when the queue is full, or when the
            interpreter is about to end and starts no thread any more.
        """
        with self._lock:
            full = len(self._jobs) >= self._most_jobs
            if full or (self._jobs and self._bytes + size > self._most_bytes):
                return False
            if not threading.main_thread().is_alive():
                return False  # nobody waits for a thread that starts now
            if self._worker is None and not self._start():
                return False
            self._closing = None
            self._jobs.append(_Job(work, give_up, size))
            self._bytes += size
            self._lock.notify_all()
            return True

    def _start(self) -> bool:
        worker = threading.Thread(target=self._run, name="zenmail-background", daemon=True)
        try:
            worker.start()
        except RuntimeError:
            return False
        self._worker = worker
        atexit.register(self.close)
        # The children of multiprocessing end without the handlers of atexit before 3.14.
        if util := sys.modules.get("multiprocessing.util"):
            self._finalizer = util.Finalize(None, self.close, exitpriority=0)
        return True

    def close(self) -> None:
        """Wait for the work, for no longer than the patience; give up on what is left."""
        with self._lock:
            self._closing = self._closing or Deadline.after(self._patience)
            closing = self._closing
            self._lock.notify_all()
            while (self._jobs or self._busy) and not closing.expired:
                self._lock.wait(closing.remaining())
            worker = None if self._busy else self._worker
        self._give_up()
        if worker is not None:
            worker.join(1.0)
            atexit.unregister(self.close)
            if self._finalizer is not None:
                self._finalizer.cancel()

    def _run(self) -> None:
        while True:
            with self._lock:
                while not self._jobs:
                    if self._closing is not None:
                        self._worker = None
                        return
                    self._lock.wait()
                job = self._jobs.popleft()
                self._bytes -= job.size
                self._busy = True
                deadline = Deadline.after(self._patience)
                if self._closing is not None and self._closing.remaining() < self._patience:
                    deadline = self._closing
            try:
                job.work(deadline)
            except BaseException as error:
                # Its text may hold anything, a secret included.
                _logger.error("A background delivery failed with %s.", type(error).__name__)
            finally:
                with self._lock:
                    self._busy = False
                    self._lock.notify_all()

    def _give_up(self) -> None:
        while True:
            with self._lock:
                if not self._jobs:
                    return
                job = self._jobs.popleft()
                self._bytes -= job.size
            try:
                job.give_up()
            except Exception as error:
                _logger.error("A queued mail is lost: %s.", type(error).__name__)
