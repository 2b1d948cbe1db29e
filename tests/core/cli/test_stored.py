"""What a command says while it waits for another program's store."""

from __future__ import annotations

import time

import pytest

from zenmail.cli import stored


@pytest.mark.parametrize(("seconds", "said"), [(0.0, ""), (1.3, "Reading the store ...\n")])
def test_what_takes_longer_than_a_second_is_named(
    capsys: pytest.CaptureFixture[str], seconds: float, said: str
) -> None:
    """Once, on standard error, while it is waited for; nothing is said of what is quick."""
    with stored.waiting("Reading the store"):
        time.sleep(seconds)
        before = capsys.readouterr()
    after = capsys.readouterr()
    assert (before.out, before.err, after.err) == ("", said, "")
