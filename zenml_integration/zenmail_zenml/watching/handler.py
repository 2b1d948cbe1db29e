"""Mails what ZenML says about its runs, in the process that keeps ZenML's database."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any
from uuid import UUID

from zenml.client import Client
from zenml.dispatcher import Event, EventDispatcher, EventHandler, PipelineRunStatusUpdate
from zenml.enums import StoreType

from zenmail.redaction.redact import described
from zenmail.runtime.forks import defer_forks, reset_after_fork

if TYPE_CHECKING:
    from .teller import Teller

__all__ = ["RunAlerts", "register_locally"]

_logger = logging.getLogger(__name__)
_ATTEMPTS = 10
_FIRST_PAUSE = 2.0
_LAST_ROUND = 30.0


class RunAlerts(EventHandler):
    """Mails how runs end and what they wait for.

    Name it in ``ZENML_SERVER_EVENT_HANDLER_SOURCES``. ZenML calls `handle_event` while a
    client waits for its answer, so that everything else is left to a thread.
    """

    def __init__(self) -> None:
        self._teller: Teller | None = None
        reset_after_fork(self)
        atexit.register(self.close)

    def reset(self) -> None:
        """Start afresh in a child process, which has no events of its own yet."""
        self._changed = threading.Condition()
        # What to look at: a run, with the moment to do so, the tries so far, and the
        # context of the request, without which ZenML's server answers nobody.
        self._due: dict[UUID, tuple[float, int, Context]] = {}
        self._worker: threading.Thread | None = None
        self._busy = False
        self._closing = False

    @classmethod
    async def create(cls) -> RunAlerts:
        """Return the handler, as ZenML's server asks for it."""
        return cls()

    def handle_event(self, event: Event) -> None:
        """Note down a run whose status has changed."""
        try:
            if not isinstance(event, PipelineRunStatusUpdate):
                return
            if str(event.run.status.value) in _QUIET:
                return
            with self._changed:
                self._due[event.run.id] = (time.monotonic(), 0, copy_context())
                if self._worker is None:
                    self._worker = threading.Thread(
                        target=self._work, name="zenmail-runs", daemon=True
                    )
                    self._worker.start()
                self._changed.notify_all()
        except Exception as error:
            _logger.error("A run could not be checked: %s", described(error))

    def close(self) -> None:
        """Tell at once what is noted down, for no longer than half a minute."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not (self._due or self._busy), _LAST_ROUND)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                run, tries, context = self._next()
                self._busy = True
            if (
                not context.run(self._look_at, run)
                and tries + 1 < _ATTEMPTS
                and not self._closing
            ):
                with self._changed:
                    pause = _FIRST_PAUSE * 2**tries
                    self._due.setdefault(run, (time.monotonic() + pause, tries + 1, context))

    def _next(self) -> tuple[UUID, int, Context]:
        """Wait for the next run that is due; the lock is held."""
        while True:
            self._changed.wait_for(lambda: self._due)
            run, (due, tries, context) = min(self._due.items(), key=lambda it: it[1][:2])
            left = due - time.monotonic()
            if left <= 0 or self._closing:
                del self._due[run]
                return run, tries, context
            self._changed.wait(left)

    def _look_at(self, run_id: UUID) -> bool:
        """Tell what happened to a run; return whether nothing is left to do."""
        try:
            with defer_forks():
                # Most processes have no event to tell.
                from .observer import end_of, paused
                from .teller import Teller
            run = Client().get_pipeline_run(run_id)
            event = end_of(run) or paused(run)
            self._teller = self._teller or Teller("handler")
            return event is None or self._teller.tell(event, hooks_are_over=self._closing)
        except Exception as error:
            if not self._closing:
                _logger.error("A run could not be checked: %s", described(error))
            return False


_QUIET = frozenset({"initializing", "provisioning", "queued", "running", "retrying"})


def register_locally() -> None:
    """Have this process tell about its runs, if it keeps ZenML's database itself."""
    if os.environ.get("ZENML_SERVER") or Client().zen_store.type != StoreType.SQL:
        return
    dispatcher: Any = EventDispatcher()
    with _registering:
        if not any(isinstance(item, RunAlerts) for item in dispatcher._event_handlers):
            dispatcher.register_event_handler(RunAlerts())


_registering = threading.Lock()
