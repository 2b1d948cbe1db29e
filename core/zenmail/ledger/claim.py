"""A mail of the outbox that this process has taken."""

import contextlib
import json
import logging
import random
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from ..clean import clean_line
from ..email import Email, Envelope
from ..errors import LedgerError
from ..retry import DeliveryPolicy
from .content import dump_email
from .engine import Engine, Row, Survives, Transaction

__all__ = [
    "DELIVERY",
    "LET_GO",
    "Claim",
    "Fate",
    "OutboxState",
    "delivery_row",
    "forget",
    "log_unknown",
]

OutboxState = Literal["waiting", "claimed", "sending", "unknown", "failed", "aside"]

_logger = logging.getLogger(__name__)
# How long a mail that failed rests, in seconds; doubled with each try.
_FIRST_REST = 15.0
_LONGEST_REST = 900.0

_BEGIN = """INSERT INTO under_way
(slot, id, alerter, policy, created, sender, subject, content, recipients, owner, lease)
VALUES (:slot, :mail, :alerter, :policy, {now}, :sender, :subject, :content, :recipients, :mine,
{now} + :seconds)
ON CONFLICT (slot) DO UPDATE SET lease = excluded.lease WHERE under_way.id = excluded.id
{quick}"""
_END = "DELETE FROM under_way WHERE slot = :slot AND owner = :mine AND id = :mail"
_MAIL = """INSERT INTO mails (id, alerter, policy, created, sender, subject, content)
VALUES (:mail, :alerter, :policy, {now}, :sender, :subject, :content)
ON CONFLICT DO NOTHING"""
DELIVERY = """INSERT INTO deliveries
(mail, recipient, position, state, owner, lease, tries, not_before, transport, reason, code)
VALUES (:mail, :recipient, :position, :state, :owner, {now} + :seconds, :tries, {now} + :rest,
:transport, :reason, :code)
ON CONFLICT (mail, recipient) DO UPDATE SET
state = excluded.state, owner = excluded.owner, lease = excluded.lease, tries = excluded.tries,
not_before = excluded.not_before, transport = excluded.transport, reason = excluded.reason,
code = excluded.code
WHERE deliveries.owner = :mine"""
_MARK = """UPDATE deliveries SET state = :state, lease = {now} + :seconds
WHERE mail = :mail AND recipient IN :recipients[] AND owner = :mine"""
# No mail's name holds a blank.
_FORGET = """DELETE FROM deliveries WHERE mail IN :mails[]
AND mail || ' ' || recipient IN :rows[]"""
# Counted, so that PostgreSQL looks for each and does not join the tables.
_FORGET_MAILS = """DELETE FROM mails WHERE id IN :mails[]
AND 0 = (SELECT count(*) FROM deliveries WHERE mail = mails.id)"""
_DOUBT = """state = 'sending' AND
(SELECT m.policy FROM mails m WHERE m.id = deliveries.mail) = 'at_most_once'"""
LET_GO = f"""UPDATE deliveries SET owner = '', lease = 0,
state = CASE WHEN {_DOUBT} THEN 'unknown' ELSE 'waiting' END,
reason = CASE WHEN {_DOUBT} THEN :why ELSE reason END,
code = CASE WHEN {_DOUBT} THEN 'unknown' ELSE code END
WHERE {{which}} RETURNING mail, recipient, state"""  # noqa: S608
_LET_GO_OF_MINE = LET_GO.replace("{which}", "mail = :mail AND owner = :mine")


class Fate(NamedTuple):
    """What happens to a recipient who has not got the mail.

    Attributes:
        state: ``waiting``, ``unknown`` or ``failed``.
        transport: Name of the last transport.
        reason: Why.
        code: The code of that.
    """

    state: OutboxState
    transport: str = ""
    reason: str = ""
    code: str = ""


def delivery_row(
    mail: str, recipient: str, position: int, fate: Fate, **values: Any
) -> dict[str, Any]:
    """Return the values of the statement `DELIVERY`, by default for a row that nobody holds."""
    row = {"mail": mail, "recipient": recipient, "position": position}
    free = {"owner": "", "mine": "", "seconds": 0.0, "tries": 0, "rest": 0.0}
    return row | free | {key: clean_line(text) for key, text in fate._asdict().items()} | values


def forget(transaction: Transaction, rows: Mapping[str, Collection[str]]) -> None:
    """Delete recipients, by mail, and the mails that have none left."""
    mails = json.dumps([*rows])
    keys = [f"{mail} {recipient}" for mail, gone in rows.items() for recipient in gone]
    if keys:
        transaction.execute(_FORGET, mails=mails, rows=json.dumps(keys))
    transaction.execute(_FORGET_MAILS, mails=mails)


def log_unknown(rows: Sequence[Sequence[str]]) -> None:
    """Log which of these mails, recipients and states may have arrived."""
    for mail, recipient, state in rows:
        if state == "unknown":
            _logger.error(
                "Mail %s to %s may have arrived: its delivery was cut short. Under "
                "at_most_once it is not sent again; resend it with 'zenmail outbox "
                "flush --unknown', or drop it.",
                clean_line(mail),
                clean_line(recipient),
            )


