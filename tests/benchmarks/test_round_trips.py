"""How often a client waits for the server, counted at the server."""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

import pytest

from zenmail import Email, Mailer

pytestmark = pytest.mark.once

# Seconds of silence after which the sink takes a flight for whole. A client that does not
# wait sends all of it at once; the count can only be too high, and only if the machine
# stops the client for so long in the middle of a send.
_QUIET = 0.1


@pytest.mark.parametrize(("server", "waits"), [("full", 1), ("pipelining", 2), ("bare", 4)])
def test_a_mail_over_a_kept_connection_waits_as_little_as_the_server_allows(
    sink: Any,
    mailer_to: Callable[[int], Mailer],
    email: Callable[..., Email],
    server: str,
    waits: int,
) -> None:
    """One answer with CHUNKING, two with PIPELINING alone, four with neither."""
    mailer = mailer_to(sink.ports[server])
    mailer.send(email()).raise_for_outcome()
    sink.counts(quiet=_QUIET)
    mailer.send(email(1)).raise_for_outcome()
    counts = sink.counts()
    assert counts["mails"] == 1
    assert counts["round_trips"] == waits
    assert "connections" not in counts


@pytest.mark.parametrize(
    ("server", "recipients", "waits"), [("full", 50, 1), ("pipelining", 50, 2)]
)
def test_recipients_cost_no_round_trips_of_their_own(
    sink: Any,
    mailer_to: Callable[[int], Mailer],
    email: Callable[..., Email],
    server: str,
    recipients: int,
    waits: int,
) -> None:
    """Fifty recipients wait as little as one."""
    mailer = mailer_to(sink.ports[server])
    mailer.send(email()).raise_for_outcome()
    sink.counts(quiet=_QUIET)
    to = [f"person{number}@example.com" for number in range(recipients)]
    mailer.send(email(1, to=to)).raise_for_outcome()
    counts = sink.counts()
    assert counts["recipients"] == recipients
    assert counts["round_trips"] == waits


def test_the_first_mail_with_starttls_and_login_waits_eight_times(
    sink: Any, mailer_to: Callable[[int], Mailer], email: Callable[..., Email]
) -> None:
    """Greeting, EHLO, STARTTLS, handshake, EHLO, AUTH, envelope, mail; not for the farewell.

    The envelope travels alone until the connection is known to work.
    """
    sink.counts(quiet=_QUIET)
    mailer = mailer_to(sink.ports["full"])
    mailer.send(email()).raise_for_outcome()
    mailer.close()
    counts = sink.counts()
    assert counts["mails"] == 1
    assert counts["round_trips"] <= 8


def test_smtplib_waits_eleven_times(sink: Any) -> None:
    """The count is right: the standard library's client is known to wait eleven times."""
    sink.counts(quiet=_QUIET)
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@example.com", "b@example.com", "One"
    mail.set_content("One")
    with smtplib.SMTP(
        "localhost", sink.ports["full"], local_hostname="client.example"
    ) as server:
        server.starttls()
        server.login("user", "not-a-secret")
        server.send_message(mail)
    assert sink.counts()["round_trips"] == 11


def test_a_burst_takes_one_connection_and_one_login(
    sink: Any, mailer_to: Callable[[int], Mailer], email: Callable[..., Email]
) -> None:
    """A hundred mails, one after the other, share a connection."""
    mailer = mailer_to(sink.ports["full"])
    for number in range(100):
        mailer.send(email(number)).raise_for_outcome()
    counts = sink.counts()
    assert counts["mails"] == 100
    assert counts["connections"] == counts["handshakes"] == counts["logins"] == 1
