from __future__ import annotations

import json
import logging
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zenmail import (
    AccessToken,
    DeliveryError,
    MissingExtra,
    OptionsError,
    PermanentFailure,
    TemporaryFailure,
)

pytest.importorskip("google.auth")

pytestmark = pytest.mark.extras

SOURCE = "google"
Fetch = Callable[..., AccessToken]
TOKEN = {"access_token": "canary-token-91bc", "expires_in": 3600, "token_type": "Bearer"}
SECRET, REFRESH = "canary-client~secret.6a90", "canary-refresh/22de+token="


def refresh_options(endpoint: Any, **changes: Any) -> dict[str, Any]:
    """Return options with a refresh token."""
    return {
        "client_id": "client",
        "client_secret": SECRET,
        "refresh_token": REFRESH,
        "token_uri": f"{endpoint.url}/token",
        **changes,
    }


@pytest.fixture(scope="session")
def service_account() -> dict[str, str]:
    """Return a service account's key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "type": "service_account",
        "client_email": "robot@project.iam.gserviceaccount.com",
        "private_key": pem.decode(),
        "private_key_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
    }


def test_a_refresh_token_is_exchanged(fetch: Fetch, endpoint: Any) -> None:
    """The endpoint gets the refresh token and the client; the token and its end come back."""
    endpoint.answers = [(200, TOKEN)]
    token = fetch(refresh_options(endpoint))
    assert token.value.get_secret_value() == "canary-token-91bc"
    assert 3000 < token.expires_at - time.time() < 3700
    (form,) = endpoint.forms
    assert form["grant_type"] == "refresh_token"
    assert form["refresh_token"] == REFRESH
    assert form["client_id"] == "client"


@pytest.mark.parametrize("form", ["mapping", "text", "path"])
def test_a_service_account_acts_for_the_mailbox(
    fetch: Fetch, endpoint: Any, service_account: dict[str, str], form: str, tmp_path: Path
) -> None:
    """The signed assertion names the mailbox that is logged in to, and the mail scope."""
    from google.auth import jwt

    decode: Any = jwt.decode

    endpoint.answers = [(200, TOKEN)]
    key: Any = service_account
    if form != "mapping":
        key = json.dumps(service_account)
    if form == "path":
        (tmp_path / "key.json").write_text(key)
        key = str(tmp_path / "key.json")
    token = fetch({"service_account": key, "token_uri": f"{endpoint.url}/token"})
    assert token.value.get_secret_value() == "canary-token-91bc"
    claims = decode(endpoint.forms[0]["assertion"], verify=False)
    assert claims["sub"] == "alerts@example.com"
    assert claims["iss"] == service_account["client_email"]
    assert claims["scope"] == "https://mail.google.com/"


@pytest.mark.parametrize(
    ("error", "word"),
    [
        ("invalid_grant", "Consent again"),
        ("invalid_client", "client_secret"),
        ("unauthorized_client", "domain-wide delegation"),
        ("invalid_scope", "options"),
    ],
)
def test_a_refusal_is_permanent(fetch: Fetch, endpoint: Any, error: str, word: str) -> None:
    """What Google refuses it refuses again; the error says what to do."""
    endpoint.answers = [(400, {"error": error, "error_description": "No."})]
    with pytest.raises(PermanentFailure) as caught:
        fetch(refresh_options(endpoint))
    assert caught.value.code == "oauth-refused"
    assert word in caught.value.remedy
    assert "canary" not in str(caught.value)
    assert b"canary" not in pickle.dumps(caught.value)
    assert caught.value.__cause__ is None


def test_trouble_at_google_is_temporary(
    fetch: Fetch, endpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server error, and a port that nobody listens on, may heal."""
    monkeypatch.setattr("google.auth._exponential_backoff.time.sleep", lambda _: None)
    endpoint.answers = [(503, {"error": "unavailable"})]
    with pytest.raises(TemporaryFailure):
        fetch(refresh_options(endpoint))
    with pytest.raises(TemporaryFailure):
        fetch(refresh_options(endpoint, token_uri="http://localhost:1/token"))


def test_an_endpoint_that_does_not_answer_is_given_up(fetch: Fetch, endpoint: Any) -> None:
    """The deadline ends the wait."""
    endpoint.hold.clear()
    started = time.monotonic()
    with pytest.raises(DeliveryError):
        fetch(refresh_options(endpoint), seconds=0.5)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"refresh_token": "r"},
        {"refresh_token": "r", "service_account": "{}", "client_id": "c", "client_secret": "s"},
        {"service_account": "{}"},
        {"service_account": '{"private_key": "canary-private-key-d2f8"}'},
        {"service_account": "/nowhere/key.json"},
        {"refresh_tokn": "r"},
    ],
)
def test_unusable_options_are_refused(fetch: Fetch, options: dict[str, Any]) -> None:
    """What is missing or too much is named; no value is."""
    with pytest.raises(OptionsError) as caught:
        fetch(options)
    assert "canary" not in str(caught.value)
    assert "refresh_token" in str(caught.value) or "service_account" in str(caught.value)


def test_without_google_auth_the_extra_is_named(
    fetch: Fetch, endpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error holds the command that installs what is missing."""
    monkeypatch.setitem(sys.modules, "google.auth.exceptions", None)
    with pytest.raises(MissingExtra, match=r'pip install "zenmail\[oauth\]"'):
        fetch(refresh_options(endpoint))


def test_no_secret_is_logged(
    fetch: Fetch, endpoint: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even at level DEBUG does the library write a secret or the token."""
    caplog.set_level(logging.DEBUG)
    # ZenML raises it for good.
    caplog.set_level(logging.DEBUG, logger="urllib3")
    endpoint.answers = [(200, TOKEN)]
    token = fetch(refresh_options(endpoint))
    assert caplog.records
    for text in (caplog.text, repr(token)):
        assert "canary" not in text
