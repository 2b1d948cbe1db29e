"""The options of SES."""

from __future__ import annotations

from typing import Any

import pytest

from zenmail import (
    Mailer,
    OptionsError,
)

pytest.importorskip("boto3")

pytestmark = pytest.mark.extras


@pytest.mark.parametrize(
    "options",
    [
        {"regoin": "eu-west-1"},
        {"access_key_id": "A"},
        {"secret_access_key": "S"},
        {"endpoint_url": "localhost:4566"},
        {"endpoint_url": "https://user:canary-password-7f3a@localhost:4566"},
        {"tags": "team=ml"},
    ],
)
def test_unusable_options_are_refused(options: dict[str, Any]) -> None:
    """Half a key, a misspelt name: refused when the mailer is made."""
    with pytest.raises(OptionsError):
        Mailer("ses", options=options)
