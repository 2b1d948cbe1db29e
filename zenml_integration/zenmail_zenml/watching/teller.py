"""Mails events of runs, each once."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol, cast

from zenml.client import Client
from zenml.enums import StackComponentType
from zenml.models import PipelineRunResponse
from zenml.stack import StackComponent

from zenmail import Alert, Ledger, ZenmailError
from zenmail.redaction.redact import redacted

from ..alerts.run_context import RunContext, elapsed
from ..mailers import ledger_location
from ..posting import Posted
from ..settings import Resolved
from .claims import Claims, was_told
from .observer import RunEvent, hooked_failure

__all__ = ["Teller"]

_logger = logging.getLogger(__name__)
_FLAVOR = "smtp_email"
# What a process needs besides the delivery: reading, and recording what it did.
_MARGIN = 30.0
# A hook's mail is recorded on the run after its deadline at the latest; see `recording`.
_RECORDING = 10.0


class _Alerter(Protocol):
    """What is needed of `SMTPEmailAlerter`, which imports this package itself."""

    name: str

    def settings_in(self, context: RunContext) -> Resolved: ...

    def work_queue(self) -> tuple[int, int]: ...

    def deliver(
        self, alert: Alert, context: RunContext, params: Mapping[str, Any] | None = None
    ) -> Posted: ...


class Teller:
    """Mails events with the alerters of the runs' stacks.

    Args:
        by: Who tells, as the evidence names it.
        alerter: Name of the alerter to use for every run; None for those of its stack.

    Attributes:
        sent: How many mails were delivered, or left to somebody who will deliver them.
        failed: How many were not.
        unmailed: How many events were of runs on a stack without an e-mail alerter.
    """

    def __init__(self, by: str, *, alerter: str | None = None) -> None:
        self._by = by
        self._alerter = alerter
        self.sent = self.failed = self.unmailed = 0

    def alerters(self, run: PipelineRunResponse | None = None) -> list[_Alerter]:
        """Return the e-mail alerters that tell about a run; None for those of all runs."""
        kind = StackComponentType.ALERTER
        if self._alerter is not None:
            models = [Client().get_stack_component(kind, self._alerter)]
        elif run is None:
            models = list(Client().list_stack_components(type=kind, size=1000).items)
        else:
            models = run.stack.components.get(kind, []) if run.stack is not None else []
        return [
            cast(_Alerter, StackComponent.from_model(model))
            for model in models
            if model.flavor_name == _FLAVOR
        ]

    def wanting(self, kind: str, context: RunContext) -> list[tuple[_Alerter, Resolved]]:
        """Return the alerters that mail a kind of event of a run, each with its settings."""
        wanted = []
        for alerter in self.alerters(context.run):
            try:
                settings = alerter.settings_in(context)
            except ZenmailError as error:
                why = redacted(str(error))
                _logger.error("%s cannot send mails about runs: %s", alerter.name, why)
                continue
            wants = kind == "undelivered" or settings.alerts_about(kind)
            if wants and settings.recipients:
                wanted.append((alerter, settings))
        return wanted

    def tell(self, event: RunEvent, *, hooks_are_over: bool = False) -> bool:
        """Mail an event, unless nobody wants it or it has been told.

        Args:
            event: The event.
            hooks_are_over: Whether no hook of the run can come any more.

        Returns:
            Whether there is nothing left to do; if not, try again later.
        """
        if was_told(event.run, event.key):
            return True
        stack = event.run.stack
        context = RunContext(run=event.run, stack=stack.name if stack is not None else "")
        wanted = self.wanting(event.kind, context)
        if not wanted:
            self.unmailed += not self.alerters(event.run)
            return True
        longest = sum(settings.deadline for _, settings in wanted)
        if not hooks_are_over and _hook_may_tell(event, longest + _RECORDING):
            return False
        claims = _claims_in(*wanted[0])
        claim = claims.claim(event, longest + _MARGIN)
        if claim != "mine":
            return claim == "told"
        try:
            told = self._mail(event, [alerter for alerter, _ in wanted], context)
        except BaseException:
            claims.release(event)
            raise
        if told is None:
            claims.release(event)
            return False
        claims.settle(event, self._by, told)
        return True

    def _mail(
        self, event: RunEvent, alerters: list[_Alerter], context: RunContext
    ) -> dict[str, Any] | None:
        """Mail an event; return the deliveries as metadata, or None to try again."""
        alert = event.alert()
        told: dict[str, Any] | None = None
        for alerter in alerters:
            try:
                posted = alerter.deliver(alert, context, event.addressing)
            except ZenmailError as error:
                # Trying again changes nothing before somebody mends the set-up.
                why = redacted(str(error))
                _logger.error("%s cannot send a mail about a run: %s", alerter.name, why)
                self.failed += 1
                told = told or {}
            else:
                self.sent += posted.receipt.ok
                self.failed += not posted.log()
                if posted.receipt.outcome != "deferred":
                    told = {**(told or {}), **posted.metadata()}
        return told


def _claims_in(alerter: _Alerter, settings: Resolved) -> Claims:
    """Return the claims in the alerter's ledger if other machines share it, else in ZenML."""
    location = ledger_location(settings)
    if not location.startswith(("postgresql:", "postgres:")):
        return Claims()
    return Claims(_shared_ledger(location, alerter.name).told)


@lru_cache(maxsize=8)
def _shared_ledger(location: str, alerter: str) -> Ledger:
    """Return a ledger whose connections are used again for the next event."""
    return Ledger(location, alerter=alerter)


def _hook_may_tell(event: RunEvent, seconds: float) -> bool:
    """Whether a hook may still be about to mail the event; it ends by its deadline."""
    failed_at = hooked_failure(event.run) if event.kind == "failed" else None
    age = elapsed(failed_at, None)
    return age is not None and age < seconds
