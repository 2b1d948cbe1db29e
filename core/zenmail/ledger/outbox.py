"""Mails kept until they can be delivered, whichever process does it.

Each recipient of a mail has a row, which says what is known:

- ``waiting``: has not got the mail. A process that has taken it holds a lease on it.
- ``sending``: a process is sending it. When the lease ends, that process is dead.
- ``unknown``: may have got it; under at_most_once, people decide.
- ``failed``: was refused for good, or the mail waited for too long.
- ``aside``: the entry is corrupt or foreign and cannot be sent.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal, NamedTuple, cast

from pydantic import ConfigDict, ValidationError, model_validator

from ..address import parse_mailbox
from ..clean import clean_line
from ..composing.shorten import without_missing_files
from ..email import Email, Envelope
from ..errors import ConfigurationError, LedgerError
from ..model import LateModel
from ..retry import DeliveryPolicy
from .engine import Engine, Survives, Transaction

__all__ = ["Claim", "Fate", "Outbox", "OutboxEntry", "OutboxItem", "OutboxState"]

OutboxState = Literal["waiting", "claimed", "sending", "unknown", "failed", "aside"]

_logger = logging.getLogger(__name__)
_LONGEST_CONTENT = 256 * 1024 * 1024
# The pause after a failed attempt, in seconds; doubled with each attempt.
_FIRST_REST = 15.0
_LONGEST_REST = 900.0

_MAIL = """INSERT INTO mails (id, alerter, policy, created, sender, subject, content)
VALUES (:mail, :alerter, :policy, {now}, :sender, :subject, :content)
ON CONFLICT DO NOTHING"""
_DELIVERY = """INSERT INTO deliveries
(mail, recipient, position, state, owner, lease, tries, not_before, transport, reason, code)
VALUES (:mail, :recipient, :position, :state, :owner, {now} + :seconds, :tries, {now} + :rest,
:transport, :reason, :code)
ON CONFLICT (mail, recipient) DO UPDATE SET
state = excluded.state, owner = excluded.owner, lease = excluded.lease, tries = excluded.tries,
not_before = excluded.not_before, transport = excluded.transport, reason = excluded.reason,
code = excluded.code
WHERE deliveries.owner = :mine"""
_FORGET = "DELETE FROM deliveries WHERE mail = :mail AND recipient = :recipient"
_FORGET_MAIL = """DELETE FROM mails WHERE id = :mail
AND NOT EXISTS (SELECT 1 FROM deliveries WHERE mail = :mail)"""
_DUE = """SELECT m.id FROM mails m WHERE m.alerter = :alerter AND EXISTS
(SELECT 1 FROM deliveries d WHERE d.mail = m.id AND d.state = 'waiting' AND d.lease <= {now}
AND d.not_before <= {now}) ORDER BY m.id LIMIT :most {skip_locked}"""
_BACKLOG = """SELECT count(DISTINCT m.id), {now} - min(m.created) FROM mails m
JOIN deliveries d ON d.mail = m.id WHERE m.alerter = :alerter AND d.state = 'waiting'"""
_CLAIM = """UPDATE deliveries SET owner = :mine, lease = {now} + :seconds
WHERE mail = :mail AND state = 'waiting' AND lease <= {now} RETURNING mail"""
_START = """UPDATE deliveries SET state = 'sending', lease = {now} + :seconds
WHERE mail = :mail AND owner = :mine AND state = 'waiting'
RETURNING recipient, position, tries"""
_UNCLAIM = """UPDATE deliveries SET owner = '', lease = 0
WHERE mail = :mail AND owner = :mine AND state = 'waiting'"""
_LOAD = """SELECT sender, policy, content FROM mails
WHERE id = :mail AND length(content) <= :longest"""
_MOVE = """UPDATE deliveries SET state = :state, owner = :owner, lease = 0, reason = :reason,
code = :code WHERE mail = :mail AND owner = :mine"""
_ABANDON = """UPDATE deliveries SET owner = '', lease = 0,
state = CASE WHEN state = 'sending' AND {policy} = 'at_most_once' THEN 'unknown'
ELSE 'waiting' END,
reason = CASE WHEN state = 'sending' AND {policy} = 'at_most_once' THEN {why} ELSE reason END,
code = CASE WHEN state = 'sending' AND {policy} = 'at_most_once' THEN 'unknown' ELSE code END
WHERE {which} RETURNING mail, recipient, state"""
_POLICY = "(SELECT m.policy FROM mails m WHERE m.id = deliveries.mail)"
_MINE = "(SELECT m.id FROM mails m WHERE m.alerter = :alerter)"
_RETRY = f"""UPDATE deliveries SET state = 'waiting', not_before = 0
WHERE state = :state AND mail IN {_MINE}"""  # noqa: S608
_RELEASE = _ABANDON.format(policy=":policy", why=":why", which="mail = :mail AND owner = :mine")
_RECOVER = _ABANDON.format(
    policy=_POLICY,
    why=":why",
    which="state = 'sending' AND lease <= {now} AND mail IN " + _MINE,
)
_EXPIRE = """UPDATE deliveries SET state = 'failed', code = :code, reason = :why || reason
WHERE state = 'waiting' AND lease <= {now} AND mail IN (SELECT m.id FROM mails m
WHERE m.alerter = :alerter AND m.created < {now} - :max_age)
RETURNING mail, recipient, reason"""
_LIST = """SELECT m.id, m.alerter, m.created, m.subject, length(m.content), d.recipient,
CASE WHEN d.state = 'waiting' AND d.lease > {now} THEN 'claimed' ELSE d.state END,
d.tries, d.reason
FROM mails m JOIN deliveries d ON d.mail = m.id
ORDER BY m.id, d.position"""
_SHOW = """SELECT m.alerter, m.policy, m.created, m.sender, m.content, d.recipient, d.tries,
d.transport, d.reason, d.code
FROM mails m JOIN deliveries d ON d.mail = m.id WHERE m.id = :mail ORDER BY d.position"""


class _Content(LateModel):
    """How a mail is written down."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    email: Email

    @model_validator(mode="before")
    @classmethod
    def _refuse_paths(cls, value: object) -> object:
        # Whoever can write to the database could have any file of this machine mailed.
        email = value.get("email") if isinstance(value, Mapping) else None
        attachments = email.get("attachments", ()) if isinstance(email, Mapping) else ()
        for item in attachments:
            if not isinstance(item, Mapping) or item.get("path") is not None:
                raise ValueError("an attachment names a file instead of holding its content")
        return value


