"""Behaviour of names: which of them say that a value is secret."""

from __future__ import annotations

import pytest

from zenmail.redaction.names import secrecy_of


@pytest.mark.parametrize(
    ("name", "secrecy"),
    [
        ("password", "always"),
        ("dbPassword", "always"),
        ("SMTP_PASSWORD", "always"),
        ("api-key", "always"),
        ("apiKey", "always"),
        ("APIKey", "always"),
        ("x.secret", "always"),
        ("private_key", "always"),
        ("connection string", "always"),
        ("aws_access_key", "always"),
        ("credentials", "always"),
        ("token", "unless-number"),
        ("access_token", "unless-number"),
        ("authorization", "unless-number"),
        ("tokens", "unless-number"),
        ("max_tokens", ""),
        ("n_tokens", ""),
        ("eos_token", ""),
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
    """Names are understood in every spelling; names of counts are no secrets."""
    assert secrecy_of(name) == secrecy
