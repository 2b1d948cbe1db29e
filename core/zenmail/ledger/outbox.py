"""Mails kept in a folder until they can be delivered, whichever process does it.

Where a file lies says what is known of the mail, so that no crash can leave a lie behind:

```
20261124T120000.000000Z-3f…a1.json   waits to be sent
claimed/OWNER~….json                 belongs to a process, which is not sending it just now
sending/OWNER~….json                 belongs to a process that is sending it: it may arrive
unknown/….json                       may have arrived; under at_most_once, people decide
failed/….json                        was refused for good, or waited for too long
aside/…                              is no mail of ours, or a torn one
tmp/OWNER~….json                     is being written
```

A file changes its place by a rename, which only one of two processes can do. What a dead
process leaves behind, the next one to look finds by the owner in the name.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ..composing.shorten import without_missing_files
from ..email import Email, Envelope
from ..errors import ConfigurationError
from ..retry import DeliveryPolicy
from .outbox_stores import LEASE, LocalStore, RemoteStore, Store, UnreadableError
from .process import alive, this_process

__all__ = ["Claim", "Outbox", "OutboxEntry", "OutboxItem", "OutboxState"]

OutboxState = Literal["waiting", "claimed", "sending", "unknown", "failed"]

_logger = logging.getLogger(__name__)
_STATES: tuple[OutboxState, ...] = ("waiting", "claimed", "sending", "unknown", "failed")
_DAY = 86400.0
# How often the sends of one process look into a remote outbox, in seconds.
_REMOTE_INTERVAL = 60.0


class OutboxEntry(BaseModel):
    """A mail in the outbox, and those who still have to get it.

    Attributes:
        format: What tells our files from others.
        policy: What to do with it when its sender dies while sending.
        created: When it came into the outbox.
        sender: The envelope's sender.
        recipients: The recipients that have not got it.
        tries: How often it was tried out of the outbox.
        transport: Name of the transport that had the last word.
        reason: Why it is here.
        code: The code of that.
        email: The mail itself.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64"
    )

    format: Literal["zenmail-outbox-1"] = "zenmail-outbox-1"
    policy: DeliveryPolicy
    created: datetime
    sender: str
    recipients: tuple[str, ...]
    tries: int = 0
    transport: str = ""
    reason: str = ""
    code: str = ""
    email: Email

    @property
    def envelope(self) -> Envelope:
        """Who it is from, and who still has to get it."""
        return Envelope(self.sender, self.recipients)

    def replace(self, **changes: Any) -> OutboxEntry:
        """Return a copy with some fields changed."""
        return self.model_copy(update=changes)


@dataclass(frozen=True)
class OutboxItem:
    """What a list of the outbox shows of a mail.

    Attributes:
        name: What `Outbox.show` and `Outbox.drop` take.
        state: ``waiting``; ``claimed`` or ``sending`` by a process; ``unknown``: it may
            have arrived; ``failed`` for good.
        created: When it came into the outbox.
        subject: Its subject.
        recipients: Those who have not got it.
        tries: How often it was tried out of the outbox.
        reason: Why it is here.
        size: Bytes of its file.
    """

    name: str
    state: OutboxState
    created: datetime
    subject: str
    recipients: tuple[str, ...]
    tries: int
    reason: str
    size: int


