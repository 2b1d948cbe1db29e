"""Several mails in one flight (RFC 2920, RFC 3030), and the outcome of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from zenmail import DeliveryError

from .dialogue import Dialogue, Flight
from .replies import Reply
from .transaction import ChunkingBroken, Transaction
from .wire import Lost

__all__ = ["Verdict", "converse_together"]

Verdict = Transaction | DeliveryError | None
"""A mail's transaction or its failure; None if it is certain that the mail was not taken."""

# RFC 3030 leaves open in which state a refused BDAT leaves a server.
_RESET = b"RSET\r\n"


class _InFlight(NamedTuple):
    """A mail in the flight.

    Attributes:
        position: Its place among the mails.
        dialogue: What makes a verdict of its replies.
        first: Place of its first reply.
        end: Place after its last reply.
        size: Bytes of the flight up to its end.
    """

    position: int
    dialogue: Dialogue[None]
    first: int
    end: int
    size: int


def converse_together(mails: Sequence[Transaction]) -> Dialogue[list[Verdict]]:
    """Send mails one behind the other without waiting for answers in between.

    Each has to be a transaction of one flight: small, and on a proven connection with
    PIPELINING and CHUNKING. A connection that breaks leaves those unknown that were sent and
    not answered, and None for those whose end was not sent.
    """
    verdicts: list[Verdict] = [*mails]
    under_way: list[_InFlight] = []
    pieces: list[bytes] = []
    replies = size = 0
    for position, mail in enumerate(mails):
        dialogue = mail.run()
        try:
            flight = next(dialogue)
        except StopIteration:
            continue
        except DeliveryError as error:
            verdicts[position] = error
            continue
        new = [*([_RESET] if under_way else ()), *flight.pieces]
        pieces += new
        size += sum(map(len, new))
        replies += bool(under_way)
        first, replies = replies, replies + flight.replies
        under_way.append(_InFlight(position, dialogue, first, replies, size))
    if not under_way:
        return verdicts
    lost: Lost | None = None
    try:
        got = yield Flight(pieces, replies, "the mails", final=True)
    except Lost as error:
        lost, got = error, error.replies
    for one in under_way:
        verdicts[one.position] = _judge(one, mails[one.position], got, lost)
    return verdicts


def _judge(
    one: _InFlight, mail: Transaction, got: Sequence[Reply], lost: Lost | None
) -> Verdict:
    own = list(got[one.first : one.end])
    try:
        if lost is None or (one.end <= len(got) and lost.in_step):
            one.dialogue.send(own)
        else:
            if got and got[-1].code == 421 and not own:
                own = [got[-1]]  # said to all that follow
            sent = one.size <= lost.handed_over
            one.dialogue.throw(Lost(lost.failure, own if lost.in_step else [], sent=sent))
    except (StopIteration, ChunkingBroken, Lost) as end:
        return mail if isinstance(end, StopIteration) else None
    except DeliveryError as error:
        return None if mail.closing else error
    raise AssertionError("a mail in a window has one flight")
