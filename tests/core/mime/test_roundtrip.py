"""What went in is read back by Python's parser and by one that shares no code with us."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zenmail import Email
from zenmail.address import Mailbox, parse_mailbox

pytestmark = pytest.mark.once

_FOLDER = Path(__file__).parent / "mailparser"

# Words in many scripts, joined characters, and what parsers take for syntax.
_HOSTILE = [
    "=?utf-8?q?=0A?=Bcc: x@y.example", "=?UTF-8?B?QmNjOg==?=", "a,b;c:d", '"quoted" \\ back',
    "<b>&amp;</b>", "(comment)", "Größe", "日本語のタイトル", "שלום\u200f עולם", "مرحبا",
    "👩\u200d👩\u200d👧\u200d👦", "e\u0301", "=C3=A4", "....", "--=_a", "From ", "x" * 90,
    "a  b", "@", "user@host.example", "100%", "'", "\u00a0nbsp", "\u3000", "\U0010ffff",
]  # fmt: skip
# Without what is cleaned on purpose: controls, line ends, overrides, surrogates.
_letters = st.characters(
    exclude_categories=["Cs", "Cc", "Zl", "Zp"],
    exclude_characters="\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff",
)
_words = st.one_of(st.text(_letters, max_size=12), st.sampled_from(_HOSTILE))
_line = st.lists(_words, max_size=12).map(lambda words: " ".join(words).strip()[:300].strip())
_body = st.lists(_line, max_size=12).map("\n".join)
_names = _line.map(lambda name: name[:60].strip())
_atoms = st.text("abcXYZ0123456789!#$%&'*+/=?^_`{|}~-", min_size=1, max_size=12)
_addresses = st.builds(
    lambda local, domain: f"{local}@{domain}",
    st.lists(_atoms, min_size=1, max_size=3).map(".".join),
    st.sampled_from(
        ["example.com", "mail.example.org", "bücher.example", "localhost", "a.local"]
    ),
)
_mailboxes = st.builds(Mailbox, _names, _addresses)
_filenames = st.text(_letters, min_size=1, max_size=80).filter(
    lambda name: not {*name} & {"/", "\\"} and name.strip(". ") == name == name.strip() != ""
)
_mails = st.fixed_dictionaries(
    {
        "sender": _mailboxes,
        "to": st.lists(_mailboxes, min_size=1, max_size=5),
        "cc": st.lists(_mailboxes, max_size=3),
        "bcc": st.just([Mailbox("Nobody", "secret@hidden.example")]),
        "subject": _line,
        "text": _body,
        "html": st.none() | _body.filter(bool),
        "attachments": st.lists(st.tuples(_filenames, st.binary(max_size=200)), max_size=3),
        "headers": st.dictionaries(
            st.from_regex(r"X-[A-Z][a-z]{0,20}", fullmatch=True), _line.filter(bool), max_size=3
        ),
    }
)  # fmt: skip
_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
_many = settings(max_examples=60, deadline=None, suppress_health_check=_SLOW)
_OWN = [
    "from", "to", "subject", "date", "message-id", "auto-submitted",
    "x-auto-response-suppress", "mime-version", "content-type",
]  # fmt: skip


def _expected_headers(email: Email) -> list[str]:
    single = email.html is None and not email.attachments
    names = [*_OWN, *(name.lower() for name in email.headers)]
    names += ["cc"] if email.cc else []
    return sorted(names + (["content-transfer-encoding"] if single else []))


def _same(left: str, right: str) -> bool:
    """Whether two texts are the same but for the line end that closes a mail."""
    return left.replace("\r\n", "\n").rstrip("\n") == right.rstrip("\n")


def _pairs(mailboxes: list[Mailbox]) -> list[tuple[str, str]]:
    return [(box.name, parse_mailbox(box.address).address) for box in mailboxes]


@_many
@given(_mails)
def test_every_line_is_short_and_seven_bit(values: dict[str, Any]) -> None:
    """All bytes are 7-bit, line ends are CRLF, and lines have at most 76 characters."""
    email = Email(**values)
    data = email.as_bytes()
    assert data.isascii()
    assert b"\0" not in data
    assert data.endswith(b"\r\n")
    assert len(data) == email.size()
    lines = data.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert max(map(len, lines)) <= 76
    assert b"hidden.example" not in data


@_many
@given(_mails)
def test_python_reads_back_what_went_in(values: dict[str, Any]) -> None:
    """The standard library finds the subject, names, addresses, bodies and files."""
    email = Email(**values)
    message = message_from_bytes(email.as_bytes(), policy=policy.default)
    assert sorted(name.lower() for name in message.keys()) == _expected_headers(email)  # noqa: SIM118
    assert not message.defects
    assert [str(item).lower() for part in message.walk() for item in part.defects] == []
    assert message["subject"] == email.subject
    for field, given_boxes in (("to", values["to"]), ("cc", values["cc"])):
        found = message[field].addresses if message[field] else ()
        assert [item.addr_spec for item in found] == [at for _, at in _pairs(given_boxes)]
    text = message.get_body(("plain",))
    assert text is not None
    assert _same(text.get_content(), email.text)
    html = message.get_body(("html",))
    assert (html is None) == (email.html is None)
    if html is not None and email.html is not None:
        assert _same(html.get_content(), email.html)
    files = [
        (part.get_filename(), part.get_payload(decode=True))
        for part in message.iter_attachments()
    ]
    assert [content for _, content in files] == [item.content for item in email.attachments]


@pytest.fixture(scope="module")
def read() -> Iterator[Callable[[bytes], dict[str, Any]]]:
    """Return what mailparser makes of a mail."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if not (_FOLDER / "node_modules").is_dir():
        pytest.skip(f"mailparser is not installed: run npm ci in {_FOLDER.name}/")
    with subprocess.Popen(
        [node, str(_FOLDER / "read_mails.js")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def ask(data: bytes) -> dict[str, Any]:
            stdin.write(json.dumps(base64.b64encode(data).decode("ascii")) + "\n")
            stdin.flush()
            return cast("dict[str, Any]", json.loads(stdout.readline()))

        yield ask


@_many
@given(values=_mails)
def test_mailparser_reads_back_what_went_in(
    read: Callable[[bytes], dict[str, Any]], values: dict[str, Any]
) -> None:
    """An independent parser finds the same, and no header more or less."""
    email = Email(**values)
    found = read(email.as_bytes())
    assert sorted(found["headers"]) == _expected_headers(email)
    assert found["subject"] == email.subject
    for field, boxes in (
        ("from", [values["sender"]]),
        ("to", values["to"]),
        ("cc", values["cc"]),
    ):
        # It shows A-labels as people read them.
        assert _pairs([Mailbox(*pair) for pair in found[field]]) == _pairs(boxes)
    assert found["messageId"] == email.message_id
    assert found["date"] == int(email.date.timestamp())
    assert _same(found["text"], email.text)
    assert (found["html"] is None) == (email.html is None)
    assert _same(found["html"] or "", email.html or "")
    assert [
        (item["name"], base64.b64decode(item["content"])) for item in found["attachments"]
    ] == [(item.filename, item.content) for item in email.attachments]
