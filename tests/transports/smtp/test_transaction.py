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


def transaction(*keywords: str, content: bytes = CONTENT) -> Transaction:
    """Return a transaction with a server that offers this."""

    def chunks() -> Iterator[bytes]:
        for index in range(0, len(content), 3):
            yield content[index : index + 3]

    return Transaction(
        Envelope("a@x.example", ("b@x.example", "c@x.example")),
        Capabilities(dict.fromkeys(keywords, "")),
        size=len(content),
        chunks=chunks,
    )


def lost(*replies: Reply, sent: bool) -> Lost:
    """Return the loss of a connection after some replies."""
    return Lost(TemporaryFailure("It broke."), list(replies), sent=sent)


def test_one_flight() -> None:
    """With CHUNKING and PIPELINING all of it is one flight."""
    mail = transaction("PIPELINING", "CHUNKING", "SIZE")
    said, _ = play(mail.run(), [OK, OK, NO, OK])
    assert said == (
        b"MAIL FROM:<a@x.example> SIZE=12\r\nRCPT TO:<b@x.example>\r\nRCPT TO:<c@x.example>\r\n"
        b"BDAT 12 LAST\r\n" + CONTENT
    )
    assert mail.accepted == ["b@x.example"]
    assert mail.refused == {"c@x.example": NO}
    assert (mail.intact, mail.reset) == (True, False)


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
        play(transaction(*keywords).run(), lost(OK, OK, OK, sent=sent))
    with pytest.raises(PermanentFailure):
        play(transaction(*keywords).run(), lost(NO, sent=sent))
    mail = transaction(*keywords)
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
    mail = transaction("PIPELINING", "CHUNKING")
    with pytest.raises(UnknownOutcome):
        play(mail.run(), [refusal, OK, OK, OK])
    assert (mail.intact, mail.closing) == (False, False)
    with pytest.raises((PermanentFailure, TemporaryFailure)):
        play(transaction("PIPELINING", "CHUNKING").run(), [refusal, NO, NO, OK])


@pytest.mark.parametrize("keywords", [(), ("PIPELINING",), ("PIPELINING", "CHUNKING")])
def test_a_refused_reset_is_no_refusal(keywords: tuple[str, ...]) -> None:
    """Where MAIL is taken, it does not matter that RSET was not known."""
    mail = transaction(*keywords)
    mail.reset = True
    unknown = Reply(502, ("",))
    if "CHUNKING" in keywords:
        answers = [[unknown, OK, OK, OK, OK]]
    elif keywords:
        answers = [[unknown, OK, OK, OK, GO], [OK]]
    else:
        answers = [[unknown], [OK], [OK], [OK], [GO], [OK]]
    play(mail.run(), *answers)
    assert mail.accepted == ["b@x.example", "c@x.example"]


def test_bdat_that_is_not_known() -> None:
    """502 to BDAT asks for DATA; 503 because nobody was accepted does not."""
    with pytest.raises(ChunkingBroken):
        play(transaction("PIPELINING", "CHUNKING").run(), [OK, OK, OK, Reply(502, ("",))])
    mail = transaction("PIPELINING", "CHUNKING")
    play(mail.run(), [OK, NO, NO, Reply(503, ("",))])
    assert (mail.intact, mail.reset) == (True, True)


def test_nonsense_after_the_mail_is_unknown() -> None:
    """A 3yz in answer to the mail is neither yes nor no."""
    with pytest.raises(UnknownOutcome):
        play(transaction("PIPELINING").run(), [OK, OK, OK, GO], [GO])


def test_large_mail_waits_for_its_recipients() -> None:
    """A large mail is not sent before somebody is known to get it."""
    mail = transaction("PIPELINING", "CHUNKING", content=b"x" * 300_000)
    said, _ = play(mail.run(), [OK, NO, NO])
    assert b"BDAT" not in said


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
