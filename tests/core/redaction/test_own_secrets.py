"""Behaviour of own secrets: they go in every form."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zenmail import Alert, compose
from zenmail.redaction.redact import MASK, Redactor, redacted


@pytest.mark.parametrize(
    "secret", ["p&<ss>\"w'ö rd\\", "hunter2!", "a b c d", "tab\tnewline\nend"]
)
def test_own_secrets_go_in_every_form(secret: str) -> None:
    """A given secret goes as it is, URL-encoded, JSON-escaped, and in base64 at any offset."""
    forms = [
        secret,
        quote(secret),
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
    ]
    for form in forms:
        assert form not in Redactor([secret], shapes=False).text(f"x {form} y")
    for user in ("", "a", "ab", "abc"):
        login = base64.b64encode(f"\0{user}\0{secret}".encode()).decode()
        core = base64.b64encode(secret.encode()).decode().rstrip("=")[4:-4]
        safe = Redactor([secret], shapes=False).text(login)
        assert MASK in safe
        assert len(core) < 8 or core not in safe


@settings(max_examples=300, deadline=None)
@given(st.text(min_size=9, max_size=30), st.text(max_size=50), st.text(max_size=50))
def test_own_secret_never_survives(secret: str, before: str, after: str) -> None:
    """Whatever the secret and what stands round it, it is gone afterwards."""
    if secret in MASK or secret.strip() != secret:
        return
    safe = Redactor([secret], shapes=False).text(before + secret + after)
    assert secret not in safe.replace(MASK, "\0")


@settings(max_examples=300, deadline=None)
@given(st.text("abAB01-é", min_size=4, max_size=8), st.text(max_size=50), st.text(max_size=50))
def test_a_short_secret_never_survives_as_a_word(secret: str, before: str, after: str) -> None:
    """A secret of up to eight characters is gone wherever it stands between spaces."""
    safe = Redactor([secret], shapes=False).text(f"{before} {secret} {after}")
    assert f" {secret} " not in safe.replace(MASK, "\0")


def test_a_short_secret_is_looked_for_as_a_word() -> None:
    """A password "test" leaves "latest contest" as it is."""
    redactor = Redactor(["test"], shapes=False)
    assert redactor.text("the latest contest of pytest_x") == "the latest contest of pytest_x"
    assert redactor.text("login with test failed") == f"login with {MASK} failed"
    assert redactor.text(r"a\ntest") == rf"a\n{MASK}"


@pytest.mark.parametrize(
    "write",
    [
        lambda it: quote(it, safe="").lower(),
        lambda it: quote(quote(it, safe="")),
        lambda it: json.dumps(json.dumps(it)),
        lambda it: it.encode().hex().upper(),
        lambda it: repr(it.encode()),
    ],
)
def test_secrets_in_the_environment_go_wherever_they_stand(
    write: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The value of a secret-named variable is in no mail, however it is written."""
    secret = "zebra/falls & äpfel"
    monkeypatch.setenv("WAREHOUSE_PASSWORD", secret)
    monkeypatch.setenv("LEARNING_MODE", "cosine")
    email = compose(
        Alert(title="x", body=f"cosine: it said {write(secret)}", body_format="plain"),
        sender="a@example.com",
        to="b@example.com",
    )
    assert write(secret).strip("b\"'") not in email.text
    assert MASK in email.text
    assert "cosine" in email.text


def test_the_password_in_an_address_of_the_environment_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is as secret without its address; a word such as "postgres" is in many texts."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://ada:zebra7falls@db.example.com/app")
    monkeypatch.setenv("BROKER_URL", "amqp://guest:guest@mq.example.com")
    assert redacted("zebra7falls is not the guest") == "[redacted] is not the guest"


def test_the_working_folder_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shells call it PWD, and paths in tracebacks begin with it."""
    monkeypatch.setenv("PWD", "/Jobs42x")
    assert redacted("in /Jobs42x/train.py") == "in /Jobs42x/train.py"


def test_a_password_that_is_called_like_the_working_folder_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A container that no shell has started may be given its password as PWD."""
    monkeypatch.setenv("PWD", "zebra7falls")
    assert redacted("zebra7falls is wrong") == "[redacted] is wrong"
