"""The bytes of a mail: structure, folding, encodings, and what tries to break them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from email import message_from_bytes, policy
from pathlib import Path
from typing import cast

import pytest

from zenmail import Attachment, Email, TemporaryFailure

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


def test_a_plain_mail_to_the_byte() -> None:
    """The whole of a small mail, header by header."""
    email = _email(
        sender="ZenML Alerts <alerts@example.com>",
        cc="Doe, John <john@example.com>, ops@example.com".replace("Doe, John", '"Doe, John"'),
        bcc="hidden@example.com",
        reply_to="team@example.com",
        subject="Step failed",
        text="It broke.",
        thread="run-1@example.com",
        list_id="train.pipeline.zenmail",
        importance="high",
        headers={"X-ZenML-Run": "train-1"},
    )
    assert email.as_bytes() == (
        b"From: ZenML Alerts <alerts@example.com>\r\n"
        b"To: oncall@example.com\r\n"
        b'Cc: "Doe, John" <john@example.com>, ops@example.com\r\n'
        b"Reply-To: team@example.com\r\n"
        b"Subject: Step failed\r\n"
        b"Date: Tue, 24 Nov 2026 12:00:00 +0100\r\n"
        b"Message-ID: <1@example.com>\r\n"
        b"In-Reply-To: <run-1@example.com>\r\n"
        b"References: <run-1@example.com>\r\n"
        b"List-Id: <train.pipeline.zenmail>\r\n"
        b"Auto-Submitted: auto-generated\r\n"
        b"X-Auto-Response-Suppress: All\r\n"
        b"Importance: high\r\n"
        b"X-Priority: 1\r\n"
        b"X-ZenML-Run: train-1\r\n"
        b"MIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: 7bit\r\n"
        b"\r\n"
        b"It broke.\r\n"
    )


def test_the_structure_of_a_full_mail() -> None:
    """Files stand beside the text and its HTML, pictures beside the HTML alone."""
    email = _email(
        text="plain",
        html='<img src="cid:p1">',
        attachments=[
            Attachment(filename="p.png", content=b"\x89PNG", content_id="p1", alt="A plot"),
            ("data.csv", b"a,b\r\n"),
        ],
    )
    message = message_from_bytes(email.as_bytes(), policy=policy.default)
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "text/csv",
    ]
    assert message.preamble in (None, "")
    *_, picture, table = message.walk()
    assert picture["content-id"] == "<p1>"
    assert picture["content-disposition"].content_disposition == "inline"
    assert picture["content-description"] == "A plot"
    assert table["content-disposition"].content_disposition == "attachment"
    assert table.get_content_charset() == "utf-8"


@pytest.mark.parametrize(
    ("values", "types"),
    [
        ({"text": "t"}, ["text/plain"]),
        ({"text": ""}, ["text/plain"]),
        ({"html": "<p>h"}, ["multipart/alternative", "text/plain", "text/html"]),
        (
            {"text": "t", "attachments": [("a.bin", b"")]},
            ["multipart/mixed", "text/plain", "application/octet-stream"],
        ),
        (
            {"text": "t", "attachments": [Attachment(content=b"x", content_id="i")]},
            ["multipart/mixed", "text/plain", "application/octet-stream"],
        ),
    ],
)
def test_no_part_without_need(values: dict[str, object], types: list[str]) -> None:
    """A mail has a text part always, and multiparts only where there are several parts."""
    message = message_from_bytes(_email(**values).as_bytes(), policy=policy.default)
    assert [part.get_content_type() for part in message.walk()] == types


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
def test_no_text_breaks_the_head_of_an_attachment(text: str) -> None:
    """File names and descriptions are cleaned and encoded like everything else."""
    email = _email(text="t", attachments=[Attachment(filename=text, content=b"c", alt=text)])
    message = message_from_bytes(email.as_bytes(), policy=policy.default)
    (part,) = message.iter_attachments()
    assert set(part.keys()) <= {
        "Content-Type",
        "Content-Transfer-Encoding",
        "Content-Disposition",
        "Content-Description",
    }
    assert part.get_payload(decode=True) == b"c"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("short lines\nonly", "7bit"),
        ("x" * 77, "quoted-printable"),
        ("x" * 5000, "quoted-printable"),
        ("trailing blank \nx", "quoted-printable"),
        ("trailing tab\t", "quoted-printable"),
        ("From me", "quoted-printable"),
        ("x\nFrom " + "y" * 66 + "\n", "quoted-printable"),
        ("x\nFrom " + "y" * 200, "quoted-printable"),
        ("x\n.\ny", "quoted-printable"),
        ("a=_b", "quoted-printable"),
        ("Grüße", "quoted-printable"),
        ("日本語のメール" * 20, "base64"),
        ("", "7bit"),
        ("\n\n", "7bit"),
        ("x" * 75 + "é" + "y" * 75, "quoted-printable"),
    ],
)
@pytest.mark.parametrize("html", [None, "<i></i>"])
def test_text_is_encoded_so_that_no_relay_changes_it(
    text: str, encoding: str, html: str | None
) -> None:
    """RFC 2045, 6.7: blanks at line ends, "From " and lone dots are encoded."""
    email = _email(text=text, html=html)
    part = message_from_bytes(email.as_bytes(), policy=policy.default).get_body(("plain",))
    assert part is not None
    assert part["content-transfer-encoding"] == encoding
    content = cast(bytes, part.get_payload(decode=True)).decode("utf-8").replace("\r\n", "\n")
    # In a multipart the text is exact; alone, it ends as every mail does, with a line end.
    exact = html is not None or encoding == "base64" or email.text.endswith("\n")
    assert content == (email.text if exact else f"{email.text}\n")
    assert email.text.strip() == text.strip()
    lines = email.as_bytes().split(b"\r\n")
    assert max(map(len, lines)) <= 76
    assert b"." not in lines
    assert not any(line.startswith(b"From ") for line in lines)
    assert not any(line.endswith((b" ", b"\t")) for line in lines)


def test_boundaries_occur_in_no_content() -> None:
    """A text that guesses the boundary does not end a part."""
    first = _email(text="t", html="<p>h</p>")
    boundary = re.search('boundary="(.*)"', first.as_bytes().decode())
    assert boundary is not None
    evil = f"x\n--{boundary[1]}--\n\n--{boundary[1]}\nContent-Type: text/html\n\nevil"
    email = _email(
        text=evil, html=evil, attachments=[("m.eml", evil.encode(), "message/rfc822")]
    )
    message = message_from_bytes(email.as_bytes(), policy=policy.default)
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "text/html",
        "application/octet-stream",
    ]  # fmt: skip


@pytest.mark.parametrize("size", [0, 1, 2, 3, 56, 57, 58, 58368, 58369, 200_000])
def test_base64_of_memory_and_of_a_file(size: int, tmp_path: Path) -> None:
    """Both ways give the same bytes, and as many as promised."""
    content = bytes(range(256)) * (size // 256 + 1)
    path = tmp_path / "data.bin"
    path.write_bytes(content[:size])
    held = _email(text="t", attachments=[("data.bin", content[:size])])
    streamed = _email(text="t", attachments=[path])
    assert held.as_bytes() == streamed.as_bytes()
    assert held.size() == streamed.size() == len(held.as_bytes())
    message = message_from_bytes(held.as_bytes(), policy=policy.default)
    (part,) = message.iter_attachments()
    assert part.get_payload(decode=True) == content[:size]
    assert not part.defects


def test_a_file_that_grows_is_sent_as_promised(tmp_path: Path) -> None:
    """A log that is still written does not change the announced size."""
    path = tmp_path / "run.log"
    path.write_bytes(b"x" * 1000)
    email = _email(text="t", attachments=[path])
    size = email.size()
    path.write_bytes(b"x" * 5000)
    assert len(email.as_bytes()) == size == email.size()


def test_a_file_that_shrinks_fails_the_try_and_not_the_next(tmp_path: Path) -> None:
    """The promise cannot be kept: the try ends as temporary, the next promises anew."""
    path = tmp_path / "run.log"
    path.write_bytes(b"x" * 100_000)
    email = _email(text="t", attachments=[path])
    size = email.size()
    path.write_bytes(b"x" * 70_000)
    with pytest.raises(TemporaryFailure, match="has become shorter") as caught:
        email.as_bytes()
    assert caught.value.code == "attachment-changed"
    assert len(email.as_bytes()) == email.size() < size


def test_a_file_that_vanishes_is_replaced_by_a_note(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The alert arrives without it, and says so."""
    path = tmp_path / "model.bin"
    path.write_bytes(b"x")
    email = _email(text="t", attachments=[path])
    path.unlink()
    assert email.size() == len(email.as_bytes())
    (part,) = message_from_bytes(email.as_bytes(), policy=policy.default).iter_attachments()
    assert part.get_filename() == "model.bin.txt"
    assert "No such file" in part.get_content()
    assert "model.bin" in caplog.text


