"""What an Email takes, refuses and cleans, and that it survives being stored."""

from __future__ import annotations

import copy
import pickle
import re
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zenmail import (
    AddressError,
    ConfigurationError,
    Email,
    Envelope,
    Mailbox,
    ZenmailError,
)

SECRET = "canary-password-7f3a"


def _email(**values: Any) -> Email:
    return Email(**{"sender": "a@b.example", "to": ["c@d.example"], **values})


def test_the_envelope_has_everybody_once() -> None:
    """To, Cc and Bcc, without names and without duplicates, in their order."""
    email = _email(
        sender="A <a@b.example>",
        to="C <c@d.example>, e@f.example",
        cc=["C again <c@D.example>"],
        bcc=("g@bücher.example",),
    )
    assert email.envelope == Envelope(
        "a@b.example", ("c@d.example", "e@f.example", "g@xn--bcher-kva.example")
    )
    assert email.to == ("C <c@d.example>", "e@f.example")


def test_message_ids_are_unique_and_stay() -> None:
    """Each mail has its own; copies and changed copies keep it."""
    ids = {_email().message_id for _ in range(100)}
    assert len(ids) == 100
    email = _email()
    assert re.fullmatch(r"<[0-9a-f]{24}@b\.example>", email.message_id)
    assert email.replace(subject="other").message_id == email.message_id
    assert email.message_id.encode() in email.as_bytes()


@pytest.mark.parametrize(
    ("values", "error", "says"),
    [
        ({"to": []}, AddressError, "no recipient"),
        ({"to": "nobody"}, AddressError, "'nobody'"),
        ({"sender": ""}, AddressError, "not a mail address"),
        ({"sender": None}, AddressError, "NoneType"),
        ({"sender": "a@b.example, c@d.example"}, AddressError, "not a mail address"),
        ({"sender": ["a@b.example", "c@d.example"]}, AddressError, "list"),
        ({"to": 5}, AddressError, "int"),
        ({"reply_to": "x y"}, AddressError, "@-sign"),
        ({"message_id": "no at sign"}, ConfigurationError, "message identifier"),
        ({"message_id": "<a@b>\r\nBcc: x@y.example"}, ConfigurationError, "message identifier"),
        ({"message_id": "<a@b><c@d>"}, ConfigurationError, "message identifier"),
        ({"thread": "<ä@b>"}, ConfigurationError, "thread"),
        ({"thread": "x" * 1000 + "@b"}, ConfigurationError, "thread"),
        ({"importance": "urgent"}, ConfigurationError, "importance"),
        ({"date": "yesterday"}, ConfigurationError, "date"),
        ({"subjekt": "x"}, ConfigurationError, "'subjekt' is not an argument"),
        ({"headers": ["X-A"]}, ConfigurationError, "headers"),
        ({"attachments": [("a.txt",)]}, ConfigurationError, "attachments.0"),
        ({"attachments": ["/no/such/file"]}, ConfigurationError, "no such file"),
        ({"attachments": [{"filename": "x"}]}, ConfigurationError, "either content or a path"),
        ({"attachments": [("a", b"x", "no type")]}, ConfigurationError, "MIME type"),
        ({"attachments": [("a", b"x", "a/b\r\nX: y")]}, ConfigurationError, "MIME type"),
        ({"attachments": [("a", b"x", "multipart/mixed")]}, ConfigurationError, "MIME type"),
        ({"attachments": [{"content": b"", "content_id": "a\r\nb"}]}, ConfigurationError,
         "content_id"),
    ],
)  # fmt: skip
def test_what_is_unusable_is_refused_in_a_sentence(
    values: dict[str, Any], error: type[ZenmailError], says: str
) -> None:
    """Always a ValueError of ours, in one line, without pydantic's words or our secrets."""
    for build in (Email, Email.model_validate):
        given_values = {"sender": "a@b.example", "to": ["c@d.example"], **values}
        with pytest.raises(error, match=re.escape(says)) as caught:
            build(**given_values) if build is Email else Email.model_validate(given_values)
        text = str(caught.value)
        assert isinstance(caught.value, ValueError)
        assert len(text.splitlines()) == 1
        assert "pydantic" not in text
        assert "validation error" not in text
        assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_a_refused_value_is_not_repeated() -> None:
    """An argument may hold a secret; the error does not."""
    with pytest.raises(ConfigurationError) as caught:
        _email(date=SECRET, importance=SECRET, headers=SECRET, text=SECRET)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "field", "value"),
    [
        ({"subject": "a\r\nBcc: x@y.example\n"}, "subject", "a Bcc: x@y.example"),
        ({"subject": ValueError("boom\n")}, "subject", "ValueError: boom"),
        ({"subject": None}, "subject", ""),
        ({"subject": 404}, "subject", "404"),
        ({"text": None}, "text", ""),
        ({"text": 0.92}, "text", "0.92"),
        ({"text": "a\0b\r\nc"}, "text", "ab\nc"),
        ({"html": None}, "html", None),
        ({"html": "<p>\x1b[1mx"}, "html", "<p>x"),
        ({"headers": {"X-N": 5, "X-L": "a\nb"}}, "headers", {"X-N": "5", "X-L": "a b"}),
        ({"message_id": "a@b"}, "message_id", "<a@b>"),
        ({"thread": "<a@b>"}, "thread", "<a@b>"),
        ({"list_id": "Train model <My List.example.com>"}, "list_id", "My-List.example.com"),
        ({"list_id": "trainieren für\r\nalle"}, "list_id", "trainieren-f-r-alle"),
        ({"sender": Mailbox("Doe, J", "a@b.example")}, "sender", '"Doe, J" <a@b.example>'),
    ],
)  # fmt: skip
def test_what_can_be_cleaned_is(values: dict[str, Any], field: str, value: object) -> None:
    """Texts are turned into text and cleaned; the mail is sent."""
    assert getattr(_email(**values), field) == value


