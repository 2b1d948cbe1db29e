"""Mails kept until they can be delivered, whichever process does it.

A mail that is sent for the first time is one row of ``under_way``, for as long as that takes.
What is kept is in ``mails``, with a row of ``deliveries`` for each recipient, whose state is

- ``waiting``: has not got the mail. A process that will send it may hold a lease on it.
- ``sending``: a process is sending it. When the lease ends, that process is dead.
- ``unknown``: may have got it; under at_most_once, people decide.
- ``failed``: was refused permanently, or the mail waited for too long.
- ``aside``: the entry is corrupt or foreign and cannot be sent.
"""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from ..clean import clean_line
from ..composing.shorten import without_missing_files
from ..email import Email, Envelope
from ..errors import ConfigurationError, LedgerError
from ..retry import DeliveryPolicy
from .claim import (
    DELIVERY,
    LET_GO,
    Claim,
    Fate,
    OutboxState,
    delivery_row,
    forget,
    log_unknown,
)
from .content import Unreadable, load_email, load_envelope, load_recipients
from .engine import Engine, Row, Transaction

if TYPE_CHECKING:
    from .listing import OutboxEntry, OutboxItem

__all__ = ["Outbox"]

_logger = logging.getLogger(__name__)
_LONGEST_CONTENT = 256 * 1024 * 1024
# Characters of the mails that are claimed at once; one more mail may come on top.
_MOST_AT_ONCE = 1_000_000
_CUT_SHORT = "The process that was sending it died. It may have arrived."

# Around the others, so that no content is read of a mail that is not among them.
_DUE = """SELECT id, (SELECT length(content) FROM mails WHERE id = due.id) FROM
(SELECT m.id FROM mails m WHERE m.alerter = :alerter AND EXISTS
(SELECT 1 FROM deliveries d WHERE d.mail = m.id AND d.state = 'waiting' AND d.lease <= {now}
AND d.not_before <= {now}) ORDER BY m.id LIMIT :most {skip_locked}) due ORDER BY id"""
_CLAIM = """UPDATE deliveries SET state = 'sending', owner = :mine, lease = {now} + :seconds
WHERE mail IN :mails[] AND state = 'waiting' AND lease <= {now}
RETURNING mail, position, recipient, tries"""
_LOAD = """SELECT id, sender, policy, content FROM mails
WHERE id IN :mails[] AND length(content) <= :longest"""
_SET_ASIDE = """UPDATE deliveries SET state = 'aside', owner = '', lease = 0, reason = :why,
code = :code WHERE mail = :mail AND owner = :mine"""
# Each mail is looked up by its key, and never joined: PostgreSQL joins the slow way what it
# takes for empty.
_OF_MINE = "(SELECT m.alerter FROM mails m WHERE m.id = deliveries.mail) = :alerter"
_BACKLOG = f"""SELECT count(DISTINCT mail), {{now}} - min((SELECT m.created FROM mails m
WHERE m.id = deliveries.mail)) FROM deliveries WHERE state = 'waiting' AND {_OF_MINE}"""  # noqa: S608
_RETRY = f"""UPDATE deliveries SET state = 'waiting', not_before = 0
WHERE state = :state AND {_OF_MINE} RETURNING mail"""  # noqa: S608
_REJUVENATE = "UPDATE mails SET created = {now} WHERE id IN :mails[]"
_ABANDONED = """SELECT slot, id, recipients FROM under_way
WHERE alerter = :alerter AND lease <= {now} {skip_locked}"""
_KEEP = """INSERT INTO mails (id, alerter, policy, created, sender, subject, content)
SELECT id, alerter, policy, created, sender, subject, content FROM under_way
WHERE slot = :slot ON CONFLICT DO NOTHING"""
_RECOVER = LET_GO.replace("{which}", f"state = 'sending' AND lease <= {{now}} AND {_OF_MINE}")
_EXPIRE = """UPDATE deliveries SET state = 'failed', code = :code, reason = :why || reason
WHERE state = 'waiting' AND lease <= {now} AND (SELECT m.alerter = :alerter AND
m.created < {now} - :max_age FROM mails m WHERE m.id = deliveries.mail)
RETURNING mail, recipient, reason"""


