"""Options that a user typed, and what is said of those that do not fit."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import Field, SecretStr

from zenmail import OptionsError, TransportOptions


class _Options(TransportOptions):
    url: str
    password: SecretStr = SecretStr("")
    retries: int = Field(default=1, ge=0)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "'url' is required."),
        (
            {"url": "x", "uri": "y"},
            "'uri' is not an option; there are: password, retries, url.",
        ),
        ({"url": "x", "retries": "canary-password-7f3a"}, "retries: "),
        ({"url": "x", "retries": -1}, "retries: "),
        ({"url": "x", "password": {"a": "canary-password-7f3a"}}, "password: "),
    ],
)
def test_wrong_options_are_named_without_their_values(
    values: dict[str, Any], says: str
) -> None:
    """One error for the user, with the transport's name and no secret."""
    with pytest.raises(OptionsError) as caught:
        _Options.parse(values, transport="own")
    assert str(caught.value).startswith("own: ")
    assert says in str(caught.value)
    assert "canary-password-7f3a" not in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_secrets_stay_out_of_the_repr() -> None:
    """Options are logged and shown; passwords are not."""
    options = _Options.parse({"url": "x", "password": "canary-password-7f3a"}, transport="own")
    assert "canary-password-7f3a" not in f"{options!r} {options}"
