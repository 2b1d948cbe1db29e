"""The dialogues alone: bytes and verdicts, without a socket."""

from __future__ import annotations

from typing import TypeVar

import pytest

from zenmail import TemporaryFailure
from zenmail_transports.smtp.dialogue import (
    Capabilities,
    Dialogue,
    introduce,
)
from zenmail_transports.smtp.replies import Reply
from zenmail_transports.smtp.wire import Lost

T = TypeVar("T")
OK, GO, NO, LATER = (Reply(code, ("",)) for code in (250, 354, 550, 451))


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


def test_capabilities() -> None:
    """EHLO's lines are read whatever their case; SIZE that is no number counts for nothing."""
    lines = ("mail.example", "size 1000", "AUTH=LOGIN", "Auth PLAIN", "STARTTLS", "8bitmime")
    found = Capabilities.parse(Reply(250, lines))
    assert found.size == 1000
    assert found.mechanisms == ("LOGIN", "PLAIN")
    assert "STARTTLS" in found
    assert "8BITMIME" in found
    for size in ("", "x", "-1", "9" * 50, "\u0663"):
        assert Capabilities({"SIZE": size}).size == 0


def test_helo_for_old_servers() -> None:
    """A server without EHLO is said HELO, and offers nothing."""
    said, capabilities = play(introduce("[127.0.0.1]"), [Reply(502, ("",))], [OK])
    assert said == b"EHLO [127.0.0.1]\r\nHELO [127.0.0.1]\r\n"
    assert not capabilities.keywords
    with pytest.raises(TemporaryFailure):
        play(introduce("x.example"), [Reply(421, ("",))])
