"""Behaviour of a redirect: all mail goes to staging, and says whom it was for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zenmail import (
    ConfigurationError,
    Email,
    Envelope,
    Mailer,
    Redirect,
    Retry,
    TemporaryFailure,
    hookimpl,
)

Make = Callable[..., Any]
B, C, D = "b@example.com", "c@example.com", "zoe@example.com"


def test_redirect_holds_above_every_transport(
    scripted: Make, mailer_of: Make, email: Email
) -> None:
    """Only allowed and staging addresses get mail; the first ones stand in a header."""
    one, two = scripted(TemporaryFailure("busy")), scripted()
    mailer = mailer_of(
        one,
        two,
        redirect=Redirect("staging@example.org", ["C@example.com", "*@corp.test"]),
    )
    receipt = mailer.send(email)
    allowed = {C, "staging@example.org"}
    assert receipt.accepted == (C, "staging@example.org")
    for request in (*one.requests, *two.requests):
        assert set(request.envelope.recipients) == allowed
        assert set(request.email.envelope.recipients) == allowed
        assert request.email.headers["X-Zenmail-Redirected-From"] == B
        assert D.encode() not in request.email.as_bytes()


def test_a_redirect_makes_no_second_copy(scripted: Make, mailer_of: Make) -> None:
    """Who gets the mail anyway gets it once, however the redirect spells the address."""
    one = scripted()
    mail = Email(sender="a@example.com", to=["Staging@example.org", B], text="t")
    redirect_to = ["staging@example.org", "STAGING@example.org"]
    mailer_of(one, redirect=Redirect(redirect_to)).send(mail)
    assert one.envelopes == [("Staging@example.org",)]
    assert one.requests[0].email.to == ("Staging@example.org",)
    mailer_of(two := scripted(), redirect=Redirect(redirect_to)).send(mail.replace(to=[B]))
    assert [len(recipients) for recipients in two.envelopes] == [1]


def test_who_has_the_mail_already_is_not_named_twice() -> None:
    """The headers name the staging address once, though the envelope holds it no more."""
    mail = Email(sender="a@example.com", to=[B, "staging@example.org"], text="t")
    redirect = Redirect("staging@example.org")
    redirected, envelope = redirect.apply(mail, Envelope(mail.sender, (B,)), flushing=True)
    assert redirected.to == ("staging@example.org",)
    assert envelope.recipients == ("staging@example.org",)


def test_redirect_of_blind_copies_names_nobody(scripted: Make, mailer_of: Make) -> None:
    """A mail to blind copies alone is redirected without naming them."""
    one = scripted()
    mail = Email(sender="a@example.com", bcc=[D], text="t")
    mailer_of(one, redirect=Redirect("staging@example.org")).send(mail)
    sent = one.requests[0].email.as_bytes()
    assert one.envelopes == [("staging@example.org",)]
    assert D.encode() not in sent
    assert b"X-Zenmail-Redirected-From: (blind copies)" in sent


def test_middleware_cannot_widen_a_redirect(
    scripted: Make, mailer_of: Make, email: Email
) -> None:
    """The redirect comes after the middleware, whatever mail that returns."""

    class Widener:
        @hookimpl
        def before_send(self, email: Email, envelope: Envelope) -> Email:
            return email.replace(to=(*email.to, "ceo@example.com"))

    one = scripted()
    mailer_of(one, redirect=Redirect("staging@example.org"), middleware={"w": Widener()}).send(
        email
    )
    assert one.envelopes == [("staging@example.org",)]


def test_a_header_like_the_redirects_own_stops_nothing(
    scripted: Make, mailer_of: Make, email: Email
) -> None:
    """In any case, it gives way to the one that says who would have got the mail."""
    one = scripted()
    forged = email.replace(headers={"x-zenmail-redirected-from": "nobody", "X-Team": "ml"})
    assert mailer_of(one, redirect=Redirect("stage@example.com")).send(forged).delivered
    assert one.requests[0].email.headers == {
        "X-Team": "ml",
        "X-Zenmail-Redirected-From": f"{B}, {C}",
    }


@pytest.mark.parametrize("allowed", ["Zoë <zoe@bücher.example>", "Zoe@BÜCHER.example"])
def test_redirect_allow_takes_addresses_as_people_write_them(
    scripted: Make, mailer_of: Make, allowed: str
) -> None:
    """With a name, and with the domain in letters of its own."""
    one = scripted()
    mailer = mailer_of(one, redirect=Redirect("stage@example.com", [allowed]))
    mailer.send(Email(sender="a@example.com", to="zoe@bücher.example", subject="s", text="t"))
    assert one.envelopes == [("zoe@xn--bcher-kva.example",)]


def test_redirect_allow_is_checked() -> None:
    """A pattern that could match nothing is refused, with the remedy."""
    with pytest.raises(ConfigurationError, match=r"\*@example.com"):
        Mailer("console", redirect=Redirect("a@example.com", "example.com"))


@pytest.mark.parametrize("nobody", [" ", ",", "\u2028", [""]])
def test_a_redirect_to_nobody_is_refused(nobody: Any) -> None:
    """A redirect that names no address does not turn itself off in silence."""
    with pytest.raises(ConfigurationError, match="redirect_to"):
        Mailer("console", redirect=Redirect(nobody))


def test_a_second_redirect_still_names_the_first_recipients(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """A mail that was redirected, kept, and is redirected elsewhere says whom it was for."""
    mailer_of(
        scripted(TemporaryFailure("busy")),
        ledger=tmp_path / "ledger.db",
        redirect=Redirect("old@example.org"),
        retry=Retry(max_attempts=1),
    ).send(email)
    one = scripted()
    mailer_of(one, ledger=tmp_path / "ledger.db", redirect=Redirect("new@example.org")).flush()
    assert one.envelopes == [("new@example.org",)]
    named = one.requests[0].email.headers["X-Zenmail-Redirected-From"]
    assert named.endswith(", old@example.org")
    assert all(box in named for box in email.to)
