"""Several mails in one flight (RFC 2920, RFC 3030), and the outcome of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
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
        pieces: Its bytes.
        first: Place of its first reply.
        end: Place after its last reply.
    """

    position: int
    dialogue: Dialogue[None]
    pieces: Iterable[bytes]
    first: int
    end: int


def converse_together(mails: Sequence[Transaction]) -> Dialogue[list[Verdict]]:
    """Send mails one behind the other without waiting for answers in between.

    Each has to be a transaction of one flight: small, without a file that may not be readable,
    and on a proven connection with PIPELINING and CHUNKING. A connection that breaks leaves
    those unknown that were sent and not answered, and None for those whose end was not sent.
    """
    verdicts: list[Verdict] = [*mails]
    under_way: list[_InFlight] = []
    replies = 0
    for position, mail in enumerate(mails):
        dialogue = mail.run()
        try:
            flight = next(dialogue)
        except StopIteration:
            continue
        except DeliveryError as error:
            verdicts[position] = error
            continue
        pieces = flight.pieces
        if under_way:
            pieces = chain((_RESET,), pieces)
            replies += 1
        first, replies = replies, replies + flight.replies
        under_way.append(_InFlight(position, dialogue, pieces, first, replies))
    if not under_way:
        return verdicts
    ends: list[int] = []
    lost: Lost | None = None
    try:
        got = yield Flight(_joined(under_way, ends), replies, "the mails", final=True)
    except Lost as error:
        lost, got = error, error.replies
    for number, one in enumerate(under_way):
        sent = lost is None or any(end <= lost.handed_over for end in ends[number : number + 1])
        verdicts[one.position] = _judge(one, mails[one.position], got, lost, sent=sent)
    return verdicts


def _joined(mails: Iterable[_InFlight], ends: list[int]) -> Iterator[bytes]:
    """Yield the mails, each built while the server has those before it; note where they end."""
    size = 0
    for mail in mails:
        content = b"".join(mail.pieces)
        size += len(content)
        ends.append(size)
        yield content


def _judge(
    one: _InFlight, mail: Transaction, got: list[Reply], lost: Lost | None, *, sent: bool
) -> Verdict:
    own = got[one.first : one.end]
    try:
        if lost is None or (one.end <= len(got) and lost.in_step):
            one.dialogue.send(own)
        else:
            if got and got[-1].code == 421 and not own:
                own = [got[-1]]  # said to all that follow
            one.dialogue.throw(Lost(lost.failure, own if lost.in_step else [], sent=sent))
    except (StopIteration, ChunkingBroken, Lost) as end:
        return mail if isinstance(end, StopIteration) else None
    except DeliveryError as error:
        return None if mail.closing else error
    raise AssertionError("a mail in a window has one flight")