class Claim:
    """A mail of the outbox that this process has taken.

    Every method raises `LedgerError` when the database cannot be used.

    Attributes:
        name: The mail's name.
        email: The mail.
        envelope: Who has still to get it.
        policy: What to do with it when this process dies while sending.
        tries: How often it was tried out of the outbox.
        forgotten: Whether the outbox has forgotten it, because everybody has got it.
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
        self._slot = 0  # in under_way, during the first try
        self._noted = envelope.recipients
        self.forgotten = False

    def begin(self) -> None:
        """Write the mail down, as being sent for the first time."""
        values = {
            "mine": self._owner,
            "seconds": self._seconds,
            "recipients": json.dumps(self.envelope.recipients),
            **self._columns(),
        }
        begun = 0
        while not begun:
            self._slot = 1 + random.getrandbits(30)
            begun = self._engine.run(
                lambda t: t.execute(_BEGIN, slot=self._slot, **values), survives="statement"
            )
        self._sending = True

    def wait(self) -> None:
        """Write the mail down, as one that this process is going to send."""
        fates = dict.fromkeys(self.envelope.recipients, Fate("waiting"))
        self._engine.run(lambda t: self._put(t, fates, held=True))

    def renew(self) -> bool:
        """Return whether this process still has the mail; its lease starts afresh."""
        return self._mark("sending", self._noted)

    def started(self) -> None:
        """Note that the mail may be with somebody from now on."""
        if not self._sending:
            with contextlib.suppress(LedgerError):
                self._mark("sending", self._noted)

    def answered(self, remaining: Sequence[str], doubtful: Sequence[str] = ()) -> None:
        """Note who is left, that the mail is with nobody else, and who may have it."""
        if not remaining:
            return
        # The note is for a crash; the mail is sent without it, too.
        with contextlib.suppress(LedgerError):
            if self._slot:
                fates = dict.fromkeys(doubtful, Fate("sending"))
                fates.update(dict.fromkeys(remaining, Fate("waiting")))
                self._engine.run(lambda t: self._put(t, fates, held=True))
                self._slot, self._sending = 0, False
            else:
                gone = {*self._noted}.difference(remaining, doubtful)
                self._mark("waiting", remaining, gone)
            self._noted = tuple(remaining)

    def _mark(
        self, state: OutboxState, recipients: Sequence[str], gone: Collection[str] = ()
    ) -> bool:
        def update(transaction: Transaction) -> int:
            if gone:
                forget(transaction, {self.name: gone})
            return transaction.execute(
                _MARK,
                mail=self.name,
                recipients=json.dumps(recipients),
                mine=self._owner,
                state=state,
                seconds=self._seconds,
            )

        held = self._engine.run(update) == len(recipients)
        self._sending = state == "sending"
        return held

    def settle(self, fates: Mapping[str, Fate], *, tried: bool = False) -> None:
        """Release the mail: keep those named, forget all others.

        Args:
            fates: What happens to each who has not got it.
            tried: Whether it was tried out of the outbox.
        """
        self.tries += tried
        if self.forgotten and not fates:
            return
        if (
            self._slot
            and not fates
            and self._engine.run(lambda t: self._end(t, "{quick}"), survives="statement")
        ):
            return
        rest = min(_LONGEST_REST, _FIRST_REST * 2.0 ** (self.tries - 1)) if self.tries else 0.0
        survives: Survives = "machine" if fates else "nothing"
        self._engine.run(lambda t: self._put(t, fates, rest=rest), survives=survives)
        self._slot = 0

    def _put(
        self,
        transaction: Transaction,
        fates: Mapping[str, Fate],
        *,
        held: bool = False,
        rest: float = 0.0,
    ) -> None:
        """Have those named wait for the mail, and nobody else."""
        everybody = self.envelope.recipients
        values = {"mine": self._owner, "tries": self.tries, "rest": rest}
        if held:
            values |= {"owner": self._owner, "seconds": self._seconds}
        if self._slot:
            self._end(transaction)
        if fates:
            # Also when it was there before: the database may have lost it in a crash.
            transaction.execute(_MAIL, **self._columns())
        transaction.each(
            DELIVERY,
            [
                delivery_row(self.name, address, everybody.index(address), fate, **values)
                for address, fate in fates.items()
            ],
        )
        if gone := [one for one in everybody if one not in fates]:
            forget(transaction, {self.name: gone})

    def _end(self, transaction: Transaction, how: str = "") -> int:
        key = {"slot": self._slot, "mail": self.name, "mine": self._owner}
        return transaction.execute(f"{_END} {how}", **key)

    def _columns(self) -> dict[str, Any]:
        return {
            "mail": self.name,
            "alerter": self._alerter,
            "policy": self.policy,
            "sender": self.envelope.sender,
            "subject": self.email.subject,
            "content": dump_email(self.email),
        }

    def abandon(self, why: str) -> None:
        """Release the mail in the middle of its delivery."""

        def let_go(transaction: Transaction) -> list[Row]:
            if self._slot:
                sending = dict.fromkeys(self.envelope.recipients, Fate("sending"))
                self._put(transaction, sending, held=True)
            return transaction.rows(
                _LET_GO_OF_MINE,
                mail=self.name,
                mine=self._owner,
                why=f"{why} It may have arrived.",
            )

        log_unknown(self._engine.run(let_go, survives="machine"))
        self._slot = 0
