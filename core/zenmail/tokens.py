"""OAuth 2 access tokens: what a token source is asked, and what it answers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from .deadline import Deadline
from .patterns import pattern

__all__ = ["AccessToken", "TokenRequest", "hide_secret_options"]

_SECRET_NAME = pattern(
    r"(?:secret|token|password|key|assertion|credential|service_account|certificate)"
    r"(?!.*_(?:url|uri|file|path)\Z)"
)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token.

    Attributes:
        value: The token itself; text becomes a secret.
        expires_at: When it stops working, in seconds of ``time.time()``.
    """

    value: SecretStr
    expires_at: float

    def __post_init__(self) -> None:
        if isinstance(self.value, str):  # a source that does not care for types
            object.__setattr__(self, "value", SecretStr(self.value))

    def expires_within(self, seconds: float) -> bool:
        """Whether the token stops working in that many seconds, or already has."""
        return time.time() + seconds >= self.expires_at


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What a token source needs to fetch a token.

    Attributes:
        account: The mailbox that the token is for.
        scopes: What the token has to allow; empty for the source's own default.
        options: The source's own options, by name; secrets are `SecretStr`.
        deadline: The moment by which the source has to answer.
        refresh: Whether the last token was refused, so that one out of a cache will not do.
    """

    account: str
    scopes: tuple[str, ...]
    deadline: Deadline
    options: Mapping[str, Any] = field(repr=False)
    refresh: bool = False


def hide_secret_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a token source's options with those that are secret by name as `SecretStr`."""
    return {
        name: SecretStr(item)
        if isinstance(item, str) and _SECRET_NAME.search(name.lower())
        else item
        for name, item in options.items()
    }
