"""A mail of the outbox that this process has taken."""

import json
import logging
import random
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from ..clean import clean_line
from ..email import Email, Envelope
from ..errors import LedgerError
from ..retry import DeliveryPolicy
from .engine import Engine, Survives, Transaction

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
_END = """DELETE FROM under_way WHERE slot = :slot AND owner = :mine AND id = :mail {quick}"""
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
WHERE mail = :mail AND recipient = :recipient AND owner = :mine"""
# No mail's name holds a blank.
_FORGET = """DELETE FROM deliveries WHERE mail IN :mails[]
AND mail || ' ' || recipient IN :rows[]"""
# Counted, so that PostgreSQL looks for each and does not join the tables.
_FORGET_MAILS = """DELETE FROM mails WHERE id IN :mails[]
AND 0 = (SELECT count(*) FROM deliveries WHERE mail = mails.id)"""
LET_GO = """UPDATE deliveries SET owner = '', lease = 0,
state = CASE WHEN {doubt} THEN 'unknown' ELSE 'waiting' END,
reason = CASE WHEN {doubt} THEN :why ELSE reason END,
code = CASE WHEN {doubt} THEN 'unknown' ELSE code END
WHERE {which} RETURNING mail, recipient, state"""
_LET_GO_OF_MINE = LET_GO.replace(
    "{doubt}", "state = 'sending' AND :policy = 'at_most_once'"
).replace("{which}", "mail = :mail AND owner = :mine")


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


def delivery_row(mail: str, recipient: str, position: int, fate: Fate) -> dict[str, Any]:
    """Return the values of the statement `DELIVERY`, for a row that nobody holds."""
    return {
        "mail": mail,
        "recipient": recipient,
        "position": position,
        "state": fate.state,
        "owner": "",
        "mine": "",
        "seconds": 0.0,
        "tries": 0,
        "rest": 0.0,
        "transport": clean_line(fate.transport),
        "reason": clean_line(fate.reason),
        "code": clean_line(fate.code),
    }


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
        self._write(dict.fromkeys(self.envelope.recipients, Fate("waiting")), held=True)

    def renew(self) -> bool:
        """Return whether this process still has the mail; its lease starts afresh."""
        return self._mark("sending", self._noted)

    def started(self) -> None:
        """Note that the mail may be with somebody from now on."""
        if not self._sending:
            self._quietly("sending", self._noted)

    def answered(self, remaining: Sequence[str], doubtful: Sequence[str] = ()) -> None:
        """Note who is left, that the mail is with nobody else, and who may have it."""
        if remaining and self._quietly("waiting", remaining, doubtful):
            self._noted = tuple(remaining)

    def _quietly(
        self, state: OutboxState, recipients: Sequence[str], doubtful: Sequence[str] = ()
    ) -> bool:
        # The note is for a crash; the mail is sent without it, too.
        try:
            if self._slot:
                fates = dict.fromkeys(doubtful, Fate("sending"))
                self._write({**fates, **dict.fromkeys(recipients, Fate(state))}, held=True)
                self._sending = state == "sending"
            else:
                gone = set(self._noted) - set(recipients) - set(doubtful)
                self._mark(state, recipients, gone)
        except LedgerError:
            return False
        return True

    def _mark(
        self, state: OutboxState, recipients: Sequence[str], gone: Collection[str] = ()
    ) -> bool:
        def update(transaction: Transaction) -> bool:
            if gone:
                forget(transaction, {self.name: gone})
            key = {"mail": self.name, "mine": self._owner}
            lease = {"state": state, "seconds": self._seconds}
            changed = [
                transaction.execute(_MARK, recipient=address, **key, **lease)
                for address in recipients
            ]
            return all(changed)

        held = self._engine.run(update)
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
        if not fates and self._slot and self._engine.run(self._end, survives="statement"):
            return
        rest = min(_LONGEST_REST, _FIRST_REST * 2.0 ** (self.tries - 1)) if self.tries else 0.0
        self._write(fates, rest=rest)

    def _write(
        self, fates: Mapping[str, Fate], *, held: bool = False, rest: float = 0.0
    ) -> None:
        everybody = self.envelope.recipients
        gone = [one for one in everybody if one not in fates]
        lease = {"owner": self._owner, "seconds": self._seconds} if held else {}
        kept = [
            delivery_row(self.name, address, everybody.index(address), fate)
            | {"mine": self._owner, "tries": self.tries, **lease}
            | ({"rest": rest} if fate.state == "waiting" else {})
            for address, fate in fates.items()
        ]
        columns = self._columns() if kept else {}

        def write(transaction: Transaction) -> None:
            if self._slot:
                self._end(transaction)
            if kept:
                # Also when it was there before: the database may have lost it in a crash.
                transaction.execute(_MAIL, **columns)
            transaction.each(DELIVERY, kept)
            if gone:
                forget(transaction, {self.name: gone})

        survives: Survives = "nothing"
        if kept:
            survives = "process" if held else "machine"
        self._engine.run(write, survives=survives)
        self._slot = 0

    def _end(self, transaction: Transaction) -> int:
        return transaction.execute(_END, slot=self._slot, mail=self.name, mine=self._owner)

    def _columns(self) -> dict[str, Any]:
        return {
            "mail": self.name,
            "alerter": self._alerter,
            "policy": self.policy,
            "sender": self.envelope.sender,
            "subject": self.email.subject,
            "content": f'{{"email":{self.email.model_dump_json()}}}',
        }

    def abandon(self, why: str) -> None:
        """Release the mail in the middle of its delivery."""
        why = f"{why} It may have arrived."
        if self._slot:
            doubt = self.policy == "at_most_once"
            fate = Fate("unknown", reason=why, code="unknown") if doubt else Fate("waiting")
            self._write(dict.fromkeys(self.envelope.recipients, fate))
            rows: list[Any] = [(self.name, one, fate.state) for one in self.envelope.recipients]
        else:
            rows = self._engine.run(
                lambda transaction: transaction.rows(
                    _LET_GO_OF_MINE,
                    mail=self.name,
                    mine=self._owner,
                    policy=self.policy,
                    why=why,
                ),
                survives="machine",
            )
        log_unknown(rows)
