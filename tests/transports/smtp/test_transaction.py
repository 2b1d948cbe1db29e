"""A mail in a dialogue: bytes and verdicts, without a socket."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zenmail import Envelope, PermanentFailure, TemporaryFailure, UnknownOutcome
from zenmail_transports.smtp.dialogue import (
    Capabilities,
    Dialogue,
)
from zenmail_transports.smtp.replies import Reply
from zenmail_transports.smtp.transaction import ChunkingBroken, Transaction
from zenmail_transports.smtp.wire import Lost

T = TypeVar("T")
OK, GO, NO, LATER = (Reply(code, ("",)) for code in (250, 354, 550, 451))
CONTENT = b"A: b\r\n\r\n.x\r\n"


def play(dialogue: Dialogue[T], *answers: list[Reply] | Lost) -> tuple[bytes, T]:
    """Answer each flight in turn; return all that was said, and the result."""
    said = b""
    queue = list(answers)
    try:
        flight = next(dialogue)
        while True:
            said += b"".join(flight.pieces)
            answer = queue.pop(0)
            if isinstance(answer, Lost):
                flight = dialogue.throw(answer)
            else:
                assert len(answer) == flight.replies
                flight = dialogue.send(answer)
    except StopIteration as stop:
        assert not queue
        return said, stop.value


def transaction(*keywords: str, content: bytes = CONTENT, proven: bool = False) -> Transaction:
    """Return a transaction with a server that offers this."""

    def chunks() -> Iterator[bytes]:
        for index in range(0, len(content), 3):
            yield content[index : index + 3]

    return Transaction(
        Envelope("a@x.example", ("b@x.example", "c@x.example")),
        Capabilities(dict.fromkeys(keywords, "")),
        size=len(content),
        chunks=chunks,
        proven=proven,
    )


def lost(*replies: Reply, sent: bool) -> Lost:
    """Return the loss of a connection after some replies."""
    return Lost(TemporaryFailure("It broke."), list(replies), sent=sent)


def test_one_flight() -> None:
    """With CHUNKING and PIPELINING, all of it is one flight on a proven connection."""
    mail = transaction("PIPELINING", "CHUNKING", "SIZE", proven=True)
    said, _ = play(mail.run(), [OK, OK, NO, OK])
    assert said == (
        b"MAIL FROM:<a@x.example> SIZE=12\r\nRCPT TO:<b@x.example>\r\nRCPT TO:<c@x.example>\r\n"
        b"BDAT 12 LAST\r\n" + CONTENT
    )
    assert mail.accepted == ["b@x.example"]
    assert mail.refused == {"c@x.example": NO}
    assert mail.intact


def test_the_first_flight_does_not_end_the_mail() -> None:
    """On a connection that has proven nothing, the mail ends in a flight of its own."""
    mail = transaction("PIPELINING", "CHUNKING", content=b"A: b\r\nC: d\r\n\r\nx\r\n")
    said, _ = play(mail.run(), [OK, OK, OK, OK], [OK])
    assert said.endswith(b"BDAT 3\r\nA: BDAT 14 LAST\r\nb\r\nC: d\r\n\r\nx\r\n")
    assert mail.accepted == ["b@x.example", "c@x.example"]


@pytest.mark.parametrize("keywords", [("PIPELINING",), ("PIPELINING", "CHUNKING")])
@pytest.mark.parametrize("count", range(5))
def test_loss_before_the_end_of_the_mail_is_certain(
    keywords: tuple[str, ...], count: int
) -> None:
    """Whatever was answered, a mail whose end was not sent was not taken."""
    last = GO if len(keywords) == 1 else OK
    with pytest.raises(Lost):
        play(transaction(*keywords).run(), lost(*[OK, OK, OK, last][:count], sent=True))
    mail = transaction(*keywords)
    play(mail.run(), lost(OK, NO, *[OK, last][:count], sent=True))
    assert mail.refused == {"b@x.example": NO}
    assert set(mail.deferred) == {"c@x.example"}
    assert not mail.unknown


@pytest.mark.parametrize("proven", [True, False])
@pytest.mark.parametrize("keywords", [(), ("PIPELINING",), ("PIPELINING", "CHUNKING")])
@pytest.mark.parametrize("count", range(3))
def test_421_names_everybody(keywords: tuple[str, ...], count: int, proven: bool) -> None:
    """421 in place of any answer but the last: nothing was taken, nobody is forgotten."""
    before = [OK, NO, OK][:count]
    mail = transaction(*keywords, proven=proven)
    bye = Reply(421, ("4.7.0 Too many errors",))
    answers: list[list[Reply] | Lost] = [lost(*before, bye, sent=True)]
    if not keywords:
        answers = [*([reply] for reply in before), [bye]]
    if count < 2:
        with pytest.raises(TemporaryFailure, match="421"):
            play(mail.run(), *answers)
        assert mail.closing
    else:
        play(mail.run(), *answers)
        assert mail.refused == {"b@x.example": NO}
        assert mail.deferred == {"c@x.example": bye}
    assert not mail.unknown
    assert not mail.accepted
    assert not mail.intact


def test_those_whose_reply_was_lost_are_named() -> None:
    """In one flight, whoever was not refused may have the mail, answered for or not."""
    mail = transaction("PIPELINING", "CHUNKING", proven=True)
    play(mail.run(), lost(OK, NO, sent=True))
    assert mail.refused == {"b@x.example": NO}
    assert set(mail.unknown) == {"c@x.example"}


def test_two_flights() -> None:
    """With PIPELINING the mail follows when somebody gets it, its dots doubled."""
    mail = transaction("PIPELINING")
    said, _ = play(mail.run(), [OK, OK, LATER, GO], [OK])
    assert said.endswith(b"DATA\r\nA: b\r\n\r\n..x\r\n.\r\n")
    assert mail.accepted == ["b@x.example"]
    assert mail.deferred == {"c@x.example": LATER}


@pytest.mark.parametrize("sent", [True, False])
def test_loss_in_one_flight(sent: bool) -> None:
    """In one flight a loss is unknown only when all was sent and nobody had refused it."""
    keywords = ("PIPELINING", "CHUNKING")
    with pytest.raises(UnknownOutcome if sent else Lost):
        play(transaction(*keywords, proven=True).run(), lost(OK, OK, OK, sent=sent))
    with pytest.raises(PermanentFailure):
        play(transaction(*keywords, proven=True).run(), lost(NO, sent=sent))
    mail = transaction(*keywords, proven=True)
    play(mail.run(), lost(OK, NO, NO, sent=sent))
    assert set(mail.refused) == {"b@x.example", "c@x.example"}
    assert not mail.intact


def test_bdat_that_is_accepted_for_nobody() -> None:
    """A server that takes the mail though it refused everybody has delivered nothing."""
    mail = transaction("PIPELINING", "CHUNKING")
    play(mail.run(), [OK, NO, NO, OK])
    assert not mail.accepted
    assert len(mail.refused) == 2


@pytest.mark.parametrize("refusal", [NO, LATER, Reply(421, ("",)), GO])
def test_bdat_that_is_accepted_without_a_sender(refusal: Reply) -> None:
    """A server that refuses the sender and takes the mail may have delivered it."""
    mail = transaction("PIPELINING", "CHUNKING", proven=True)
    with pytest.raises(UnknownOutcome):
        play(mail.run(), [refusal, OK, OK, OK])
    assert (mail.intact, mail.closing) == (False, False)
    with pytest.raises((PermanentFailure, TemporaryFailure)):
        play(transaction("PIPELINING", "CHUNKING").run(), [refusal, NO, NO, OK])


@pytest.mark.parametrize("proven", [True, False])
def test_bdat_that_is_not_known(proven: bool) -> None:
    """502 to BDAT asks for DATA; 503 because nobody was accepted does not."""
    keywords = ("PIPELINING", "CHUNKING")
    unknown = Reply(502, ("",))
    with pytest.raises(ChunkingBroken):
        play(transaction(*keywords, proven=proven).run(), [OK, OK, OK, unknown])
    # Each line of the chunk may be answered, too.
    too_much = lost(OK, OK, OK, unknown, sent=True)
    with pytest.raises(ChunkingBroken):
        play(transaction(*keywords, proven=proven).run(), too_much)
    mail = transaction(*keywords, proven=proven)
    play(mail.run(), [OK, NO, NO, Reply(503, ("",))])
    assert not mail.intact


def test_nonsense_after_the_mail_is_unknown() -> None:
    """A 3yz in answer to the mail is neither yes nor no."""
    with pytest.raises(UnknownOutcome):
        play(transaction("PIPELINING").run(), [OK, OK, OK, GO], [GO])


def test_large_mail_waits_for_its_recipients() -> None:
    """A large mail is not sent before somebody is known to get it."""
    mail = transaction("PIPELINING", "CHUNKING", content=b"x" * 300_000)
    said, _ = play(mail.run(), [OK, NO, NO, OK])
    assert len(said) < 1000


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([b".", b"\r\n", b"x", b"\r\n.", b".\r\n", b"..", b"\n"])),
    st.integers(1, 7),
)
def test_dots_are_doubled_wherever_the_pieces_end(words: list[bytes], length: int) -> None:
    """What a server makes of the mail is the mail, and no line before the end is a dot."""
    content = b"".join(words)
    pieces = [content[index : index + length] for index in range(0, len(content), length)]
    mail = Transaction(
        Envelope("a@x.example", ("b@x.example",)),
        Capabilities({"PIPELINING": ""}),
        size=len(content),
        chunks=lambda: pieces,
    )
    said, _ = play(mail.run(), [OK, OK, GO], [OK])
    body = said.partition(b"DATA\r\n")[2]
    assert body.endswith(b"\r\n.\r\n") or body == b".\r\n"
    assert b"\n.\n" not in body
    received = re.sub(rb"(\A|\n)\.", rb"\1", body[: -len(b".\r\n")])
    assert received in (content, content + b"\r\n")
