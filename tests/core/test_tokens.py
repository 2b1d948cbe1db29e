"""What a token source is asked and answers shows no secret."""

from __future__ import annotations

import pytest

from zenmail import (
    AccessToken,
    Deadline,
    TokenRequest,
)

pytestmark = pytest.mark.extras


def request() -> TokenRequest:
    """Return a request for a token."""
    return TokenRequest("a@example.com", (), Deadline.after(5), {"secret": "canary-token-91bc"})


def test_a_token_given_as_text_becomes_a_secret() -> None:
    """Who forgets the type shows nothing by it."""
    token = AccessToken("canary-token-91bc", 1.0)  # type: ignore[arg-type]
    assert token.value.get_secret_value() == "canary-token-91bc"
    assert "canary" not in repr(token)


def test_no_secret_of_a_request_is_in_its_repr() -> None:
    """A request's options may hold secrets."""
    assert "canary" not in repr(request())