def test_a_naive_date_is_local() -> None:
    """A mail always says its zone."""
    email = _email(date=datetime(2026, 1, 2, 3, 4))
    assert email.date.tzinfo is not None
    assert b"-0000" not in email.as_bytes()


@given(st.text(), st.text(), st.binary(), st.sampled_from(["x.bin", "ü.txt", ".env"]))
def test_a_mail_survives_json(subject: str, text: str, content: bytes, name: str) -> None:
    """The outbox stores mails so; every byte comes back."""
    email = _email(
        subject=subject,
        text=text,
        html=text,
        bcc=[Mailbox(subject[:50], "x@y.example")],
        attachments=[(name, content)],
        headers={"X-A": text},
    )
    again = Email.model_validate_json(email.model_dump_json())
    assert again == email
    assert again.as_bytes() == email.as_bytes()
    assert Email.model_validate(email.model_dump()) == email


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda email: pickle.loads(pickle.dumps(email))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_a_mail_survives_copying(copied: Any) -> None:
    """Before and after its bytes were asked for."""
    email = _email(subject="ü", attachments=[("a.bin", b"\0\xff")])
    assert copied(email) == email
    data = email.as_bytes()
    assert copied(email).as_bytes() == data
    assert copied(email).envelope == email.envelope


def test_changes_are_validated_whichever_way() -> None:
    """A copy with changes cannot smuggle in what the constructor refuses."""
    email = _email()
    assert email.model_copy(update={"subject": "a\nb"}).subject == "a b"
    with pytest.raises(AddressError):
        email.replace(to="nobody")
    with pytest.raises(ConfigurationError):
        email.model_copy(update={"headers": {"Bcc": "x@y.example"}})
    with pytest.raises(ValueError, match="frozen"):
        setattr(email, "subject", "x")  # noqa: B010


def test_bytes_hold_no_bcc() -> None:
    """Whatever a transport writes, nobody reads who was in Bcc."""
    email = _email(to=(), bcc=["Hidden <hidden@x.example>"])
    assert b"idden" not in email.as_bytes()
    assert email.envelope.recipients == ("hidden@x.example",)


def test_utc_is_the_default() -> None:
    """A mail without a date is of now."""
    assert abs((_email().date - datetime.now(timezone.utc)).total_seconds()) < 60


def test_a_header_in_two_spellings_is_refused() -> None:
    """Header names have no case (RFC 5322, 1.2.2)."""
    with pytest.raises(ConfigurationError, match="twice"):
        _email(headers={"X-Run": "1", "x-run": "2"})


@pytest.mark.parametrize("field", ["to", "cc", "bcc"])
def test_invalid_recipient_costs_nobody_else_the_mail(field: str) -> None:
    """An invalid recipient is set aside with the reason, wherever it stands."""
    both = ["ada@example.com", "bob.@example.com"]
    recipients: dict[str, Any] = {"to": ["ada@example.com"], field: both}
    mail = Email(sender="a@example.com", text="x", **recipients)
    assert mail.envelope.recipients == ("ada@example.com",)
    assert list(mail.invalid) == ["bob.@example.com"]
    assert "period" in mail.invalid["bob.@example.com"]
    assert b"bob" not in mail.as_bytes()
    assert mail.replace(subject="other").invalid == mail.invalid
    assert Email.model_validate_json(mail.model_dump_json()).invalid == mail.invalid


def test_only_invalid_recipients() -> None:
    """With no valid recipient there is no mail."""
    with pytest.raises(AddressError, match="bob"):
        Email(sender="a@example.com", to="bob.@example.com", cc=["x y"], text="x")
