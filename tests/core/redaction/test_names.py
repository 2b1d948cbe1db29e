"""Behaviour of names: which of them say that a value is secret."""

from __future__ import annotations

import pytest

from zenmail.redaction.names import secrecy_of, stored_secrecy


@pytest.mark.parametrize(
    ("name", "secrecy"),
    [
        ("password", "any-text"),
        ("dbPassword", "any-text"),
        ("SMTP_PASSWORD", "any-text"),
        ("api-key", "if-mixed"),
        ("apiKey", "if-mixed"),
        ("APIKey", "if-mixed"),
        ("x.secret", "if-mixed"),
        ("secret", "if-random"),
        ("kubernetes_secret", "if-random"),
        ("OPENAI_KEY", "if-mixed"),
        ("private_key", "if-mixed"),
        ("connection string", "if-random"),
        ("aws_access_key", "if-mixed"),
        ("credentials", "if-random"),
        ("token", "if-mixed"),
        ("access_token", "if-mixed"),
        ("authorization", "if-random"),
        ("tokens", "if-random"),
        ("max_tokens", "if-random"),
        ("n_tokens", "if-random"),
        ("eos_token", "if-random"),
        ("token_count", ""),
        ("secret_name", ""),
        ("key", ""),
        ("primary_key", ""),
        ("author", ""),
        ("tokenizer", ""),
        ("compass", ""),
        ("bypass", ""),
        ("", ""),
    ],
)
def test_names_tell_what_is_secret(name: str, secrecy: str) -> None:
    """Names are understood in every spelling; what is no secret is told from the value."""
    assert secrecy_of(name) == secrecy


@pytest.mark.parametrize(
    ("name", "secrecy"),
    [("value", "if-mixed"), ("password", "any-text"), ("dbUser", "if-random"), ("", "if-mixed"),
     ("AWS_REGION", "if-random")],
)  # fmt: skip
def test_stored_secrecy(name: str, secrecy: str) -> None:
    """In a store of secrets every name may be a secret's, but not that of a user or a place."""
    assert stored_secrecy(name) == secrecy