@pytest.mark.parametrize(
    ("content", "kind", "encoding", "written"),
    [
        (b"Subject: x\r\n\r\nbody\r\n", "message/rfc822", "7bit", "message/rfc822"),
        (b"Subject: x\n\nbody\n", "message/rfc822", "base64", "application/octet-stream"),
        (b"\xff", "message/rfc822", "base64", "application/octet-stream"),
        (b"caf\xe9", "text/csv", "base64", "text/csv"),
        (b"caf\xe9", "text/csv; charset=latin-1", "base64", "text/csv;\r\n charset=latin-1"),
        ("café", "text/csv", "base64", "text/csv; charset=utf-8"),
    ],
)
def test_kinds_of_attachment(
    content: bytes | str, kind: str, encoding: str, written: str
) -> None:
    """A message is never in base64 (RFC 2046, 5.2.1); text names its charset if known."""
    email = _email(text="t", attachments=[Attachment(content=content, content_type=kind)])
    wire = email.as_bytes().replace(b"\r\n ", b" ").decode("ascii")
    head = wire[wire.rindex("Content-Type:") if encoding != "7bit" else 0 :]
    assert f"Content-Type: {written}".replace("\r\n", "") in head
    assert f"Content-Transfer-Encoding: {encoding}" in head


def test_the_longest_type_of_office_folds() -> None:
    """A type of 71 letters still gives lines of at most 76."""
    email = _email(text="t", attachments=[("a.docx", b"x")])
    assert max(map(len, _lines(email))) <= 76
