from __future__ import annotations

import pytest

from zenmail import Alert
from zenmail.ledger.digest import fingerprint


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ValueError: bad value 17", "ValueError: bad value 4", True),
        ("at 0x7f00aa: lost", "at 0x7f00bb: lost", True),
        ("run 3f2504e0-4f89-11d3-9a0c-0305e82c3301 died",
         "run 00000000-4f89-11d3-9a0c-0305e82c3301 died", True),
        ("ValueError: bad value", "KeyError: 'value'", False),
    ],
)  # fmt: skip
def test_fingerprint(one: str, other: str, same: bool) -> None:
    """Numbers and ids make no new error; another type or text does."""
    keys = [fingerprint(Alert(title="t", error=error))[0] for error in (one, other)]
    assert (keys[0] == keys[1]) is same


def test_fingerprint_knows_the_place() -> None:
    """The same message from another function is another error; from another line it is not."""

    def key(function: str, line: int) -> str:
        trace = f'  File "a.py", line {line}, in {function}\n    x\nValueError: x\n'
        return fingerprint(Alert(error="ValueError: x", traceback=trace))[0]

    assert key("train", 1) == key("train", 2)
    assert key("train", 1) != key("load", 1)
