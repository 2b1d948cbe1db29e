"""Every field of an alert: a secret in it is in no part of the mail."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from email import message_from_bytes, policy
from enum import Enum
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from zenmail import Alert, Attachment, Image, StepSummary, compose

OWN = "canary-password-7f3a"
TOKEN = "ghp_" + "c4N4rY" * 6  # put together, so that no scanner takes it for a real one
PIXEL = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89"
    b"\0\0\0\rIDATx\x9cc\xf8\xff\xff?\0\x05\xfe\x02\xfe\xa75\x81\x84\0\0\0\0IEND\xaeB`\x82"
)


class Titled:
    """A figure that calls itself what it likes, as matplotlib's do."""

    def __init__(self, title: str) -> None:
        self.axes = [self]
        self.title = title

    def get_title(self) -> str:
        return self.title

    def savefig(self, stream: Any, **_: object) -> None:
        stream.write(PIXEL)


class Broken:
    """A value that cannot be shown."""

    @property
    def shape(self) -> tuple[int, ...]:
        raise RuntimeError("no")

    def __str__(self) -> str:
        raise RuntimeError("no")


def _text(secret: str) -> list[Any]:
    return [secret, f"It said {secret} and ended.", "word " * 1_990 + secret + " word" * 9_000]


def _mapping(secret: str) -> list[Any]:
    return [{secret: 0.5}, {"name": secret}, {secret: Broken()}, {secret: {"x": secret}}]


# What each field is given; none where it cannot hold a text of its own.
PLACES: dict[str, Callable[[str], list[Any]]] = {
    "title": _text,
    "subject": _text,
    "body": lambda secret: [
        *_text(secret),
        f"**{secret}** [{secret}](https://{secret}.example)",
    ],
    "body_format": lambda secret: [],
    "history": _text,
    "severity": lambda secret: [],
    "facts": lambda secret: [
        *_mapping(secret),
        {"a": [secret, {"b": (secret,)}]},
        {"a": {secret: {"b": {secret: secret}}}},
        {"a": secret.encode()},
        {f"{number}": secret for number in range(60)},
    ],
    "changed": lambda secret: [(secret,), (secret,) * 50],
    "error": _text,
    "traceback": lambda secret: [
        *_text(secret),
        "\n".join(
            f'  File "{secret}.py", line {at}, in f\n    {secret}' for at in range(3_000)
        ),
    ],
    "log": _text,
    "next_steps": lambda secret: [(secret,), (f"Use {secret}.",) * 50],
    "url": lambda secret: [f"https://a.example/{secret}", f"https://u:{secret}@a.example"],
    "url_label": _text,
    "command": _text,
    "links": lambda secret: [
        {secret: "https://a.example"},
        {"x": f"https://a.example/{secret}"},
    ],
    "metrics": _mapping,
    "baseline": _mapping,
    "tables": lambda secret: [
        {secret: [[1]]},
        {"t": [{secret: 1}]},
        {"t": [{"a": secret, "b": [secret]}]},
        {"t": [["a", "b"], [1, secret]]},
        {"t": {secret: secret}},
        {secret: Broken()},
    ],
    "images": lambda secret: [
        (Image(source=PIXEL, alt=secret),),
        (Image(source=PIXEL, caption=secret),),
        (Image(source=Titled(secret)),),
        (Image(source=b"none", alt=secret),),
        (Image(source=f"/nowhere/{secret}.png"),),
    ],
    # What a file holds is its owner's; what it is called stands in the mail.
    "attachments": lambda secret: [
        (Attachment(filename=f"{secret}.txt", content=b"x"),),
        (Attachment(filename="a", content=b"x", content_type=f"text/{secret}"),),
        (Attachment(filename="a", content=PIXEL, content_id=secret, alt=secret),),
    ],
    "steps": lambda secret: [
        (StepSummary(name=secret, status="failed"),),
        (StepSummary(name="a", status=secret),) * 60,
        (StepSummary(name="a", status="failed", reason=secret),),
        (StepSummary(name="a", status="failed", url=f"https://a.example/{secret}"),),
    ],
    "html": lambda secret: [f"<p>{secret}</p>", f'<a href="https://a.example/{secret}">x</a>'],
    "thread": lambda secret: [secret],
    "incident": lambda secret: [secret],
    "list_id": lambda secret: [secret, f"{secret}.lists.example"],
    "headers": lambda secret: [{"X-Note": secret}, {f"X-{secret}": "x"}],
    "occurred_at": lambda secret: [],
}


def leaves(data: bytes) -> str:
    """Return all headers and decoded parts of a mail, and its bytes."""
    pieces = [data.decode()]
    for part in message_from_bytes(data, policy=policy.default).walk():
        pieces += [f"{name}: {value}" for name, value in part.items()]
        if not part.is_multipart():
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            pieces.append(payload.decode("utf-8", "replace"))
    return "\n".join(pieces).lower()