class Outbox:
    """A folder of mails that could not be delivered yet.

    A local folder is readable by its owner alone, and every send is noted down there
    before it starts, so that a process that is killed loses no mail. A remote one (any URL
    that fsspec knows, ``s3://bucket/outbox``) takes only what could not be delivered; two
    processes claim a mail there by creating an object, which is as safe as the store's
    own exclusive creation.

    Args:
        folder: A path, or a URL.
        max_age: Seconds after which a mail that still waits counts as failed.
        storage_options: Credentials and the like for fsspec.

    Raises:
        ConfigurationError: ``folder`` is empty, or its URL is of an unknown kind.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        max_age: float = 7 * _DAY,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.location = _location(folder)
        self.max_age = max_age
        scheme, separator, rest = self.location.partition("://")
        self._next_look = 0.0
        self._store: Store
        if separator and scheme not in ("file", "local"):
            self._store = RemoteStore(self.location, storage_options or {})
        else:
            try:
                path = Path(rest if separator else self.location).expanduser()
            except RuntimeError:
                raise ConfigurationError(
                    f"The outbox {self.location} is in a home folder that is not known.",
                    remedy="Give the whole path, or set HOME.",
                ) from None
            self.location = str(path)
            self._store = LocalStore(path)

    def __repr__(self) -> str:
        return f"Outbox({self.location!r})"

    @property
    def local(self) -> bool:
        """Whether the outbox is a folder of this machine's."""
        return isinstance(self._store, LocalStore)

    def scan_due(self) -> bool:
        """Whether to look for waiting mails after a send: a remote folder not each time."""
        if self.local:
            return True
        now = time.monotonic()
        if now < self._next_look:
            return False
        self._next_look = now + _REMOTE_INTERVAL
        return True

    def list(self) -> Sequence[OutboxItem]:
        """Return all mails, the oldest first; files that are no mails are left out.

        Raises:
            OSError: The folder cannot be read.
        """
        items = []
        for state in _STATES:
            for place in self._places(state):
                try:
                    data = self._store.read(place.path)
                    entry = _load(data)
                except (UnreadableError, FileNotFoundError):
                    continue
                items.append(
                    OutboxItem(
                        place.name,
                        state,
                        entry.created,
                        entry.email.subject,
                        entry.recipients,
                        entry.tries,
                        entry.reason,
                        len(data),
                    )
                )
        return sorted(items, key=lambda item: item.name)

    def show(self, name: str) -> OutboxEntry:
        """Return one mail.

        Raises:
            ConfigurationError: There is none of this name, or its file is torn.
            OSError: The folder cannot be read.
        """
        place = self._find(name, _STATES)
        try:
            return _load(self._store.read(place.path))
        except UnreadableError as error:
            raise ConfigurationError(f"{name} is no mail of zenmail's: {error}") from None

    def drop(self, name: str) -> None:
        """Delete one mail.

        Raises:
            ConfigurationError: There is none of this name, or a process is sending it.
            OSError: The folder cannot be changed.
        """
        self._store.remove(self._find(name, ("waiting", "unknown", "failed")).path)

    def retry(self, name: str) -> None:
        """Have a mail sent again that failed, or that may have arrived.

        Raises:
            ConfigurationError: There is none of this name.
            OSError: The folder cannot be changed.
        """
        place = self._find(name, ("unknown", "failed"))
        fresh = _load(self._store.read(place.path)).replace(created=_now())
        self._store.write(_Place("waiting", name).path, _dump(fresh), durable=True)
        self._store.remove(place.path)

    def begin(
        self,
        email: Email,
        envelope: Envelope,
        policy: DeliveryPolicy,
        *,
        waits: bool = False,
    ) -> Claim:
        """Note a mail down that is about to be sent.

        Args:
            email: The mail.
            envelope: Who gets it.
            policy: What to do with it when this process dies while sending.
            waits: Whether other mails come first.

        Raises:
            OSError: The folder cannot be written to.
        """
        entry = OutboxEntry(
            policy=policy,
            created=_now(),
            sender=envelope.sender,
            recipients=envelope.recipients,
            email=email,
        )
        place = _Place("claimed" if waits else "sending", _new_name(), this_process())
        # The page cache outlives the process; only what stays here has to outlive the machine.
        self._store.write(place.path, _dump(entry), durable=False)
        return Claim(self._store, place, entry)

    def add(
        self,
        email: Email,
        envelope: Envelope,
        policy: DeliveryPolicy,
        *,
        state: OutboxState = "waiting",
        transport: str = "",
        reason: str = "",
        code: str = "",
    ) -> str:
        """Keep a mail, safe from a crash of the machine.

        Returns:
            Its name.

        Raises:
            OSError: The folder cannot be written to.
        """
        name = _new_name()
        entry = OutboxEntry(
            policy=policy,
            created=_now(),
            sender=envelope.sender,
            recipients=envelope.recipients,
            transport=transport,
            reason=reason,
            code=code,
            email=_with_files(email),
        )
        self._store.write(_Place(state, name).path, _dump(entry), durable=True)
        return name

    def waiting(self) -> Sequence[str]:
        """Return the names of the mails that wait, the oldest first.

        Raises:
            OSError: The folder cannot be read.
        """
        return sorted(place.name for place in self._places("waiting"))

    def claim(self, name: str) -> Claim | None:
        """Take a waiting mail, unless somebody else has, or it is none.

        A file that is no mail is set aside; a mail that is too old counts as failed.

        Raises:
            OSError: The folder cannot be changed.
        """
        place = _Place("claimed", name, this_process())
        if not self._store.move(_Place("waiting", name).path, place.path):
            return None
        try:
            entry = _load(self._store.read(place.path))
        except UnreadableError as error:
            self._set_aside(place, error)
            return None
        claim = Claim(self._store, place, entry)
        if self.max_age < (_now() - entry.created).total_seconds():
            days = self.max_age / _DAY
            _logger.error(
                "Mail %s to %s waited in the outbox for more than %g days and counts as "
                "failed. %s",
                name,
                ", ".join(entry.recipients),
                days,
                entry.reason,
            )
            reason = f"Older than {days:g} days. {entry.reason}"
            claim.move_out("failed", entry.recipients, reason=reason, code="expired")
            return None
        return claim

    def recover(self) -> None:
        """Take back what processes that have died left behind.

        Raises:
            OSError: The folder cannot be changed.
        """
        torn = [place for place in self._places("tmp") if self._abandoned(place)]
        if torn:
            known = {place.name for state in _STATES for place in self._places(state)}
            for place in torn:
                self._recover_torn(place, known)
        for place in self._places("claimed"):
            if self._abandoned(place):
                self._store.move(place.path, _Place("waiting", place.name).path)
        for place in self._places("sending"):
            if self._abandoned(place):
                with contextlib.suppress(FileNotFoundError):
                    self._recover_sending(place)

    def _recover_torn(self, place: _Place, known: set[str]) -> None:
        if place.name in known:
            # It was to take the place of a file that is still there.
            self._store.remove(place.path)
            return
        # Written whole and not yet renamed: nobody has sent it.
        try:
            _load(self._store.read(place.path))
        except UnreadableError as error:
            self._set_aside(place, error)
        except FileNotFoundError:
            pass
        else:
            self._store.move(place.path, _Place("waiting", place.name).path)

    def _recover_sending(self, place: _Place) -> None:
        try:
            entry = _load(self._store.read(place.path))
        except UnreadableError as error:
            self._set_aside(place, error)
            return
        Claim(self._store, place, entry).abandon("The process that was sending it died.")

    def _abandoned(self, place: _Place) -> bool:
        living = alive(place.owner)
        if living is None:
            changed = self._store.changed(place.path)
            return changed is not None and time.time() - changed > LEASE
        return not living

    def _set_aside(self, place: _Place, why: Exception) -> None:
        file = f"{place.name}.json"
        if file in self._store.names("aside"):
            file = f"{place.name}-{secrets.token_hex(4)}.json"
        target = f"aside/{file}"
        if self._store.move(place.path, target):
            _logger.error(
                "%s in the outbox %s is no mail of zenmail's, or a torn one (%s); it is kept "
                "as %s.",
                place.name,
                self.location,
                why,
                target,
            )

    def _find(self, name: str, states: Sequence[OutboxState]) -> _Place:
        for state in states:
            for place in self._places(state):
                if place.name == name:
                    return place
        raise ConfigurationError(
            f"The outbox {self.location} has no mail {name!r}"
            + (" that no process is sending." if "sending" not in states else "."),
            remedy="List it: zenmail outbox list",
        )

    def _places(self, state: str) -> Sequence[_Place]:
        places = []
        for file in self._store.names("" if state == "waiting" else state):
            stem, extension = os.path.splitext(file)
            owner, separator, name = stem.rpartition("~")
            if extension == ".json" and not file.startswith("."):
                places.append(_Place(state, name if separator else stem, owner))
        return places


