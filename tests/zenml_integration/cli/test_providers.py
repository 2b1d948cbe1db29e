"""Each provider's answers become a configuration whose secrets are references."""

from __future__ import annotations

import json

import pytest

from zenmail_zenml.cli.providers import PROVIDERS

pytestmark = pytest.mark.zenml

ANSWERS = {
    "sender_email": "a@example.com", "recipient_email": "b@example.com",
    "smtp_server": "relay", "smtp_username": "u",
    "password": "canary-password", "tenant": "t", "client_id": "c",
    "client_secret": "canary-secret", "region": "eu-west-1", "access_key_id": "canary-id",
    "secret_access_key": "canary-key",
}  # fmt: skip


@pytest.mark.parametrize("provider", PROVIDERS)
def test_secrets_go_into_the_secret_alone(provider: str) -> None:
    """No secret answer stands in the configuration, and every reference has its key."""
    plan = PROVIDERS[provider].plan(ANSWERS, secret="mail")
    assert "canary" not in json.dumps(plan.configuration)
    assert plan.secret
    for key in plan.secret:
        assert f"{{{{mail.{key}}}}}" in json.dumps(plan.configuration)


@pytest.mark.parametrize(
    ("security", "port"),
    [("", "587"), ("starttls", "587"), ("tls", "465"), ("none", "25")],
)
def test_the_port_follows_the_encryption(security: str, port: str) -> None:
    """Unless a port is given."""
    own = PROVIDERS["own"]
    answers = {**ANSWERS, "smtp_security": security}
    assert own.plan(answers, secret="mail").configuration["smtp_port"] == port
    answers["smtp_port"] = "2525"
    assert own.plan(answers, secret="mail").configuration["smtp_port"] == "2525"


def test_a_relay_without_a_login_needs_no_secret() -> None:
    """Without a password there is neither a secret nor a reference."""
    answers = {
        "sender_email": "a@example.com",
        "recipient_email": "b@example.com",
        "smtp_server": "relay",
    }
    plan = PROVIDERS["own"].plan(answers, secret="mail")
    assert plan.secret == {}
    assert "password" not in plan.configuration
