"""The alerter's settings: described once, with defaults that are true."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from zenmail.cli.fields import describe_fields
from zenmail_zenml import (
    SMTPEmailAlerterFlavor,
    SMTPEmailAlerterParameters,
    SMTPEmailAlerterSettings,
)
from zenmail_zenml.config import SMTPEmailAlerterConfig
from zenmail_zenml.settings import Resolved

pytestmark = pytest.mark.zenml


def test_every_setting_is_described_in_the_flavor() -> None:
    """`zenml alerter flavor describe` has a sentence about each setting."""
    properties = SMTPEmailAlerterFlavor().config_schema["properties"]
    assert set(properties) == set(SMTPEmailAlerterSettings.model_fields)
    assert [name for name, field in properties.items() if not field.get("description")] == []


def test_settings_take_what_is_resolved() -> None:
    """Every setting can be set, in the same order as it is resolved."""
    assert [*SMTPEmailAlerterSettings.model_fields] == [*Resolved.model_fields]


def test_described_defaults_are_the_ones_in_force() -> None:
    """A setting whose default is a value says so, and says the right one."""
    described = {
        field.name: field.default for field in describe_fields(SMTPEmailAlerterSettings)
    }
    in_force = {
        field.name: field.default.removesuffix(".0")
        for field in describe_fields(Resolved)
        if field.default != "none"
    }
    assert {name: described[name] for name in in_force} == in_force


def test_every_secret_is_known_before_a_run_starts() -> None:
    """References in lists, in options and in JSON are required secrets, as plain ones are."""
    settings = SMTPEmailAlerterSettings(
        password="{{plain.key}}",
        recipient_email=["a@example.com", "{{listed.key}}"],
        cc="b@example.com, {{within.key}}",
        transport_options={"oauth_options": {"client_secret": "{{nested.key}}"}},
        fallback_options='{"password": "{{ json.key }}"}',
    )
    assert {reference.name for reference in settings.required_secrets} == {
        "plain",
        "listed",
        "within",
        "nested",
        "json",
    }


def test_settings_are_checked_when_they_are_given() -> None:
    """A step's wrong setting is an error before the run, and a reference to a secret is not."""
    with pytest.raises(ValidationError, match="deadline") as shown:
        SMTPEmailAlerterSettings.model_validate({"deadline": "soon", "password": "in clear"})
    assert "in clear" not in str(shown.value)
    with pytest.raises(ValidationError, match="on_delivery_failure"):
        SMTPEmailAlerterSettings(on_delivery_failure="shout")
    SMTPEmailAlerterSettings(deadline="{{mail.deadline}}", recipient_email="{{mail.to}}")
    SMTPEmailAlerterConfig(deadline="soon")
    SMTPEmailAlerterParameters(deadline="soon")
