"""Asks ZenML regularly how its runs ended, and mails what has not been mailed yet."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar
from uuid import UUID

from zenml.client import Client
from zenml.models import Page, PipelineRunResponse

from zenmail.redaction.redact import described

from ..alerts.run_context import RunContext
from .claims import was_told
from .observer import RunEvent, end_of, paused, running_late, silent, undelivered, utc
from .teller import Teller

__all__ = ["Round", "Watcher"]

_logger = logging.getLogger(__name__)
_Item = TypeVar("_Item", bound=Any)
_PAGE = 100
_FORMAT = "%Y-%m-%d %H:%M:%S"
# A run's end is visible a little later than it says, and clocks differ.
_OVERLAP = timedelta(minutes=5)


@dataclass
class Round:
    """What one look at ZenML found.

    Attributes:
        ended: Runs that had ended since the look before.
        running: Runs in progress.
        waiting: Events to try again at the next look.
        unmailed: Events of runs on a stack without an e-mail alerter.
        sent: Mails that were delivered now, those from the alerters' ledgers included.
        failed: Mails that were not.
        troubles: What went wrong, a line each.
    """

    ended: int = 0
    running: int = 0
    waiting: int = 0
    unmailed: int = 0
    sent: int = 0
    failed: int = 0
    troubles: list[str] = field(default_factory=list)


class Watcher:
    """Looks at the runs of ZenML.

    Args:
        teller: What mails the events.
        lookback: How far back the first look goes.
        patience: Seconds without a sign of life after which a run counts as silent.
        projects: Names of the projects to look at; none for all.
    """

    def __init__(
        self,
        teller: Teller,
        *,
        lookback: timedelta,
        patience: float,
        projects: Collection[str] = (),
    ) -> None:
        self._teller = teller
        self._patience = patience
        self._projects = projects
        self._since = _now() - lookback
        self._ended: set[UUID] = set()
        self._told: set[tuple[UUID, str]] = set()

    def look(self) -> Round:
        """Look once, mail what happened, and send what waits in the alerters' ledgers."""
        found = Round()
        for alerter in self._teller.alerters():
            try:
                sent, failed = alerter.work_queue()
                found.sent += sent
                found.failed += failed
            except Exception as error:
                found.troubles.append(f"{alerter.name}: {described(error)}")
        projects = self._projects or [item.name for item in _pages(Client().list_projects)]
        # Those that show no sign of life have waited longest.
        teller = self._teller
        teller.sent = teller.failed = teller.unmailed = 0
        self._look_at_running(projects, found)
        self._look_at_ended(projects, found)
        found.sent += teller.sent
        found.failed += teller.failed
        found.unmailed = teller.unmailed
        return found

    def _look_at_ended(self, projects: Collection[str], found: Round) -> None:
        since = latest = self._since
        unfinished: list[datetime] = []
        before: dict[UUID, PipelineRunResponse] = {}
        for run in _runs(projects, end_time=f"gte:{since:{_FORMAT}}", sort_by="asc:end_time"):
            if run.end_time is None:
                continue
            end = utc(run.end_time)
            latest = max(latest, end)
            if run.id not in self._ended:
                found.ended += 1
                if self._tell(run, _events_of_ended(run, before), found):
                    self._ended.add(run.id)
                else:
                    unfinished.append(end)
            if run.pipeline is not None:
                before[run.pipeline.id] = run
        # What could not be told yet is looked at again.
        self._since = max(since, min([latest - _OVERLAP, *unfinished]))

    def _look_at_running(self, projects: Collection[str], found: Round) -> None:
        now = _now()
        active = set()
        for run in _runs(projects, in_progress=True, sort_by="asc:created"):
            found.running += 1
            active.add(run.id)
            self._tell(run, self._events_of_running(run, now), found)
        self._told = {(run, key) for run, key in self._told if run in active}

    def _events_of_running(self, run: PipelineRunResponse, now: datetime) -> Iterator[RunEvent]:
        yield from undelivered(run)
        # It may have failed while other steps are still at work.
        event = end_of(run) or paused(run)
        if event is not None:
            yield event
            return
        context = RunContext(run=run)
        if not was_told(run, "late") and (wanting := self._teller.wanting("late", context)):
            limits = [settings.max_duration for _, settings in wanting]
            if late := running_late(run, now, min(filter(None, limits), default=None)):
                yield late
        if not was_told(run, "silent") and (quiet := silent(run, now, self._patience)):
            yield quiet

    def _tell(self, run: PipelineRunResponse, events: Iterator[RunEvent], found: Round) -> bool:
        """Tell the events of a run; return whether nothing is left to do."""
        try:
            for event in events:
                if (run.id, event.key) in self._told:
                    continue
                if not self._teller.tell(event):
                    found.waiting += 1
                    return False
                self._told.add((run.id, event.key))
        except Exception as error:
            found.troubles.append(f"run {run.name}: {described(error)}")
            frames = described(error, frames=True)
            _logger.debug("Could not send a mail about %s\n%s", run.name, frames)
            return False
        return True


def _events_of_ended(
    run: PipelineRunResponse, before: Mapping[UUID, PipelineRunResponse]
) -> Iterator[RunEvent]:
    event = end_of(run, before.get(run.pipeline.id) if run.pipeline is not None else None)
    if event is not None:
        yield event
    yield from undelivered(run)


def _runs(projects: Collection[str], **which: Any) -> Iterator[PipelineRunResponse]:
    for project in projects:
        yield from _pages(Client().list_pipeline_runs, project=project, hydrate=True, **which)


def _pages(listed: Callable[..., Page[_Item]], **which: Any) -> Iterator[_Item]:
    """Yield the items of every page of one of ZenML's lists."""
    number = pages = 1
    while number <= pages:
        page = listed(page=number, size=_PAGE, **which)
        yield from page.items
        number, pages = number + 1, page.total_pages


def _now() -> datetime:
    return utc(datetime.now(timezone.utc))
