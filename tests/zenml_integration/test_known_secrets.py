"""Secrets that were read from ZenML are known to the redaction."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from zenmail import Alert, compose
from zenmail.redaction import own_secrets
from zenmail_zenml.settings import Secrets


def test_a_secret_read_from_zenml_leaves_every_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing beside the value says that it is secret; the user's name may be read."""
    values = {"login": "correcthorse77", "user": "ada"}

    class Client:
        def get_secret_by_name_and_private_status(self, name: str) -> SimpleNamespace:
            return SimpleNamespace(secret_values=values)

    monkeypatch.setattr("zenmail_zenml.settings.Client", Client)
    monkeypatch.setattr(own_secrets, "_remembered", {})
    alert = Alert(title="Run failed", body="ada typed correcthorse77 here")

    def mailed() -> str:
        return compose(alert, sender="a@example.com", to="b@example.com").text

    assert "correcthorse77" in mailed()
    assert Secrets().resolve("{{mail.login}}") == "correcthorse77"
    text = mailed()
    assert "correcthorse77" not in text
    assert "ada typed" in text
