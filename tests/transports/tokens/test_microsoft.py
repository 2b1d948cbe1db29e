from __future__ import annotations

import base64
import logging
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from zenmail import (
    AccessToken,
    DeliveryError,
    MissingExtra,
    OptionsError,
    PermanentFailure,
    TemporaryFailure,
)

pytest.importorskip("msal")

pytestmark = pytest.mark.extras

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
        ("AADSTS7000215", "not its ID"),
        ("AADSTS700016", "tenant"),
        ("AADSTS70008", "Consent again"),
        ("AADSTS1", "Look up the error"),
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
        {"client_id": "c", "client_secret": "s", "certificate": "c.pem", "tenant": "t"},
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


@pytest.fixture
def make_certificate(tmp_path: Path) -> Callable[..., Path]:
    """Return what writes a certificate and its key, encrypted or not, into one file."""
    from cryptography.hazmat.primitives import serialization

    def make(password: str = "") -> Path:
        issued = trustme.CA(key_type=trustme.KeyType.RSA).issue_cert(
            "zenmail.example.com", key_type=trustme.KeyType.RSA
        )
        key = issued.private_key_pem.bytes()
        if password:
            loaded = serialization.load_pem_private_key(key, None)
            key = loaded.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(password.encode()),
            )
        path = tmp_path / "application.pem"
        path.write_bytes(issued.cert_chain_pems[0].bytes() + key)
        return path

    return make


@pytest.mark.parametrize("password", ["", "canary-password-7f3a"], ids=["plain", "encrypted"])
@pytest.mark.parametrize("given", ["path", "text"])
def test_a_certificate_signs_the_request(
    fetch: Fetch,
    tls_endpoint: Any,
    make_certificate: Callable[..., Path],
    given: str,
    password: str,
) -> None:
    """The assertion is signed with the key, names the certificate, and no secret is sent."""
    import hashlib
    import ssl

    import jwt

    path = make_certificate(password)
    text = path.read_text()
    tls_endpoint.answers = [(200, TOKEN)]
    fetch(
        client_options(
            tls_endpoint,
            client_secret=None,
            certificate=str(path) if given == "path" else text,
            **({"certificate_password": password} if password else {}),
        )
    )
    (form,) = tls_endpoint.forms
    assert "client_secret" not in form
    assert form["grant_type"] == "client_credentials"
    der = ssl.PEM_cert_to_DER_cert(text[: text.index("-----END CERTIFICATE-----") + 26])
    named = jwt.get_unverified_header(form["client_assertion"])["x5t"]
    digest = hashlib.sha1(der, usedforsecurity=False).digest()
    assert base64.urlsafe_b64decode(named + "==") == digest


@pytest.mark.parametrize("broken", ["missing", "no key", "wrong password", "torn"])
def test_an_unusable_certificate_is_refused(
    fetch: Fetch, tls_endpoint: Any, make_certificate: Callable[..., Path], broken: str
) -> None:
    """Nothing is asked, and neither the key nor its password is quoted."""
    path = make_certificate("canary-password-7f3a")
    options = {"certificate": str(path), "certificate_password": "canary-password-7f3a"}
    if broken == "missing":
        options["certificate"] = "/nowhere/canary.pem"
    elif broken == "no key":
        path.write_text(path.read_text().partition("-----BEGIN ENC")[0])
    elif broken == "wrong password":
        options["certificate_password"] = "canary-another"
    else:
        path.write_text(path.read_text().replace("MII", "MIX"))
    with pytest.raises(OptionsError, match="certificate contains no") as caught:
        fetch(client_options(tls_endpoint, client_secret=None, **options))
    assert "canary" not in str(caught.value)
    assert tls_endpoint.forms == []