class Outbox:
    """The mails of a ledger.

    Every method raises `LedgerError` when the database cannot be used.

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

    # --- for people

    def list(self) -> Sequence[OutboxItem]:
        """Return all mails of all alerters, the oldest first."""
        from .listing import list_all

        return list_all(self._engine)

    def show(self, name: str) -> OutboxEntry:
        """Return one mail.

        Raises:
            ConfigurationError: There is none of this name, or it cannot be read.
        """
        from .listing import show

        entry = show(self._engine, name)
        if entry is None:
            raise self._missing(name)
        return entry

    def drop(self, name: str) -> None:
        """Delete one mail.

        Raises:
            ConfigurationError: There is none of this name, or a process is sending it.
        """

        def delete(transaction: Transaction) -> bool:
            found = [
                transaction.rows(
                    f"DELETE FROM {table} WHERE {key} = :mail AND lease <= {{now}} "  # noqa: S608
                    f"RETURNING {key}",
                    mail=name,
                )
                for table, key in (("deliveries", "mail"), ("under_way", "id"))
            ]
            forget(transaction, {name: ()})
            return any(found)

        if not self._engine.run(delete):
            raise self._missing(name, " that no process is sending")

    def _missing(self, name: str, condition: str = "") -> ConfigurationError:
        return ConfigurationError(
            f"The ledger {self._engine.name} has no mail {clean_line(name)!r}{condition}.",
            remedy="List the mails: zenmail outbox list",
        )

    def backlog(self) -> tuple[int, float]:
        """Return how many of this alerter's mails wait, and the oldest one's age in seconds."""
        ((count, age),) = self._engine.rows(_BACKLOG, alerter=self._alerter)
        return count, age or 0.0

    def retry(self, states: Collection[OutboxState]) -> None:
        """Make what waits, and this alerter's mails in these states, due now."""

        def wait(transaction: Transaction) -> None:
            transaction.execute(_RETRY, alerter=self._alerter, state="waiting")
            for state in {"unknown", "failed"} & set(states):
                rows = transaction.rows(_RETRY, alerter=self._alerter, state=state)
                mails = json.dumps([mail for (mail,) in rows])
                transaction.execute(_REJUVENATE, mails=mails)

        self._engine.run(wait)

    # --- in

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
        """
        claim = self._new_claim(email, envelope, policy, seconds)
        (claim.wait if waits else claim.begin)()
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
            fates: What happens to all recipients, or to each.

        Returns:
            Its name.
        """
        if isinstance(fates, Fate):
            fates = dict.fromkeys(envelope.recipients, fates)
        claim = self._new_claim(email, envelope, policy)
        claim.settle(fates)
        return claim.name

    def _new_claim(
        self, email: Email, envelope: Envelope, policy: DeliveryPolicy, seconds: float = 0.0
    ) -> Claim:
        return Claim(
            self._engine,
            # It sorts by age.
            f"{time.time_ns() // 1000:013x}{secrets.token_hex(4)}",
            self._alerter,
            policy,
            without_missing_files(email),
            envelope,
            seconds=seconds + self._margin,
        )

    # --- out

    def due(self) -> bool:
        """Return whether a mail of this alerter's is due."""
        return bool(self._engine.rows(_DUE, alerter=self._alerter, most=1))

    def claim(self, most: int, seconds: float) -> Sequence[Claim]:
        """Claim this alerter's mails that are due, the oldest first, to be sent now.

        Args:
            most: How many to claim at most.
            seconds: How long their delivery may take.

        Returns:
            Those that can be read; the others are set aside.
        """
        lease = seconds + self._margin

        def take(transaction: Transaction) -> tuple[list[Row], list[Row]]:
            due: list[str] = []
            size = 0
            for mail, length in transaction.rows(_DUE, alerter=self._alerter, most=most):
                if size < _MOST_AT_ONCE:
                    due.append(mail)
                    size += length
            mails, mine = json.dumps(due), self._engine.owner
            return (
                transaction.rows(_CLAIM, mails=mails, mine=mine, seconds=lease),
                transaction.rows(_LOAD, mails=mails, longest=_LONGEST_CONTENT),
            )

        claimed, loaded = self._engine.run(take)
        recipients: dict[str, list[Row]] = {}
        for name, *row in sorted(map(tuple, claimed)):
            recipients.setdefault(name, []).append(row)
        contents = {name: row for name, *row in loaded}
        claims: list[Claim] = []
        for name, rows in recipients.items():
            try:
                claims.append(self._load(name, rows, contents.get(name), lease))
            except Unreadable as error:
                self._set_aside(name, str(error))
        return claims

    def _load(self, name: str, rows: Sequence[Row], content: Row | None, lease: float) -> Claim:
        if content is None:
            raise Unreadable("it is too large")
        sender, policy, text = content
        email = load_email(text)
        envelope = load_envelope(sender, [recipient for _, recipient, _ in rows])
        if policy not in ("at_most_once", "at_least_once"):
            raise Unreadable("its policy is unknown")
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

    def forget(self, claims: Sequence[Claim]) -> None:
        """Strike out mails that everybody has got."""
        rows = {claim.name: claim.envelope.recipients for claim in claims}
        self._engine.run(lambda t: forget(t, rows), survives="nothing")
        for claim in claims:
            claim.forgotten = True

    def _set_aside(self, name: str, why: str) -> None:
        # Its lease ends by itself, and the mails beside it are to be sent.
        with contextlib.suppress(LedgerError):
            values = {"mail": name, "mine": self._engine.owner, "why": why, "code": "aside"}
            self._engine.run(lambda t: t.execute(_SET_ASIDE, **values))
        _logger.error(
            "Mail %s in the ledger %s cannot be read and is not sent: %s. List it with "
            "'zenmail outbox list'.",
            clean_line(name),
            self._engine.name,
            why,
        )

    def recover(self) -> None:
        """Recover what dead processes left behind; mark what is too old as failed."""
        days = self._max_age / 86400.0
        alerter = self._alerter

        def update(transaction: Transaction) -> tuple[list[Row], list[Row]]:
            for slot, mail, recipients in transaction.rows(_ABANDONED, alerter=alerter):
                transaction.execute(_KEEP, slot=slot)
                transaction.each(DELIVERY, _cut_short(mail, load_recipients(recipients)))
                transaction.execute("DELETE FROM under_way WHERE slot = :slot", slot=slot)
            return (
                transaction.rows(_RECOVER, alerter=alerter, why=_CUT_SHORT),
                transaction.rows(
                    _EXPIRE,
                    alerter=alerter,
                    max_age=self._max_age,
                    why=f"Older than {days:g} days. ",
                    code="expired",
                ),
            )

        left, expired = self._engine.run(update)
        log_unknown(left)
        for mail, recipient, reason in expired:
            _logger.error(
                "Mail %s to %s waited in the ledger for more than %g days and counts as "
                "failed. %s",
                clean_line(mail),
                clean_line(recipient),
                days,
                clean_line(reason),
            )


def _cut_short(mail: str, recipients: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows for a mail whose first sender died."""
    if not recipients:
        fate = Fate("aside", reason="its recipients are corrupt", code="aside")
        return [delivery_row(mail, "", 0, fate)]
    sending = Fate("sending")
    return [delivery_row(mail, one, at, sending) for at, one in enumerate(recipients)]
