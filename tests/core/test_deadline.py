"""One moment on the monotonic clock."""

from __future__ import annotations

import time

import pytest

from zenmail import Deadline, DeadlineExceeded


def test_time_runs_out() -> None:
    """What remains shrinks to 0 and never below."""
    deadline = Deadline.after(1000)
    assert 0 < deadline.remaining() <= 1000
    assert not deadline.expired
    past = Deadline(time.monotonic() - 1)
    assert past.expired
    assert past.remaining() == 0.0


def test_a_timeout_is_what_is_left_or_an_error() -> None:
    """A blocking call gets the rest; without one, the error says what was to come."""
    assert 0 < Deadline.after(1000).timeout("before login") <= 1000
    with pytest.raises(DeadlineExceeded, match="before login"):
        Deadline.after(-1).timeout("before login")


def test_a_share_leaves_time_for_the_others() -> None:
    """The first of four gets a quarter; the last gets all that is left."""
    deadline = Deadline.after(1000)
    assert 240 < deadline.share(4).remaining() <= 250
    assert deadline.share(1).remaining() > 990
    assert deadline.share(0).remaining() > 990