@dataclass(frozen=True)
class _Place:
    """Where a mail lies."""

    state: str
    name: str
    owner: str = ""

    @property
    def path(self) -> str:
        file = f"{self.owner}~{self.name}.json" if self.owner else f"{self.name}.json"
        return file if self.state == "waiting" else f"{self.state}/{file}"


def _location(folder: str | os.PathLike[str]) -> str:
    try:
        location = os.fsdecode(folder)
        if b"\0" in os.fsencode(location):
            raise ValueError("a path holds no NUL character")
    except (TypeError, ValueError):
        raise ConfigurationError(
            "The outbox's folder is no path.", remedy="Give a path, or a URL."
        ) from None
    if not location.strip():
        raise ConfigurationError("The outbox has no folder.", remedy="Give its path.")
    return location


class Claim:
    """A mail of the outbox that this process has taken.

    Attributes:
        name: The mail's name.
        entry: The mail, and those who still have to get it.
    """

    def __init__(self, store: Store, place: _Place, entry: OutboxEntry) -> None:
        self._store = store
        self._place = place
        self.entry = entry
        # Whether the file names others than the entry, because it could not be written.
        self._stale = False
        # Notes of those who may have the mail and are not to get it again.
        self._doubts: dict[tuple[str, ...], Claim] = {}

    @property
    def name(self) -> str:
        """The mail's name in the outbox."""
        return self._place.name

    def started(self) -> None:
        """Note that the mail may be with somebody from now on."""
        self._follow("sending")

    def answered(self, remaining: Sequence[str], doubtful: Sequence[str] = ()) -> None:
        """Note who is left, that the mail is with nobody else, and who may have it."""
        if not remaining:
            return
        try:
            self._note_doubt(tuple(doubtful))
            if self._stale or tuple(remaining) != self.entry.recipients:
                self.entry = self.entry.replace(recipients=tuple(remaining))
                self._stale = True
                self._store.write(self._place.path, _dump(self.entry), durable=False)
                self._stale = False
        except OSError:
            # The file names some who have the mail: it stays where that is allowed for.
            return
        self._follow("claimed")

    def _note_doubt(self, doubtful: tuple[str, ...]) -> None:
        """Note down, in a file of its own, who may have the mail and is not left any more."""
        new = doubtful
        for known in self._doubts:
            new = tuple(address for address in new if address not in known)
        if new:
            place = _Place("sending", _new_name(), self._place.owner)
            entry = self.entry.replace(recipients=new)
            self._store.write(place.path, _dump(entry), durable=False)
            self._doubts[new] = Claim(self._store, place, entry)

    def _forget_doubts(self) -> None:
        while self._doubts:
            self._doubts.popitem()[1].done()

    def _follow(self, state: str) -> None:
        # The note is for a crash; that it cannot be taken is no reason not to send.
        place = _Place(state, self._place.name, self._place.owner)
        if place != self._place:
            with contextlib.suppress(OSError):
                if self._store.move(self._place.path, place.path):
                    self._place = place

    def done(self) -> None:
        """Take the mail out of the outbox: nobody is left who has to get it.

        Raises:
            OSError: The file cannot be deleted.
        """
        self._store.remove(self._place.path)
        self._forget_doubts()

    def move_out(
        self,
        state: OutboxState,
        recipients: Sequence[str],
        *,
        transport: str = "",
        reason: str = "",
        code: str = "",
        tried: bool = False,
    ) -> None:
        """Let go of the mail, safe from a crash of the machine.

        Raises:
            OSError: The folder cannot be written to.
        """
        entry = self.entry.replace(
            recipients=tuple(recipients),
            transport=transport,
            reason=reason,
            code=code,
            tries=self.entry.tries + tried,
            email=_with_files(self.entry.email),
        )
        # Written before the old one goes: a crash in between leaves both, under one name.
        self._store.write(self._place.path, _dump(entry), durable=True)
        target = _Place(state, self._place.name)
        self._store.move(self._place.path, target.path, durable=True)
        self._forget_doubts()

    def abandon(self, why: str) -> None:
        """Let go of the mail in the middle of its delivery.

        Raises:
            OSError: The folder cannot be written to.
        """
        while self._doubts:
            self._doubts.popitem()[1].abandon(why)
        if self._place.state == "sending" and self.entry.policy == "at_most_once":
            reason = f"{why} It may have arrived."
            self.move_out("unknown", self.entry.recipients, reason=reason, code="unknown")
            _logger.error(
                "Mail %s to %s: %s Under at_most_once it is not sent again; have it sent with "
                "'zenmail outbox flush', or drop it.",
                self.name,
                ", ".join(self.entry.recipients),
                reason,
            )
        else:
            self._store.move(self._place.path, _Place("waiting", self._place.name).path)


