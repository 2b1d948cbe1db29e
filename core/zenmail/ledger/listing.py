"""What people are shown of the outbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, cast

from ..clean import clean_line
from ..email import Email
from ..errors import ConfigurationError
from .claim import OutboxState
from .content import Unreadable, load_email, load_recipients
from .engine import Engine

__all__ = ["OutboxEntry", "OutboxItem", "list_all", "show"]

_LIST = """SELECT id, alerter, created, sender, subject, length(content), recipient,
CASE WHEN state = 'waiting' AND lease > {now} THEN 'claimed' ELSE state END,
tries, transport, reason, code, position FROM mails JOIN deliveries ON mail = id {where}
UNION ALL SELECT id, alerter, created, sender, subject, length(content), recipients,
'under way', 0, '', '', '', 0 FROM under_way {where} ORDER BY id, position"""
_LIST_ALL = _LIST.replace("{where}", "")
_LIST_ONE = _LIST.replace("{where}", "WHERE id = :mail")
_CONTENT = """SELECT content FROM mails WHERE id = :mail
UNION ALL SELECT content FROM under_way WHERE id = :mail"""


@dataclass(frozen=True)
class OutboxItem:
    """What the outbox knows of a mail's recipients in one state.

    Attributes:
        name: What `Outbox.show` and `Outbox.drop` take.
        alerter: Whose mail it is.
        created: When it came into the outbox.
        sender: The envelope's sender.
        subject: Its subject.
        size: Characters of its content.
        recipients: Those who have not got it.
        state: ``waiting``; ``claimed`` or ``sending`` by a process; ``unknown``: it may
            have arrived; ``failed``: refused permanently; ``aside``: it cannot be read.
        tries: How often it was tried out of the outbox.
        transport: Name of the last transport.
        reason: Why it is here.
        code: The code of that.
    """

    name: str
    alerter: str
    created: datetime
    sender: str
    subject: str
    size: int
    recipients: tuple[str, ...]
    state: OutboxState
    tries: int
    transport: str
    reason: str
    code: str


@dataclass(frozen=True)
class OutboxEntry(OutboxItem):
    """A mail in the outbox, and all who have not got it.

    Attributes:
        email: The mail itself.
    """

    email: Email


def list_all(engine: Engine) -> Sequence[OutboxItem]:
    """Return all mails of all alerters, the oldest first."""
    return _items(engine.rows(_LIST_ALL))


def show(engine: Engine, name: str) -> OutboxEntry | None:
    """Return one mail, or None if there is none of this name.

    Raises:
        ConfigurationError: It cannot be read.
    """
    rows, contents = engine.run(
        lambda t: (t.rows(_LIST_ONE, mail=name), t.rows(_CONTENT, mail=name))
    )
    if not rows:
        return None
    try:
        email = load_email(contents[0][0])
    except Unreadable as error:
        raise ConfigurationError(f"The mail {name} cannot be read: {error}") from None
    items = _items(rows)
    everybody = tuple(one for item in items for one in item.recipients)
    return OutboxEntry(**vars(replace(items[0], recipients=everybody)), email=email)


def _items(rows: Sequence[Sequence[Any]]) -> Sequence[OutboxItem]:
    items: dict[tuple[str, str], OutboxItem] = {}
    for row in rows:
        name, alerter, created, sender, subject, size, recipient, state, tries, *rest = (
            clean_line(str(value)) for value in row
        )
        recipients: tuple[str, ...] = (recipient,)
        if state == "under way":
            state, recipients = "sending", tuple(map(clean_line, load_recipients(row[6])))
        before = items.get((name, state))
        items[name, state] = OutboxItem(
            name=name,
            alerter=alerter,
            created=_moment(created),
            sender=sender,
            subject=subject,
            size=int(size),
            recipients=(*before.recipients, *recipients) if before else recipients,
            state=cast(OutboxState, state),
            tries=max(int(tries), before.tries if before else 0),
            transport=rest[0],
            reason=rest[1],
            code=rest[2],
        )
    return [*items.values()]


def _moment(seconds: str) -> datetime:
    try:
        return datetime.fromtimestamp(float(seconds), timezone.utc)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, timezone.utc)