class Unreadable(Exception):
    """The entry is corrupt or foreign and cannot be sent."""


@dataclass(frozen=True)
class OutboxEntry:
    """A mail in the outbox, and those who still have to get it.

    Attributes:
        alerter: Whose mail it is.
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

    alerter: str
    policy: DeliveryPolicy
    created: datetime
    sender: str
    recipients: tuple[str, ...]
    tries: int
    transport: str
    reason: str
    code: str
    email: Email


@dataclass(frozen=True)
class OutboxItem:
    """What a list of the outbox shows of a mail's recipients in one state.

    Attributes:
        name: What `Outbox.show` and `Outbox.drop` take.
        alerter: Whose mail it is.
        state: ``waiting``; ``claimed`` or ``sending`` by a process; ``unknown``: it may
            have arrived; ``failed`` for good; ``aside``: it cannot be read.
        created: When it came into the outbox.
        subject: Its subject.
        recipients: Those who have not got it.
        tries: How often it was tried out of the outbox.
        reason: Why it is here.
        size: Characters of its content.
    """

    name: str
    alerter: str
    state: OutboxState
    created: datetime
    subject: str
    recipients: tuple[str, ...]
    tries: int
    reason: str
    size: int


class Fate(NamedTuple):
    """What becomes of a recipient who has not got the mail.

    Attributes:
        state: ``waiting``, ``unknown`` or ``failed``.
        transport: Name of the transport that had the last word.
        reason: Why.
        code: The code of that.
    """

    state: OutboxState
    transport: str = ""
    reason: str = ""
    code: str = ""


class Outbox:
    """The mails of a ledger.

    Args:
        engine: The database.
        alerter: Whose mails this one adds and sends.
        max_age: Seconds after which a mail that still waits counts as failed.
        margin: Seconds that a lease is longer than the time for the mail.
    """

    def __init__(
        self, engine: Engine, alerter: str = "", *, max_age: float, margin: float
    ) -> None:
        self._engine = engine
        self._alerter = alerter
        self._max_age = max_age
        self._margin = margin

    def list(self) -> Sequence[OutboxItem]:
        """Return all mails of all alerters, the oldest first.

        Raises:
            LedgerError: The database cannot be used.
        """
        items: dict[tuple[str, str], OutboxItem] = {}
        for (
            mail,
            alerter,
            created,
            subject,
            size,
            recipient,
            state,
            tries,
            reason,
        ) in self._engine.run(lambda transaction: transaction.rows(_LIST)):
            before = items.get((mail, state))
            items[mail, state] = OutboxItem(
                name=clean_line(str(mail)),
                alerter=clean_line(str(alerter)),
                state=cast(OutboxState, clean_line(str(state))),
                created=_moment(created),
                subject=clean_line(str(subject)),
                recipients=(
                    *(before.recipients if before else ()),
                    clean_line(str(recipient)),
                ),
                tries=max(int(tries), before.tries if before else 0),
                reason=clean_line(str(reason)),
                size=int(size),
            )
        return [*items.values()]

    def backlog(self) -> tuple[int, float]:
        """Return how many of this alerter's mails wait, and the age of the oldest in seconds.

        Raises:
            LedgerError: The database cannot be used.
        """
        ((count, age),) = self._engine.run(
            lambda transaction: transaction.rows(_BACKLOG, alerter=self._alerter)
        )
        return count, age or 0.0

    def show(self, name: str) -> OutboxEntry:
        """Return one mail.

        Raises:
            ConfigurationError: There is none of this name, or it cannot be read.
            LedgerError: The database cannot be used.
        """
        rows = self._engine.run(lambda transaction: transaction.rows(_SHOW, mail=name))
        if not rows:
            raise self._missing(name)
        alerter, policy, created, sender, content, _, tries, transport, reason, code = rows[0]
        try:
            email = _load(content)
        except Unreadable as error:
            raise ConfigurationError(f"The mail {name} cannot be read: {error}") from None
        return OutboxEntry(
            alerter=clean_line(alerter),
            policy=policy,
            created=_moment(created),
            sender=clean_line(sender),
            recipients=tuple(clean_line(row[5]) for row in rows),
            tries=tries,
            transport=clean_line(transport),
            reason=clean_line(reason),
            code=clean_line(code),
            email=email,
        )

    def drop(self, name: str) -> None:
        """Delete one mail.

        Raises:
            ConfigurationError: There is none of this name, or a process is sending it.
            LedgerError: The database cannot be used.
        """

        def delete(transaction: Transaction) -> bool:
            found = transaction.rows(
                "DELETE FROM deliveries WHERE mail = :mail AND lease <= {now} "
                "RETURNING recipient",
                mail=name,
            )
            transaction.execute(_FORGET_MAIL, mail=name)
            return bool(found)

        if not self._engine.run(delete):
            raise self._missing(name, " that no process is sending")

    def retry(self, states: Collection[OutboxState]) -> None:
        """Have what waits, and this alerter's mails in these states, tried again now.

        Raises:
            LedgerError: The database cannot be used.
        """

        def wait(transaction: Transaction) -> None:
            transaction.execute(_RETRY, alerter=self._alerter, state="waiting")
            for state in {"unknown", "failed"} & set(states):
                transaction.execute(
                    "UPDATE mails SET created = {now} WHERE alerter = :alerter AND id IN "
                    "(SELECT mail FROM deliveries WHERE state = :state)",
                    alerter=self._alerter,
                    state=state,
                )
                transaction.execute(_RETRY, alerter=self._alerter, state=state)

        self._engine.run(wait)

    def begin(
        self,
        email: Email,
        envelope: Envelope,
        policy: DeliveryPolicy,
        seconds: float,
        *,
        waits: bool = False,
    ) -> Claim:
        """Note a mail down that is about to be sent.

        Args:
            email: The mail.
            envelope: Who gets it.
            policy: What to do with it when this process dies while sending.
            seconds: How long its delivery may take.
            waits: Whether other mails come first.

        Raises:
            LedgerError: The database cannot be used.
        """
        email = without_missing_files(email)
        claim = Claim(
            self._engine,
            _new_name(),
            self._alerter,
            policy,
            email,
            envelope,
            seconds=seconds + self._margin,
            sending=not waits,
        )
        claim.write()
        return claim

    def add(
        self,
        email: Email,
        envelope: Envelope,
        policy: DeliveryPolicy,
        fates: Fate | Mapping[str, Fate],
    ) -> str:
        """Keep a mail, safe from a crash of the machine.

        Args:
            email: The mail.
            envelope: Who has still to get it.
            policy: What to do with it when its sender dies while sending.
            fates: What becomes of all recipients, or of each.

        Returns:
            Its name.

        Raises:
            LedgerError: The database cannot be used.
        """
        name = _new_name()
        email = without_missing_files(email)
        claim = Claim(self._engine, name, self._alerter, policy, email, envelope)
        if isinstance(fates, Fate):
            fates = dict.fromkeys(envelope.recipients, fates)
        claim.settle(fates)
        return name

    def claim(self, most: int, seconds: float) -> Sequence[str]:
        """Claim this alerter's mails that are due, the oldest first.

        Each has then to be given to `start` or `unclaim`.

        Args:
            most: How many to claim at most.
            seconds: How long the delivery of one may take.

        Returns:
            Their names.

        Raises:
            LedgerError: The database cannot be used.
        """
        mine = {"mine": self._engine.owner, "seconds": seconds + self._margin}

        def take(transaction: Transaction) -> list[str]:
            due = transaction.rows(_DUE, alerter=self._alerter, most=most)
            return [mail for (mail,) in due if transaction.rows(_CLAIM, mail=mail, **mine)]

        return self._engine.run(take)

    def start(self, name: str, seconds: float) -> Claim | None:
        """Return a claimed mail, from now on held as being sent.

        Args:
            name: The mail.
            seconds: How long its delivery may take.

        Returns:
            The mail; None if the claim was lost meanwhile, or the mail cannot be read.

        Raises:
            LedgerError: The database cannot be used.
        """
        lease = seconds + self._margin
        key = {"mail": name, "mine": self._engine.owner}

        def begin(transaction: Transaction) -> tuple[list[Sequence[Any]], list[Sequence[Any]]]:
            rows = transaction.rows(_START, seconds=lease, **key)
            return rows, transaction.rows(_LOAD, mail=name, longest=_LONGEST_CONTENT)

        rows, mails = self._engine.run(begin)
        if not rows:
            return None
        rows.sort(key=lambda row: row[1])
        try:
            if not mails:
                raise Unreadable("it is too large")
            sender, policy, content = mails[0]
            email = _load(content)
            envelope = _envelope(sender, [row[0] for row in rows])
            if policy not in ("at_most_once", "at_least_once"):
                raise Unreadable("its policy is unknown")
        except Unreadable as error:
            self._set_aside(name, str(error))
            return None
        return Claim(
            self._engine,
            name,
            self._alerter,
            cast(DeliveryPolicy, policy),
            email,
            envelope,
            seconds=lease,
            tries=max(row[2] for row in rows),
            sending=True,
        )

    def unclaim(self, names: Sequence[str]) -> None:
        """Let go of claimed mails that were not started.

        Raises:
            LedgerError: The database cannot be used.
        """
        keys = [{"mail": name, "mine": self._engine.owner} for name in names]
        self._engine.run(lambda transaction: transaction.each(_UNCLAIM, keys))

    def recover(self) -> None:
        """Recover what dead processes left behind; give up on what is too old.

        Raises:
            LedgerError: The database cannot be used.
        """
        days = self._max_age / 86400.0

        def update(transaction: Transaction) -> tuple[list[Sequence[str]], list[Sequence[str]]]:
            why = "The process that was sending it died. It may have arrived."
            return (
                transaction.rows(_RECOVER, alerter=self._alerter, why=why),
                transaction.rows(
                    _EXPIRE,
                    alerter=self._alerter,
                    max_age=self._max_age,
                    code="expired",
                    why=f"Older than {days:g} days. ",
                ),
            )

        left, expired = self._engine.run(update)
        _tell_unknown(left)
        for mail, recipient, reason in expired:
            _logger.error(
                "Mail %s to %s waited in the ledger for more than %g days and counts as "
                "failed. %s",
                clean_line(mail),
                clean_line(recipient),
                days,
                clean_line(reason),
            )

    def _set_aside(self, name: str, why: str) -> None:
        owner = self._engine.owner
        self._engine.run(
            lambda transaction: transaction.execute(
                _MOVE, mail=name, mine=owner, owner="", state="aside", reason=why, code="aside"
            )
        )
        _logger.error(
            "Mail %s in the ledger %s cannot be read and is not sent: %s. Look: zenmail outbox "
            "list",
            clean_line(name),
            self._engine.name,
            why,
        )

    def _missing(self, name: str, condition: str = "") -> ConfigurationError:
        return ConfigurationError(
            f"The ledger {self._engine.name} has no mail {clean_line(name)!r}{condition}.",
            remedy="List the mails: zenmail outbox list",
        )


class Claim:
    """A mail of the outbox that this process has taken.

    Attributes:
        name: The mail's name.
        email: The mail.
        envelope: Who has still to get it.
        policy: What to do with it when this process dies while sending.
        tries: How often it was tried out of the outbox.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        alerter: str,
        policy: DeliveryPolicy,
        email: Email,
        envelope: Envelope,
        *,
        seconds: float = 0.0,
        tries: int = 0,
        sending: bool = False,
    ) -> None:
        self.name = name
        self.email = email
        self.envelope = envelope
        self.policy: DeliveryPolicy = policy
        self.tries = tries
        self._engine = engine
        self._owner = engine.owner
        self._alerter = alerter
        self._seconds = seconds
        self._sending = sending
        self._noted = envelope.recipients

    def write(self) -> None:
        """Write the mail down, held by this process.

        Raises:
            LedgerError: The database cannot be used.
        """
        fate = Fate("sending" if self._sending else "waiting")
        self._write(dict.fromkeys(self.envelope.recipients, fate), self._owner, self._seconds)

    def renew(self) -> bool:
        """Return whether this process still has the mail; its lease starts afresh.

        Raises:
            LedgerError: The database cannot be used.
        """
        return self._mark("sending", self._noted)

    def started(self) -> None:
        """Note that the mail may be with somebody from now on."""
        if not self._sending:
            self._quietly("sending", self._noted)

    def answered(self, remaining: Sequence[str], doubtful: Sequence[str] = ()) -> None:
        """Note who is left, that the mail is with nobody else, and who may have it."""
        if not remaining:
            return
        gone = set(self._noted) - set(remaining) - set(doubtful)
        if self._quietly("waiting", remaining, gone):
            self._noted = tuple(remaining)

    def _quietly(
        self, state: OutboxState, recipients: Sequence[str], gone: Collection[str] = ()
    ) -> bool:
        # The note matters after a crash only; send even if it cannot be written.
        try:
            self._mark(state, recipients, gone)
        except LedgerError:
            return False
        return True

    def _mark(
        self, state: OutboxState, recipients: Sequence[str], gone: Collection[str] = ()
    ) -> bool:
        def update(transaction: Transaction) -> bool:
            transaction.each(
                _FORGET, [{"mail": self.name, "recipient": address} for address in gone]
            )
            changed = [
                transaction.rows(
                    "UPDATE deliveries SET state = :state, lease = {now} + :seconds "
                    "WHERE mail = :mail AND recipient = :recipient AND owner = :mine "
                    "RETURNING recipient",
                    mail=self.name,
                    recipient=address,
                    mine=self._owner,
                    state=state,
                    seconds=self._seconds,
                )
                for address in recipients
            ]
            return all(changed)

        held = self._engine.run(update)
        self._sending = state == "sending"
        return held

    def settle(self, fates: Mapping[str, Fate], *, tried: bool = False) -> None:
        """Let go of the mail: keep those named, forget all others.

        Args:
            fates: What becomes of each who has not got it.
            tried: Whether it was tried out of the outbox.

        Raises:
            LedgerError: The database cannot be used.
        """
        self.tries += tried
        rest = min(_LONGEST_REST, _FIRST_REST * 2.0 ** (self.tries - 1)) if self.tries else 0.0
        self._write(fates, "", 0.0, rest=rest)

    def _write(
        self, fates: Mapping[str, Fate], owner: str, seconds: float, rest: float = 0.0
    ) -> None:
        envelope = self.envelope
        content = _dump(self.email) if fates else ""
        gone = [
            {"mail": self.name, "recipient": address}
            for address in envelope.recipients
            if address not in fates
        ]
        kept = [
            {
                "mail": self.name,
                "recipient": address,
                "position": envelope.recipients.index(address),
                "owner": owner,
                "mine": self._owner,
                "seconds": seconds,
                "tries": self.tries,
                "rest": rest if fate.state == "waiting" else 0.0,
                "state": fate.state,
                "transport": clean_line(fate.transport),
                "reason": clean_line(fate.reason),
                "code": clean_line(fate.code),
            }
            for address, fate in fates.items()
        ]

        def write(transaction: Transaction) -> None:
            if kept:
                # Also when it was there before: the database may have lost it in a crash.
                transaction.execute(
                    _MAIL,
                    mail=self.name,
                    alerter=self._alerter,
                    policy=self.policy,
                    sender=envelope.sender,
                    subject=self.email.subject,
                    content=content,
                )
            transaction.each(_DELIVERY, kept)
            transaction.each(_FORGET, gone)
            if not kept:
                transaction.execute(_FORGET_MAIL, mail=self.name)

        survives: Survives = (
            "machine" if fates and not owner else "process" if fates else "nothing"
        )
        self._engine.run(write, survives=survives)

    def abandon(self, why: str) -> None:
        """Let go of the mail in the middle of its delivery.

        Raises:
            LedgerError: The database cannot be used.
        """
        rows = self._engine.run(
            lambda transaction: transaction.rows(
                _RELEASE,
                mail=self.name,
                mine=self._owner,
                policy=self.policy,
                why=f"{why} It may have arrived.",
            ),
            survives="machine",
        )
        _tell_unknown(rows)


