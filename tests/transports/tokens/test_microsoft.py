from __future__ import annotations

import logging
import pickle
import sys
import time
from collections.abc import Callable
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

pytest.importorskip("msal")

SOURCE = "microsoft"
Fetch = Callable[..., AccessToken]
TOKEN = {"access_token": "canary-token-91bc", "expires_in": 3600, "token_type": "Bearer"}
SECRET, REFRESH = "canary-client~secret.6a90", "canary-refresh/22de+token="


def client_options(endpoint: Any, **changes: Any) -> dict[str, Any]:
    """Return options with client credentials."""
    return {
        "client_id": "client",
        "client_secret": SECRET,
        "authority": f"{endpoint.url}/tenant",
        **changes,
    }


def test_client_credentials_are_exchanged(fetch: Fetch, tls_endpoint: Any) -> None:
    """The application asks for what its SMTP.SendAsApp permission covers."""
    tls_endpoint.answers = [(200, TOKEN)]
    token = fetch(client_options(tls_endpoint))
    assert token.value.get_secret_value() == "canary-token-91bc"
    assert 3000 < token.expires_at - time.time() < 3700
    (form,) = tls_endpoint.forms
    assert form["grant_type"] == "client_credentials"
    assert form["client_secret"] == SECRET
    assert form["scope"] == "https://outlook.office365.com/.default"


@pytest.mark.parametrize("secret", [None, SECRET], ids=["without", "with"])
def test_a_refresh_token_is_exchanged(
    fetch: Fetch, tls_endpoint: Any, secret: str | None
) -> None:
    """With and without a client's secret; the scope is the one for sending."""
    tls_endpoint.answers = [(200, TOKEN)]
    fetch(client_options(tls_endpoint, client_secret=secret, refresh_token=REFRESH))
    (form,) = tls_endpoint.forms
    assert form["grant_type"] == "refresh_token"
    assert form["refresh_token"] == REFRESH
    assert "https://outlook.office.com/SMTP.Send" in form["scope"].split()


@pytest.mark.parametrize(
    ("number", "word"),
    [
        ("AADSTS7000215", "not its id"),
        ("AADSTS700016", "tenant"),
        ("AADSTS70008", "Consent again"),
        ("AADSTS1", "Look the error up"),
    ],
)
def test_a_refusal_is_permanent(
    fetch: Fetch, tls_endpoint: Any, number: str, word: str
) -> None:
    """The error repeats Microsoft's first line and says what to do."""
    said = f"{number}: Something is wrong.\r\nTrace ID: 1\r\nCorrelation ID: 2"
    tls_endpoint.answers = [(401, {"error": "invalid_client", "error_description": said})]
    with pytest.raises(PermanentFailure) as caught:
        fetch(client_options(tls_endpoint))
    assert caught.value.code == "oauth-refused"
    assert f"{number}: Something is wrong." in caught.value.message
    assert "Trace ID" not in str(caught.value)
    assert word in caught.value.remedy
    assert "canary" not in str(caught.value)
    assert b"canary" not in pickle.dumps(caught.value)


def test_trouble_at_microsoft_is_temporary(fetch: Fetch, tls_endpoint: Any) -> None:
    """A server error, one that it names so, and no server at all may heal."""
    for answer in ((503, "oops"), (400, {"error": "temporarily_unavailable"})):
        tls_endpoint.answers = [answer]
        with pytest.raises(TemporaryFailure):
            fetch(client_options(tls_endpoint))
    with pytest.raises(TemporaryFailure):
        fetch(client_options(tls_endpoint, authority="https://localhost:1/tenant"))


def test_an_endpoint_that_does_not_answer_is_given_up(fetch: Fetch, tls_endpoint: Any) -> None:
    """The deadline ends the wait."""
    tls_endpoint.hold.clear()
    started = time.monotonic()
    with pytest.raises(DeliveryError):
        fetch(client_options(tls_endpoint), seconds=1.0)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "options",
    [
        {"client_secret": "s", "tenant": "t"},
        {"client_id": "c", "tenant": "t"},
        {"client_id": "c", "client_secret": "s"},
        {"client_id": "c", "client_secret": "s", "authority": "http://localhost/t"},
        {"client_id": "c", "client_secret": "s", "tennant": "t"},
    ],
)
def test_unusable_options_are_refused(fetch: Fetch, options: dict[str, Any]) -> None:
    """What is missing or misspelt is named before anybody is asked."""
    with pytest.raises(OptionsError):
        fetch(options)


def test_without_msal_the_extra_is_named(
    fetch: Fetch, tls_endpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error holds the command that installs what is missing."""
    monkeypatch.setitem(sys.modules, "msal", None)
    with pytest.raises(MissingExtra, match=r'pip install "zenmail\[oauth\]"'):
        fetch(client_options(tls_endpoint))


def test_no_secret_is_logged(
    fetch: Fetch, tls_endpoint: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even at level DEBUG does the library write a secret or the token."""
    caplog.set_level(logging.DEBUG)
    # ZenML raises it for good.
    caplog.set_level(logging.DEBUG, logger="urllib3")
    tls_endpoint.answers = [(200, TOKEN)]
    token = fetch(client_options(tls_endpoint, refresh_token=REFRESH))
    assert caplog.records
    for text in (caplog.text, repr(token)):
        assert "canary" not in text
