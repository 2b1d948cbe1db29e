"""Header fields: encodings, folding, and what tries to break them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from email import message_from_bytes, policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zenmail import ConfigurationError, Email, Mailbox

_WHEN = datetime(2026, 11, 24, 12, 0, tzinfo=timezone(timedelta(hours=1)))


def _email(**values: object) -> Email:
    defaults: dict[str, object] = {
        "sender": "alerts@example.com",
        "to": ["oncall@example.com"],
        "message_id": "<1@example.com>",
        "date": _WHEN,
    }
    return Email.model_validate({**defaults, **values})


def _lines(email: Email) -> list[str]:
    return email.as_bytes().decode("utf-8").split("\r\n")


def _head(email: Email) -> str:
    return email.as_bytes().partition(b"\r\n\r\n")[0].decode("utf-8")


_INJECTIONS = [
    "abc\n",
    "abc\r\n\r\n<html>",
    "x\r\nBcc: victim@example.org",
    "x\nBcc: victim@example.org",
    "x\rBcc: victim@example.org",
    "=?UTF-8?Q?=0A?=Bcc: victim@example.org",
    "=?UTF-8?Q?x=0D=0A=0D=0Abody?=",
    "=?utf-8?b?DQpCY2M6IHZpY3RpbUBleGFtcGxlLm9yZw==?=",
    "x\u2028Bcc: victim@example.org",
    "x\x85Bcc: victim@example.org",
    "x\x0bBcc: victim@example.org",
    "x\0\x1b[31m\x07",
    "\udc80 lone",
    "a" * 997 + "\r\nBcc: victim@example.org",
]


@pytest.mark.parametrize("text", _INJECTIONS)
@pytest.mark.parametrize("parser", [policy.default, policy.compat32])
def test_no_text_ends_or_adds_a_header(text: str, parser: policy.Policy) -> None:
    """CVE-2024-6923, CVE-2026-1299: wherever a text stands, the headers stay the same."""
    plain = _email(sender="N <a@b.example>", subject="s", headers={"X-Note": "n"}, text="t")
    email = _email(
        sender=Mailbox(text, "a@b.example"),
        subject=text,
        headers={"X-Note": text},
        text="t",
    )
    wanted = message_from_bytes(plain.as_bytes(), policy=policy.default)
    message = message_from_bytes(email.as_bytes(), policy=parser)
    assert message.keys() == wanted.keys()
    assert message.get_payload() == wanted.get_payload()
    assert email.envelope == plain.envelope
    assert email.as_bytes().isascii()


@pytest.mark.parametrize("name", ["X-A\r\nBcc", "X A", "X:A", "", "Ünicode", "x" * 71, "X\0"])
def test_a_bad_header_name_is_refused(name: str) -> None:
    """Before CPython 3.13 the standard library writes it as it is."""
    with pytest.raises(ConfigurationError, match="header name"):
        _email(headers={name: "value"})


@pytest.mark.parametrize("name", ["Bcc", "subject", "FROM", "Content-Type", "Resent-Bcc"])
def test_own_headers_are_refused(name: str) -> None:
    """A header that zenmail writes cannot come twice."""
    with pytest.raises(ConfigurationError, match="is set by zenmail"):
        _email(headers={name: "value"})


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"subject": ""}, "Subject:"),
        ({"headers": {"X-Empty": ""}}, "X-Empty:"),
        ({"subject": "two  blanks"}, "Subject: =?utf-8?q?two__blanks?="),
        ({"subject": "Größe"}, "Subject: =?utf-8?q?Gr=C3=B6=C3=9Fe?="),
        ({"subject": "日本語" * 9}, "Subject: =?utf-8?b?" + "5pel5pys6Kqe" * 4 + "5pel?="),
        ({"subject": "日本語"}, "Subject: =?utf-8?q?=E6=97=A5=E6=9C=AC=E8=AA=9E?="),
        ({"to": "日本 <a@b.example>"}, "To: =?utf-8?q?=E6=97=A5=E6=9C=AC?= <a@b.example>"),
        ({"to": 'a "b" <a@b.example>'}, 'To: "a \\"b\\"" <a@b.example>'),
        ({"to": "=?x?= <a@b.example>"}, "To: =?utf-8?q?=3D=3Fx=3F=3D?= <a@b.example>"),
        ({"to": "a@bücher.example"}, "To: a@xn--bcher-kva.example"),
        ({"to": (), "bcc": "a@b.example"}, "To: undisclosed-recipients:;"),
        ({"headers": {"List-Help": f"<https://e.example/{'x' * 90}>"}},
         f" <https://e.example/{'x' * 90}>"),
        ({"date": datetime(2026, 1, 2, tzinfo=timezone(timedelta(seconds=3208)))},
         "Date: Thu, 01 Jan 2026 23:06:32 +0000"),
    ],
)  # fmt: skip
def test_one_header(values: dict[str, object], line: str) -> None:
    """Names and texts are written plainly where they can be, encoded where they must."""
    assert line in _lines(_email(**values))


_letters = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=400)


@settings(deadline=None)
@given(_letters, st.sampled_from(["Subject", "X-" + "Long-" * 12 + "Name"]))
def test_encoded_words_are_short_and_whole(text: str, name: str) -> None:
    """RFC 2047, 2 and 5: words of at most 75, each decodable alone, lines of at most 76."""
    email = (
        _email(subject=text) if name == "Subject" else _email(headers={name: text}, subject="s")
    )
    for word in re.findall(r"=\?[^ \r\n]*\?=", _head(email)):
        assert len(word) <= 75
        message_from_bytes(f"Subject: {word}\r\n\r\n".encode(), policy=policy.default)
        code = word[10:-2]
        if word.startswith("=?utf-8?q?"):
            re.sub(
                "((?:=..)+)", lambda run: bytes.fromhex(run[1].replace("=", "")).decode(), code
            )
    assert max(map(len, _lines(email))) <= 76


@pytest.mark.parametrize("count", [1, 2, 3, 50, 5_000])
def test_many_recipients_fold_between_addresses(count: int) -> None:
    """CVE-2025-1795: the commas between addresses stand as they are."""
    to = [f"Person {n} of the Team <person{n}@department.example.com>" for n in range(count)]
    email = _email(to=to)
    message = message_from_bytes(email.as_bytes(), policy=policy.default)
    assert [item.addr_spec for item in message["to"].addresses] == [
        f"person{n}@department.example.com" for n in range(count)
    ]
    assert max(map(len, _lines(email))) <= 76
    assert len(email.envelope.recipients) == count


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("a.csv", 'filename="a.csv"'),
        ("my report.csv", 'filename="my report.csv"'),
        ("größe.txt", "filename*=utf-8''gr%C3%B6%C3%9Fe.txt"),
        ('a"b.txt', "filename*=utf-8''a%22b.txt"),
        ("x" * 100 + ".bin", "filename*0*=utf-8''xxx"),
    ],
)
def test_file_names_are_parameters(name: str, written: str) -> None:
    """RFC 2231 where a quoted string cannot hold the name, in pieces when it is long."""
    email = _email(text="t", attachments=[(name, b"c")])
    assert f"\r\n {written}".encode() in email.as_bytes()
    assert max(map(len, _lines(email))) <= 76
    (part,) = message_from_bytes(email.as_bytes(), policy=policy.default).iter_attachments()
    assert part.get_filename() == name


class TestSMTPUTF8:
    """Addresses whose local part is not ASCII."""

    def test_the_headers_hold_them_as_they_are(self) -> None:
        """RFC 6532 headers, for a server with SMTPUTF8."""
        email = _email(to=["Jürgen <jürgen@bücher.example>"], text="t")
        assert email.smtputf8
        assert email.envelope.smtputf8
        assert "<jürgen@xn--bcher-kva.example>".encode() in email.as_bytes()
        assert email.size() == len(email.as_bytes())

    def test_a_server_that_knows_only_ascii_gets_them_described(self) -> None:
        """RFC 6857: who else got the mail is told as text, and the others get theirs."""
        email = _email(to=["jürgen@b.example", "a@b.example"], text="t")
        data = email.as_bytes(smtputf8=False)
        assert data.isascii()
        assert b"To: =?utf-8?q?j=C3=BCrgen=40b=2Eexample?= :;, a@b.example\r\n" in data
        assert len(data) == email.size(smtputf8=False)

    def test_all_others_are_seven_bit(self) -> None:
        """Names and domains alone need no SMTPUTF8."""
        email = _email(sender="Jürgen <j@bücher.example>", subject="ü", text="ü")
        assert not email.smtputf8
        assert email.as_bytes() == email.as_bytes(smtputf8=False)
        assert email.as_bytes().isascii()
