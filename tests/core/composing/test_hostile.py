from __future__ import annotations

import os
import string
from email import message_from_bytes, policy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from zenmail import (
    Alert,
    Email,
    Mailer,
    PluginHost,
    Receipt,
    Redirect,
    Retry,
    SendRequest,
    TransportOptions,
    ZenmailError,
    hookimpl,
)

# The nightly run makes 100,000 cases of the five properties.
pytestmark = pytest.mark.once

NIGHTLY = os.environ.get("ZENMAIL_HYPOTHESIS_PROFILE") == "nightly"
many = settings(
    max_examples=20_000 if NIGHTLY else 150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

SECRET = "hunter2-canary"
NASTY = [
    "\r\nBcc: mallory@example.com",
    "\nBcc: mallory@example.com\n\nbody",
    "=?UTF-8?Q?=0A?=Bcc: mallory@example.com",
    "\x00",
    "\x1b[31mred",
    "\ud800",
    "\u202egnp.exe",
    "\u2028",
    "\x85",
    "\r",
    ".\r\n.\r\nMAIL FROM:<mallory@example.com>",
    "{{ 7*7 }}",
    "{% raw %}",
    "<script>alert(1)</script>",
    "]]>",
    "%s%n",
    "From me",
    SECRET,
    "a" * 2000,
    "ü" * 500,
    "日本語",
    "`" * 200,
    "*_" * 200,
    "[" * 300,
    "=" * 80,
]
TEXT = st.lists(
    st.one_of(st.sampled_from(NASTY), st.text(st.characters(), max_size=40)), max_size=4
).map("".join)
ADDRESS = st.one_of(
    st.sampled_from(
        [
            "b@example.com",
            "Ü <ü@bücher.example>",
            '"a\\"b" <c@example.com>',
            "a@b@c",
            "<>",
            "",
            "b@[127.0.0.1]",
            "b@example.com\r\nRCPT TO:<mallory@example.com>",
            "b@example.com>, <mallory@example.com",
            "b@example.com, c@example.com",
            "x" * 70 + "@example.com",
            "b@localhost",
            "alice@example.org)bob@example.com",
        ]
    ),
    TEXT,
    st.from_regex(r"[a-z]{1,8}@[a-z]{1,8}\.example", fullmatch=True),
)
VALUE: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        TEXT, st.none(), st.booleans(), st.integers(), st.floats(), st.binary(max_size=20)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)
    ),
    max_leaves=6,
)
ALERT = st.fixed_dictionaries(
    {},
    optional={
        "title": TEXT,
        "body": TEXT,
        "body_format": st.sampled_from(["markdown", "plain"]),
        "severity": st.sampled_from(["info", "success", "warning", "error", "critical"]),
        "facts": st.dictionaries(TEXT, VALUE, max_size=4),
        "error": TEXT,
        "traceback": TEXT,
        "next_steps": st.lists(TEXT, max_size=3),
        "url": TEXT,
        "url_label": TEXT,
        "links": st.dictionaries(TEXT, TEXT, max_size=3),
        "metrics": st.dictionaries(TEXT, VALUE, max_size=3),
        "tables": st.dictionaries(TEXT, st.lists(VALUE, max_size=3), max_size=2),
        "thread": TEXT,
        "incident": TEXT,
        "list_id": TEXT,
        "headers": st.dictionaries(
            st.one_of(TEXT, st.text(string.ascii_letters + "-", min_size=1, max_size=20)),
            TEXT,
            max_size=2,
        ),
    },
)


class Options(TransportOptions):
    """Options with a secret, a number and a word."""

    password: SecretStr = SecretStr(SECRET)
    port: int = 25
    mode: str = "x"


class Sink:
    """A transport that writes every mail out, as a real one does."""

    def __init__(self) -> None:
        self.sent: list[tuple[Email, tuple[str, ...], bytes]] = []

    @hookimpl
    def transport_options(self) -> type[TransportOptions]:
        return Options

    @hookimpl
    def send_email(self, request: SendRequest[Options]) -> Receipt:
        data = request.email.as_bytes()
        self.sent.append((request.email, request.envelope.recipients, data))
        return Receipt(accepted=request.envelope.recipients)


def mailer_with(sink: Any, **more: Any) -> Mailer:
    """Return a mailer over a transport object."""
    host = PluginHost()
    host.register_transport("sink", sink)
    return Mailer("sink", plugins=host, **more)


def check_wire(email: Email, recipients: tuple[str, ...], data: bytes) -> None:
    """Check all that holds for every mail, whatever it was made of."""
    assert SECRET.encode() not in data
    assert data.isascii()
    assert b"\r" not in data.replace(b"\r\n", b"")
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert b"\x00" not in data
    lines = data.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    head = data.partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0].lower() for line in head.split(b"\r\n") if line[:1] > b" "]
    for once in (b"from", b"date", b"message-id", b"subject", b"mime-version", b"content-type"):
        assert names.count(once) == 1, once
    assert b"bcc" not in names
    parsed = message_from_bytes(data, policy=policy.default)
    assert not parsed.defects
    assert parsed.get_body(("plain",)) is not None
    assert len(data) == email.size()
    assert "mallory@example.com" not in recipients