def _load(data: bytes) -> OutboxEntry:
    try:
        values = json.loads(data)
        if not isinstance(values, dict) or values.get("format") != "zenmail-outbox-1":
            raise UnreadableError("it is of another format")
        attachments = values["email"]["attachments"]
        lost = [
            item for item in attachments if item["path"] and not Path(item["path"]).is_file()
        ]
        if lost:
            names = ", ".join(str(item["filename"]) for item in lost)
            values["email"]["attachments"] = [item for item in attachments if item not in lost]
            notice = f"About this mail: Left out, because gone from the disk: {names}."
            values["email"]["text"] = f"{notice}\n\n{values['email']['text']}"
            data = json.dumps(values).encode("ascii")
        return OutboxEntry.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise UnreadableError(f"{field}: {first['msg']}") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnreadableError(f"{type(error).__name__}") from None


def _dump(entry: OutboxEntry) -> bytes:
    return entry.model_dump_json().encode("utf-8")


def _with_files(email: Email) -> Email:
    """Return the mail with the files that it names by path read into it.

    Raises:
        OSError: One cannot be read.
    """
    email = without_missing_files(email)
    if not any(item.path for item in email.attachments):
        return email
    return email.replace(
        attachments=tuple(
            item.model_copy(update={"content": item.read(), "path": None})
            for item in email.attachments
        )
    )


def _new_name() -> str:
    return f"{_now():%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(8)}"


def _now() -> datetime:
    return datetime.now(timezone.utc)
