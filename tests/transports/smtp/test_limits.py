"""What providers allow: connections, mails a minute, recipients of a mail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from zenmail import Deadline, Email, Mailer, TemporaryFailure
from zenmail.testing.smtp_server import Drop, SMTPServer
from zenmail_transports.smtp import SMTPOptions, limits, relay
from zenmail_transports.smtp.limits import Limits, Pace, limits_of

Start = Callable[..., SMTPServer]
MANY = [f"u{number}@example.com" for number in range(7)]


@pytest.fixture
def three_a_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every host take three recipients a mail."""
    monkeypatch.setattr(relay, "limits_of", lambda _: Limits(recipients=3))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("smtp.office365.com", (3, 30)),
        ("SMTP-MAIL.outlook.com.", (3, 30)),
        ("smtp.postmarkapp.com", (8, 0)),
        ("office365.com.example.net", (8, 0)),
    ],
)
def test_limits_are_known_by_host(host: str, expected: tuple[int, int]) -> None:
    """A provider's limits are defaults, which the options change."""
    options = SMTPOptions.parse({"host": host}, transport="smtp")
    assert (options.connections, options.rate) == expected
    own = SMTPOptions.parse({"host": host, "connections": 5, "rate": 0}, transport="smtp")
    assert (own.connections, own.rate) == (5, 0)


def test_postmark_takes_fifty_recipients() -> None:
    """Its limit is on the recipients of a mail."""
    assert limits_of("smtp.postmarkapp.com").recipients == 50
    assert limits_of("mail.example.com").recipients == 0


@pytest.mark.usefixtures("three_a_mail")
def test_more_recipients_travel_in_mails_of_their_own(
    start: Start, client: Any, email: Email
) -> None:
    """Everybody gets the mail once, no mail has more recipients than are allowed."""
    server = start()
    receipt = client.send(server, email, recipients=MANY)
    assert list(receipt.accepted) == MANY
    assert [len(mail.recipients) for mail in server.mails] == [3, 3, 1]


@pytest.mark.usefixtures("three_a_mail")
def test_a_part_that_fails_concerns_no_other(start: Start, client: Any, email: Email) -> None:
    """Only those are in doubt whose part of the mail was lost."""
    server = start()
    server.on("dot", "250 2.0.0 Ok", times=1)
    server.on("dot", Drop())
    receipt = client.send(server, email, recipients=MANY)
    assert list(receipt.accepted) == MANY[:3]
    assert list(receipt.unknown) == MANY[3:6]
    assert list(receipt.deferred) == MANY[6:]


def test_a_rate_holds_back_what_would_exceed_it(start: Start, email: Email) -> None:
    """A mail whose turn comes after the deadline is deferred, in one try, and not sent."""
    server = start()
    with Mailer("smtp", options=server.options(rate=2), deadline=10.0) as mailer:
        receipts = [mailer.send(email) for _ in range(3)]
    assert [receipt.outcome for receipt in receipts] == ["delivered", "delivered", "deferred"]
    assert (receipts[2].code, receipts[2].attempts) == ("rate", 1)
    assert len(server.mails) == 2


def test_a_pace_lets_the_next_go_when_its_turn_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over any minute there are no more mails than allowed."""
    monkeypatch.setattr(limits, "_MINUTE", 0.05)
    pace = Pace(2)
    started = Deadline.after(0).expires_at
    for _ in range(6):
        pace.wait(Deadline.after(60))
    assert Deadline.after(0).expires_at - started >= 0.1
    monkeypatch.setattr(limits, "_MINUTE", 1000.0)
    with pytest.raises(TemporaryFailure, match="2 mails a minute"):
        pace.wait(Deadline.after(1))
