"""Addresses that can travel, those that cannot, and the forms people write them in."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from email_validator import validate_email
from hypothesis import given
from hypothesis import strategies as st

from zenmail import AddressError, Mailbox
from zenmail.address import parse_mailbox, split_addresses
from zenmail.clean import clean_line


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("a@b.example", "", "a@b.example"),
        ("  <a@b.example>\n", "", "a@b.example"),
        ("Alerts <A.B+c@Example.COM>", "Alerts", "A.B+c@example.com"),
        ('"Doe, John" <j@x.example>', "Doe, John", "j@x.example"),
        ("Doe, John <j@x.example>", "Doe, John", "j@x.example"),
        ('"a \\"q\\" <x>" <c@d.example>', 'a "q" <x>', "c@d.example"),
        ("x@y.example <c@d.example>", "x@y.example", "c@d.example"),
        ("Müller 💥 <m@x.example>", "Müller 💥", "m@x.example"),
        ("Eve\r\nBcc: x@y.example <a@b.example>", "Eve Bcc: x@y.example", "a@b.example"),
        ("=?utf-8?q?=0A?= <a@b.example>", "=?utf-8?q?=0A?=", "a@b.example"),
        ("a@bücher.example", "", "a@xn--bcher-kva.example"),
        ("jürgen@bücher.example", "", "jürgen@xn--bcher-kva.example"),
        ("root@localhost", "", "root@localhost"),
        ("root@relay", "", "root@relay"),
        ("a@relay.local", "", "a@relay.local"),
        ("a@smtp.mail.svc.cluster.local", "", "a@smtp.mail.svc.cluster.local"),
        ("a@mail.internal", "", "a@mail.internal"),
        ("a@x.test", "", "a@x.test"),
        ('"john doe"@x.example', "", '"john doe"@x.example'),
        ('"a,b"@x.example', "", '"a,b"@x.example'),
        ("a@[127.0.0.1]", "", "a@[127.0.0.1]"),
        ("a@[IPv6:::1]", "", "a@[IPv6:::1]"),
    ],
)
def test_what_can_travel_is_read(text: str, name: str, address: str) -> None:
    """Name and address are told apart, and domains become A-labels in lower case."""
    assert parse_mailbox(text) == Mailbox(name, address)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "@-sign"),
        ("nobody", "@-sign"),
        ("Name <>", "@-sign"),
        ("a b@c.example", "SPACE"),
        ("a@b.example\nBcc: c@d.example", "invalid characters"),
        ("a\0@b.example", "U+0000"),
        ("a@b\x7f.example", "invalid characters"),
        ("a@b..example", "two periods"),
        ("a@-b.example", "hyphen"),
        ("a@b.example.", "period"),
        ("alice@example.org)bob@example.com", "invalid characters"),
        ("a@b.example, c@d.example", "invalid characters"),
        ("a@b.example, c <d@e.example>", "more than one address"),
        ("a <b@c.example> <d@e.example>", "angle brackets"),
        ("Team: a@b.example, c@d.example;", "groups"),
        ("undisclosed-recipients:;", "groups"),
        ("a@b.example (Bob)", "invalid characters"),
        ("a@" + "b" * 64 + ".example", "1 character too many"),
        ("x" * 10**6, "too long"),
        ("\udc80@b.example", "unsafe characters"),
    ],
)
def test_what_cannot_travel_is_refused_with_the_reason(text: str, reason: str) -> None:
    """The error is a ValueError in one line that says what is wrong and what to write."""
    with pytest.raises(AddressError) as caught:
        parse_mailbox(text)
    assert isinstance(caught.value, ValueError)
    assert reason in str(caught.value)
    assert "name@example.com" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 600
    str(caught.value).encode("utf-8")


_names = st.text(st.characters(exclude_categories=["Cs"]), max_size=30).map(clean_line)


@given(_names, st.sampled_from(["a@b.example", '"x y"@localhost', "é@xn--bcher-kva.example"]))
def test_a_mailbox_survives_being_written(name: str, address: str) -> None:
    """Whatever its name holds, a mailbox is read back and never taken apart."""
    mailbox = Mailbox(name, address)
    assert split_addresses(str(mailbox)) == (str(mailbox),)
    assert parse_mailbox(str(mailbox)) == mailbox
    assert split_addresses(mailbox) == (str(mailbox),)


_parts = st.text("abcXYZ019.-_+'!", min_size=1, max_size=20)


@given(_parts, st.text("abcXYZ019.-", min_size=1, max_size=20))
def test_the_short_way_agrees_with_the_library(local: str, domain: str) -> None:
    """What is recognised without email-validator, it accepts, and normalises likewise."""
    from zenmail.address import _PLAIN

    text = f"{local}@{domain}.com"
    if _PLAIN.fullmatch(text):
        assert (
            parse_mailbox(text).address
            == validate_email(
                text, check_deliverability=False, globally_deliverable=False
            ).normalized
        )


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (None, ()),
        ("", ()),
        (" , ; \n", ()),
        ("a@b", ("a@b",)),
        ("a@b, c@d;e@f\ng@h", ("a@b", "c@d", "e@f", "g@h")),
        (["a@b", "c@d, e@f"], ("a@b", "c@d", "e@f")),
        (("a@b",), ("a@b",)),
        ('["a@b", "\\"x, y\\" <c@d>"]', ("a@b", '"x, y" <c@d>')),
        ('"x, y" <a@b>, <c@d>', ('"x, y" <a@b>', "<c@d>")),
        ('"x\\", y" <a@b>,c@d', ('"x\\", y" <a@b>', "c@d")),
        ("Alice\nSmith <a@b>", ("Alice\nSmith <a@b>",)),
        ([None, "a@b"], ("a@b",)),
        (Mailbox("x, y", "a@b"), ('"x, y" <a@b>',)),
    ],
)
def test_lists_are_taken_apart(value: Any, parts: tuple[str, ...]) -> None:
    """Strings, lists and JSON lists give the single addresses."""
    assert split_addresses(value) == parts


@pytest.mark.parametrize("value", [5, object(), b"a@b.example", {"a@b.example": 1}, [5]])
def test_what_is_no_address_list_is_refused(value: object) -> None:
    """A value of another kind is an AddressError, not a TypeError."""
    with pytest.raises(AddressError):
        split_addresses(value)


@pytest.mark.parametrize("unit", ['"', "<", ",", "\\", "\n", "a@b,", " ", "[", "x\n"])
@pytest.mark.timeout(60)
def test_hostile_lists_of_megabytes_are_taken_apart(unit: str) -> None:
    """Reading ends in time that only a linear way can keep."""
    split_addresses("a" + unit * (2_000_000 // len(unit)))


def test_lists_without_an_end_are_refused() -> None:
    """A list that holds itself is an error like any other."""
    endless: list[Any] = ["a@example.com"]
    endless.append(endless)
    with pytest.raises(AddressError, match="nested too deeply"):
        split_addresses(endless)


def test_addresses_without_end_are_refused() -> None:
    """A list that never ends does not fill the memory."""
    with pytest.raises(AddressError, match="More than"):
        split_addresses(itertools.repeat("a@example.com"))


def test_outlooks_list_is_read() -> None:
    """Between semicolons, a comma belongs to the name in front of an address."""
    text = "Smith, John <j@x.example>; Doe, Jane, PhD <d@x.example>; a@x.example, b@x.example;"
    assert split_addresses(text) == (
        '"Smith, John" <j@x.example>',
        '"Doe, Jane, PhD" <d@x.example>',
        "a@x.example",
        "b@x.example",
    )


@pytest.mark.parametrize(
    "text",
    ["Smith, John <j@x.example>", "a@x.example, Smith, John <j@x.example>"],
)
def test_a_comma_in_a_name_is_refused_with_the_form_to_paste(text: str) -> None:
    """Without semicolons it could be a bad address; the remedy is a list that is read."""
    with pytest.raises(AddressError) as caught:
        split_addresses(text)
    corrected = caught.value.remedy.removeprefix("Write: ")
    assert split_addresses(corrected)[-1] == '"Smith, John" <j@x.example>'


def test_a_bad_address_stays_one_of_its_own() -> None:
    """What stands between commas is not made part of an address without a name."""
    assert split_addresses("nobody, a@x.example") == ("nobody", "a@x.example")
