"""Who tells about an event: the first who claims it, and nobody once it has been told."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any, Literal

from zenml.client import Client
from zenml.exceptions import EntityExistsError
from zenml.models import PipelineRunResponse

from zenmail.ledger.told import Told

from ..alerts.run_context import elapsed
from ..lineage import evidence_of, write_metadata
from .observer import RunEvent

__all__ = ["Claims", "was_told"]

Claim = Literal["mine", "busy", "told"]


class Claims:
    """Decides who tells about an event; the evidence is in the run's metadata.

    Args:
        told: The events of a ledger that machines share; None to claim them in ZenML.
    """

    def __init__(self, told: Told | None = None) -> None:
        self._lock = told or _Tags()

    def claim(self, event: RunEvent, seconds: float) -> Claim:
        """Claim an event.

        Args:
            event: The event.
            seconds: How long the claim is needed at most; afterwards it counts as abandoned.

        Returns:
            "mine" for one caller at a time, and for nobody once the event has been told.
        """
        claim = self._lock.claim(_name(event), seconds)
        if claim != "mine":
            return claim
        try:
            run = Client().get_pipeline_run(event.run.id, project=event.run.project_id)
            told = was_told(run, event.key)
        except BaseException:
            self.release(event)
            raise
        if told:
            self._lock.settle(_name(event))
            return "told"
        return "mine"

    def settle(self, event: RunEvent, by: str, deliveries: Mapping[str, Any]) -> None:
        """Note that the event has been told, and give up the claim.

        Args:
            event: The event.
            by: Who told it.
            deliveries: Metadata of the mails, to be written with it.
        """
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        try:
            told = {evidence_of(event.key): {"by": by, "at": now}}
            write_metadata(event.run, {**told, **deliveries})
        except BaseException:
            # A ledger remembers it without the run. A tag stays, as the next one would tell.
            if isinstance(self._lock, Told):
                self._lock.settle(_name(event))
            raise
        self._lock.settle(_name(event))

    def release(self, event: RunEvent) -> None:
        """Give up the claim, for the next one to try."""
        self._lock.release(_name(event))


class _Tags:
    """Claims as tags in ZenML, which takes one of two that are created at the same time."""

    def claim(self, event: str, seconds: float) -> Claim:
        try:
            Client().create_tag(name=_tag(event))
        except EntityExistsError:
            _drop_abandoned(_tag(event), seconds)
            return "busy"
        return "mine"

    def release(self, event: str) -> None:
        Client().delete_tag(_tag(event))

    settle = release


def _name(event: RunEvent) -> str:
    return f"{event.run.id}:{event.key}"


def _tag(event: str) -> str:
    return f"zenmail-telling-{event}"


def _drop_abandoned(name: str, seconds: float) -> None:
    """Delete a tag whose owner has had its time; by ID, so that no newer one is hit."""
    # Not get_tag: where the owner deletes the tag between its two queries it raises IndexError.
    for tag in Client().list_tags(name=f"equals:{name}").items:
        if (elapsed(tag.created, None) or 0.0) > seconds:
            with suppress(KeyError):
                Client().zen_store.delete_tag(tag_id=tag.id)


def was_told(run: PipelineRunResponse, key: str) -> bool:
    """Whether the metadata of a run, as it was read, says that an event has been told."""
    return evidence_of(key) in run.run_metadata