@pytest.mark.parametrize("secret", [OWN, TOKEN], ids=["own", "token"])
@pytest.mark.parametrize("field", Alert.model_fields)
def test_a_secret_in_any_field_is_in_no_part_of_the_mail(field: str, secret: str) -> None:
    """A new field fails here until it is told where its texts are."""
    for value in PLACES[field](secret):
        fields: dict[str, Any] = {"title": "t", "body": "b", field: value}
        email = compose(
            Alert(**fields), sender="a@example.com", to="b@example.com", secrets=[OWN]
        )
        whole = leaves(email.as_bytes())
        for shown in (
            secret.lower(),
            secret.lower()[:12],
            secret.lower().replace("_", "-")[:12],
        ):
            assert shown not in whole, f"{field}={value!r:.200}"


CARRIERS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "URL": lambda it: quote(it, safe=""),
    "form": quote_plus,
    "JSON": lambda it: json.dumps(it)[1:-1],
    "repr": lambda it: repr(it)[1:-1],
    "HTML": html.escape,
    "hexadecimal": lambda it: it.encode().hex(),
    "base64": lambda it: base64.b64encode(f"\0ada\0{it}".encode()).decode(),
}


HOLDS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("title", "subject", "body", "error", "traceback", "html", "log"), str),
    **dict.fromkeys(("history", "command", "url_label"), str),
    **dict.fromkeys(("next_steps", "changed"), lambda text: (text,)),
    "facts": lambda text: {"a": {"b": [text]}, text: 1},
    "metrics": lambda text: {"a": text},
    "tables": lambda text: {"t": [{"a": text, text: 1}]},
    "links": lambda text: {text: "https://a.example"},
    "steps": lambda text: (StepSummary(name="a", status="failed", reason=text),),
}


@settings(max_examples=120, deadline=None)
@given(
    secret=st.text("abcXYZ0189-_/+&<'\" é", min_size=12, max_size=40)
    .map(str.strip)
    .filter(lambda it: len(set(it)) > 5),
    field=st.sampled_from(sorted(HOLDS)),
    carrier=st.sampled_from(sorted(CARRIERS)),
    before=st.integers(0, 40_000),
    after=st.integers(0, 40_000),
)
def test_no_given_secret_survives_any_carrier_and_cut(
    secret: str, field: str, carrier: str, before: int, after: int
) -> None:
    """Wherever a secret stands in a text, and wherever that is cut, the mail lacks it."""
    assume(len(secret) >= 12)
    carried = CARRIERS[carrier](secret)
    text = f"{'word ' * (before // 5)}{carried} {'tail ' * (after // 5)}"
    fields: dict[str, Any] = {"title": "t", "body_format": "plain", field: HOLDS[field](text)}
    email = compose(
        Alert(**fields), sender="a@example.com", to="b@example.com", secrets=[secret]
    )
    whole = leaves(email.as_bytes())
    for shown in (secret, carried, html.escape(carried)):
        assert shown.lower() not in whole


class Choice(str, Enum):
    """A text that a member of an enumeration is."""

    KEY = "Zx81kQ0vPm47"


class Plain(Enum):
    """A member of an enumeration that only holds a text."""

    KEY = "Zx81kQ0vPm47"


@pytest.mark.parametrize("value", [Choice.KEY, Plain.KEY], ids=["text", "plain"])
def test_a_secret_may_be_of_an_enumeration(value: object) -> None:
    """What counts is the text that the mail shows, not the name of the member."""
    facts = {"api_key": value, "Settings": {"api_key": value}, "Cells": [{"api_key": value}]}
    email = compose(
        Alert(title="t", facts=facts, tables={"Rows": [{"api_key": value}]}),
        sender="a@example.com",
        to="b@example.com",
    )
    assert "Zx81kQ0vPm47".lower() not in leaves(email.as_bytes())
    assert email.text.count("[redacted]") == 4


@settings(max_examples=60, deadline=None)
@given(
    secret=st.text("abcXYZ0189-", min_size=30, max_size=40).filter(lambda it: len(set(it)) > 5),
    shown=st.integers(9, 29),
)
def test_no_part_of_a_given_secret_is_left_before_a_cut(secret: str, shown: int) -> None:
    """Where the body is cut inside of a secret, its beginning does not show either."""
    body = "w" * (10_000 - shown) + secret + " tail" * 9_000
    email = compose(
        Alert(title="t", body=body, body_format="plain"),
        sender="a@example.com",
        to="b@example.com",
        secrets=[secret],
    )
    assert secret[:9].lower() not in leaves(email.as_bytes())
