"""What is known of a mail before its transports are called."""

from __future__ import annotations

import pytest

from zenmail import Email, Receipt, TemporaryFailure
from zenmail.delivery.attempts import Attempts

B, C = "b@example.com", "c@example.com"


@pytest.mark.parametrize(
    ("answer", "arrived"),
    [
        (Receipt(outcome="delivered", accepted=(B, C)), True),
        (Receipt(outcome="partial", accepted=(B,), deferred={C: "later"}), False),
        (Receipt(outcome="partial", accepted=(B,)), False),
        (TemporaryFailure("later"), False),
    ],
)
def test_mail_has_arrived_when_everybody_has_it(
    answer: Receipt | TemporaryFailure, arrived: bool
) -> None:
    """A mail is struck out early only if the first answer accepts each of its recipients."""
    email = Email(sender="a@example.com", to=[B, C], text="t")
    attempts = Attempts(email, email.envelope, "at_most_once")
    assert not attempts.arrived
    attempts.answer_first_call(answer)
    assert attempts.arrived is arrived