def _tell_unknown(rows: Sequence[Sequence[str]]) -> None:
    for mail, recipient, state in rows:
        if state == "unknown":
            _logger.error(
                "Mail %s to %s may have arrived: its delivery was cut short. Under "
                "at_most_once it is not sent again; have it sent with 'zenmail outbox flush "
                "--unknown', or "
                "drop it.",
                clean_line(mail),
                clean_line(recipient),
            )


def _new_name() -> str:
    """Return a name that sorts by age."""
    return f"{time.time_ns() // 1000:013x}{secrets.token_hex(4)}"


def _load(content: str) -> Email:
    try:
        return _Content.model_validate_json(content).email
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise Unreadable(clean_line(f"{field}: {first['msg']}", limit=200)) from None
    except (ConfigurationError, ValueError, TypeError, RecursionError) as error:
        raise Unreadable(type(error).__name__) from None


def _envelope(sender: str, recipients: Sequence[str]) -> Envelope:
    try:
        boxes = [parse_mailbox(item) for item in (sender, *recipients)]
    except ConfigurationError:
        raise Unreadable("an address is invalid") from None
    return Envelope(boxes[0].address, tuple(box.address for box in boxes[1:]))


def _dump(email: Email) -> str:
    return _Content(email=email).model_dump_json()


def _moment(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(float(seconds), timezone.utc)
    except (ValueError, OverflowError, OSError, TypeError):
        return datetime.fromtimestamp(0, timezone.utc)
