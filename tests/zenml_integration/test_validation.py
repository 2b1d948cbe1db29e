"""Registration is checked offline: one sentence says what is wrong, nothing is registered."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest

from zenmail import ConfigurationError
from zenmail_zenml import SMTPEmailAlerterConfig

pytestmark = pytest.mark.zenml
needs_boto3 = pytest.mark.skipif(find_spec("boto3") is None, reason="boto3 is not installed")

GOOD = {
    "sender_email": "alerts@example.com",
    "recipient_email": "oncall@example.com",
    "smtp_server": "smtp.example.com",
    "password": "{{email_credentials.smtp_password}}",
}
BAD: list[tuple[dict[str, Any], str]] = [
    ({"transport": "carrier-pigeon"}, "installed: "),
    (
        {"transport": "console", "transport_options": '{"colour": 1}'},
        "'colour' is not an option",
    ),
    ({"transport_options": "{"}, "transport_options"),
    ({"transport_options": "[1]"}, "transport_options"),
    ({"transport_options": '{"host": "{{mail}}"}'}, "transport_options.host"),
    ({"transport_options": '{"port": "{{mail.port}}0"}'}, "transport_options.port"),
    ({"smtp_port": "0"}, "smtp_port"),
    ({"smtp_port": "many"}, "smtp_port"),
    ({"smtp_server": None}, "'smtp_server' is required"),
    ({"smtp_server": "smtp://example.com"}, "smtp_server"),
    ({"smtp_security": "ssl"}, "smtp_security"),
    ({"smtp_security": "none"}, "would send the password unencrypted"),
    ({"sender_email": None}, "sender_email is required"),
    ({"sender_email": "alerts"}, "sender_email: 'alerts' is not a mail address"),
    ({"recipient_email": "oncall, b@example.com"}, "recipient_email: 'oncall'"),
    ({"cc": '["oncall"]'}, "cc: 'oncall'"),
    ({"deadline": "-1"}, "deadline"),
    ({"on_delivery_failure": "cry"}, "on_delivery_failure"),
    ({"include_html": "perhaps"}, "include_html"),
    ({"delivery": "queue", "ledger": "off"}, "needs a ledger"),
    ({"fallback_transport": "pigeon"}, "pigeon"),
    ({"fallback_transport": "file"}, "folder"),
    ({"fallback_options": '{"folder": "x"}'}, "fallback_transport"),
]


def configuration(changes: dict[str, Any]) -> dict[str, Any]:
    """Return a good configuration with some values changed, or taken out."""
    return {name: value for name, value in {**GOOD, **changes}.items() if value is not None}


@pytest.mark.parametrize(("changes", "reason"), BAD)
def test_bad_input_is_one_sentence(
    changes: dict[str, Any],
    reason: str,
    zenml: Callable[..., Any],
    alerters: Callable[[], set[str]],
) -> None:
    """The command line says what is wrong without a traceback, and registers nothing."""
    before = alerters()
    pairs = [f"--{name}={value}" for name, value in configuration(changes).items()]
    result = zenml("alerter", "register", "bad_alerter", "--flavor=smtp_email", *pairs)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    (line,) = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert reason in line
    assert alerters() == before


@pytest.mark.parametrize(("changes", "reason"), BAD)
def test_bad_input_is_a_value_error_in_python(changes: dict[str, Any], reason: str) -> None:
    """From Python the same sentence is a ConfigurationError, which is a ValueError."""
    config = SMTPEmailAlerterConfig(**configuration(changes))
    with pytest.raises(ConfigurationError) as caught:
        assert config.is_valid
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"smtp_port": 465, "cc": ["a@example.com", "B <b@example.com>"]},
        {"smtp_port": "{{mail.port}}", "smtp_security": "{{mail.security}}"},
        {"sender_email": "{{mail.sender}}", "recipient_email": '["{{mail.to}}"]'},
        {"transport": "{{mail.transport}}", "transport_options": '{"anything": 1}'},
        pytest.param(
            {"transport": "ses", "transport_options": {"endpoint_url": "{{mail.url}}"}},
            marks=needs_boto3,
        ),
        {"transport_options": json.dumps({"max_mails": "{{mail.most}}"})},
        {"transport_options": "{{mail.options}}"},
        {"transport": "file", "transport_options": "{{mail.options}}"},
        {"fallback_transport": "file", "fallback_options": "{{mail.options}}"},
        {"smtp_server": None, "transport": "console", "password": None},
        {"smtp_server": None, "transport_options": {"host": "smtp.example.com"}},
        {"smtp_server": "localhost", "password": None, "smtp_security": "none"},
        {"fallback_transport": "file", "fallback_options": '{"folder": "mails"}'},
        {
            "fallback_transport": "file, console",
            "fallback_options": {"file": {"folder": "{{mail.folder}}"}},
        },
        {"smtp_security": "none", "transport_options": {"allow_insecure_login": True}},
        {"smtp_server": "smtp.sendgrid.net"},
    ],
)
def test_good_input_is_valid_without_a_store(changes: dict[str, Any]) -> None:
    """References are taken to be right: no secret is read, no server asked."""
    assert SMTPEmailAlerterConfig(**configuration(changes)).is_valid
