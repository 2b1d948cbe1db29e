"""Who tells about an event: the first who claims it, and nobody once it has been told."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal, Protocol

from zenml.client import Client
from zenml.exceptions import EntityExistsError

from ..alerts.run_context import elapsed
from ..lineage import evidence_of, record_on_run

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse

    from zenmail.ledger.told import Told

    from .observer import RunEvent

__all__ = ["Claim", "Claims", "LedgerClaims", "RunClaims", "was_told"]

Claim = Literal["mine", "busy", "told"]


class Claims(Protocol):
    """Decides who tells about an event."""

    def claim(self, event: RunEvent, seconds: float) -> Claim:
        """Claim an event.

        Args:
            event: The event.
            seconds: How long the claim is needed at most; afterwards it counts as abandoned.

        Returns:
            "mine" for one caller at a time, and for nobody once the event has been told.
        """
        ...

    def settle(self, event: RunEvent, by: str, deliveries: Mapping[str, Any]) -> None:
        """Note that the event has been told, and give up the claim.

        Args:
            event: The event.
            by: Who told it.
            deliveries: Metadata of the mails, to be written with it.
        """

    def release(self, event: RunEvent) -> None:
        """Give up the claim, for the next one to try."""


class RunClaims:
    """Claims kept in ZenML: a tag while an event is being told, then the run's metadata.

    The name of a tag is unique in ZenML's database, so that of two who create it at the same
    time one is refused.
    """

    def claim(self, event: RunEvent, seconds: float) -> Claim:
        """Claim an event; see `Claims.claim`."""
        tag = _tag(event)
        try:
            Client().create_tag(name=tag)
        except EntityExistsError:
            _drop_abandoned(tag, seconds)
            return "busy"
        try:
            run = Client().get_pipeline_run(event.run.id, project=event.run.project_id)
            told = was_told(run, event.key)
        except BaseException:
            self.release(event)
            raise
        if told:
            self.release(event)
            return "told"
        return "mine"

    def settle(self, event: RunEvent, by: str, deliveries: Mapping[str, Any]) -> None:
        """Note that the event has been told, and give up the claim; see `Claims.settle`."""
        _note(event, by, deliveries)
        self.release(event)

    def release(self, event: RunEvent) -> None:
        """Give up the claim, for the next one to try."""
        Client().delete_tag(_tag(event))


class LedgerClaims:
    """Claims kept in a ledger that hooks, handlers and watchers share.

    The run's metadata has the evidence as well, for those who use no ledger.

    Args:
        told: The ledger's events.
    """

    def __init__(self, told: Told) -> None:
        self._told = told

    def claim(self, event: RunEvent, seconds: float) -> Claim:
        """Claim an event; see `Claims.claim`."""
        claim = self._told.claim(_name(event), seconds)
        if claim != "mine":
            return claim
        run = Client().get_pipeline_run(event.run.id, project=event.run.project_id)
        if not was_told(run, event.key):
            return "mine"
        self._told.settle(_name(event))
        return "told"

    def settle(self, event: RunEvent, by: str, deliveries: Mapping[str, Any]) -> None:
        """Note that the event has been told, and give up the claim; see `Claims.settle`."""
        self._told.settle(_name(event))
        _note(event, by, deliveries)

    def release(self, event: RunEvent) -> None:
        """Give up the claim, for the next one to try."""
        self._told.release(_name(event))


def _note(event: RunEvent, by: str, deliveries: Mapping[str, Any]) -> None:
    """Write the evidence and the deliveries on the run, in one request."""
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    told = {evidence_of(event.key): {"by": by, "at": now}}
    record_on_run(event.run, {**told, **deliveries})


def _name(event: RunEvent) -> str:
    return f"{event.run.id}:{event.key}"


def _tag(event: RunEvent) -> str:
    return f"zenmail-telling-{event.run.id.hex}-{event.key}"


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