@many
@given(ALERT, TEXT, TEXT, st.booleans())
def test_any_alert_arrives(
    values: dict[str, Any], subject: str, prefix: str, html: bool
) -> None:
    """Whatever an alert holds, one well-formed mail without the secret goes out."""
    refused: ZenmailError | None = None
    receipt: Receipt | None = None
    sink = Sink()
    mailer = mailer_with(sink)
    try:
        alert = Alert(**values)
        receipt = mailer.send_alert(
            alert,
            sender="Alerts <a@example.com>",
            to="b@example.com",
            bcc="d@example.com",
            subject=subject,
            subject_prefix=prefix,
            include_html=html,
        )
    except ZenmailError as error:
        refused = error
    if refused is not None:
        # The one thing that may be refused is a header that is none.
        assert values.get("headers"), refused
        assert SECRET not in str(refused)
        return
    assert receipt is not None
    assert receipt.delivered, receipt
    ((email, recipients, data),) = sink.sent
    assert recipients == ("b@example.com", "d@example.com")
    check_wire(email, recipients, data)


@many
@given(
    st.one_of(ADDRESS, st.lists(ADDRESS, max_size=3)), st.lists(ADDRESS, max_size=2), ADDRESS
)
def test_any_address_travels_or_is_refused(to: Any, bcc: list[str], sender: str) -> None:
    """An address is on the envelope as it was meant, or there is an error of ours."""
    refused = ""
    sink = Sink()
    mailer = mailer_with(sink)
    try:
        mailer.send_alert(Alert(title="t"), sender=sender, to=to, bcc=bcc)
    except ZenmailError as error:
        refused = str(error)
    if refused:
        assert sink.sent == []
        return
    ((_, recipients, data),) = sink.sent
    for address in recipients:
        assert "\r" not in address
        assert "\n" not in address
        assert "@" in address
        assert not set("<>, ") & set(address.rpartition("@")[2])
    if all("mallory" not in one for one in ([to] if isinstance(to, str) else to) + bcc):
        assert not any("mallory" in address for address in recipients)
    assert data.count(b"\r\n\r\n") >= 1
    assert b"\nBcc:" not in data


@many
@given(st.dictionaries(st.one_of(st.sampled_from(["password", "port", "mode"]), TEXT), VALUE))
def test_any_options_are_taken_or_refused(options: dict[str, Any]) -> None:
    """Options are valid, or refused in a sentence that holds none of their values."""
    try:
        with mailer_with(Sink(), options=options) as mailer:
            said = repr(mailer)
    except ZenmailError as error:
        said = str(error)
    assert said
    if SECRET not in "".join(map(str, options)):
        assert SECRET not in said


@many
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "deadline": st.floats(),
            "redirect_to": ADDRESS,
            "redirect_allow": st.lists(TEXT, max_size=2),
            "policy": TEXT,
            "delivery": TEXT,
            "alerts_per_run": st.integers(max_value=3),
        },
    )
)
def test_any_setting_is_taken_or_refused(given_settings: dict[str, Any]) -> None:
    """A setting of the mailer works, or is refused by an error of ours."""
    sink = Sink()
    email = Email(sender="a@example.com", to="b@example.com", text="t")
    aim, allowed = given_settings.get("redirect_to", ""), given_settings.get("redirect_allow")
    try:
        redirect = Redirect(
            given_settings.pop("redirect_to", ()), given_settings.pop("redirect_allow", ())
        )
        retry = Retry(**{"policy": given_settings.pop("policy", "at_most_once")})
        mailer = mailer_with(sink, redirect=redirect, retry=retry, **given_settings)
    except ZenmailError:
        return
    receipt = mailer.send(email)
    mailer.close()
    assert receipt.outcome in ("delivered", "deferred", "queued")
    if aim and "b@example.com" not in aim and not allowed:
        assert all("b@example.com" not in recipients for _, recipients, _ in sink.sent)


ANSWER: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    accepted=st.lists(st.one_of(st.sampled_from(["b@example.com", "C@EXAMPLE.com"]), TEXT)),
    refused=st.dictionaries(st.one_of(st.just("b@example.com"), TEXT), TEXT, max_size=2),
    deferred=st.dictionaries(st.one_of(st.just("c@example.com"), TEXT), TEXT, max_size=2),
    unknown=st.dictionaries(st.one_of(st.just("d@example.com"), TEXT), TEXT, max_size=2),
    detail=TEXT,
    code=TEXT,
    remedy=TEXT,
    notes=st.lists(TEXT, max_size=2),
)


@many
@given(st.lists(st.one_of(ANSWER, TEXT.map(ValueError), st.none()), min_size=1, max_size=3))
def test_any_answer_of_a_transport(answers: list[Any]) -> None:
    """Whatever a transport answers, each recipient has one outcome and no secret leaks."""
    waiting = list(answers)

    class Strange(Sink):
        @hookimpl
        def send_email(self, request: SendRequest[Options]) -> Any:
            answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            if isinstance(answer, Exception):
                raise answer
            return answer if answer is None else Receipt(**answer)

    mailer = mailer_with(Strange(), deadline=0.01, retry=Retry(max_attempts=2))
    email = Email(
        sender="a@example.com",
        to=["b@example.com", "c@example.com", "d@example.com"],
        text="t",
    )
    receipt = mailer.send(email)
    parts = (receipt.accepted, receipt.refused, receipt.deferred, receipt.unknown)
    everybody = sorted(address for part in parts for address in part)
    assert everybody == sorted(email.envelope.recipients)
    assert SECRET not in repr(receipt)
    assert "\n" not in receipt.describe()
    assert receipt.delivered == (len(receipt.accepted) == 3)


@pytest.mark.parametrize("value", [None, 17, b"bytes", ["a"], object(), ValueError("x\n")])
def test_a_title_of_another_type(value: Any) -> None:
    """A title or body that is no text still arrives."""
    sink = Sink()
    mailer_with(sink).send_alert(
        Alert(title=value, body=value), sender="a@example.com", to="b@example.com"
    )
    ((email, recipients, data),) = sink.sent
    check_wire(email, recipients, data)
