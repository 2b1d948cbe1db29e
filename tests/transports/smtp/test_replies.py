from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zenmail_transports.smtp.replies import BadReply, Reply, ReplyReader


def read(*pieces: bytes) -> list[Reply]:
    """Return all replies in a stream that comes in pieces."""
    reader = ReplyReader()
    replies: list[Reply] = []
    for piece in pieces:
        reader.feed(piece)
        reader.read(replies, 1000)
    return replies


def test_replies_of_one_and_more_lines() -> None:
    """Lines with a hyphen go on; bare LF, empty text and a code alone are taken, too."""
    stream = b"220 ready\r\n250-a\r\n250-b c\r\n250 d\r\n250\r\n354 \n"
    expected = [
        Reply(220, ("ready",)),
        Reply(250, ("a", "b c", "d")),
        Reply(250, ("",)),
        Reply(354, ("",)),
    ]
    assert read(stream) == expected
    assert read(*(stream[index : index + 1] for index in range(len(stream)))) == expected


@pytest.mark.parametrize(
    "stream",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"250-one\r\n550 two\r\n",
        b"25\r\n",
        b"2500 x\r\n",
        b"150 x\r\n",
        b"650 x\r\n",
        b"\r\n",
        b" 250 x\r\n",
        b"250+x\r\n",
        b"\xd9\xa2\xd9\xa5\xd9\xa0 x\r\n",
        b"250 " + b"x" * 5000 + b"\r\n",
        b"x" * 5000,
        b"250-x\r\n" * 1000,
    ],
)
def test_what_is_no_reply(stream: bytes) -> None:
    """What no SMTP server may send, endless lines and replies included, is refused."""
    with pytest.raises(BadReply):
        read(stream)


def test_controls_do_not_reach_the_reader() -> None:
    """Terminal codes, NUL and bytes outside UTF-8 in a reply are taken out."""
    (reply,) = read(b"550 5.1.1 \x1b[31mred\x1b[0m \x00\xff end\r\n")
    assert str(reply) == "550 5.1.1 red \ufffd end"
    assert reply.enhanced == "5.1.1"


def test_enhanced_code_is_shown_once() -> None:
    """An enhanced code that every line repeats is shown once."""
    (reply,) = read(b"550-5.7.26 This mail\r\n550 5.7.26 is blocked\r\n")
    assert str(reply) == "550 5.7.26 This mail is blocked"
    assert Reply(250, ("ok 5.1.1 later",)).enhanced == ""


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes(pieces: list[bytes]) -> None:
    """Whatever comes makes replies with a sound code, or `BadReply`."""
    try:
        replies = read(*pieces)
    except BadReply:
        return
    for reply in replies:
        assert 200 <= reply.code < 600
        assert str(reply).isprintable()
