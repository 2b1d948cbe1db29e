"""Behaviour of own secrets: they go in every form."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zenmail.redaction.redact import MASK, Redactor


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
@given(st.text(min_size=4, max_size=30), st.text(max_size=50), st.text(max_size=50))
def test_own_secret_never_survives(secret: str, before: str, after: str) -> None:
    """Whatever the secret and what stands round it, it is gone afterwards."""
    if secret in MASK or secret.strip() != secret:
        return
    safe = Redactor([secret], shapes=False).text(before + secret + after)
    assert secret not in safe.replace(MASK, "\0")
