"""Options of the graph transport."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from zenmail import TransportOptions
from zenmail.tokens import hide_secret_options

__all__ = ["GraphOptions"]


class GraphOptions(TransportOptions):
    """Options of the graph transport."""

    mailbox: str = Field(
        default="",
        description="Mailbox to send from: its address or ID, or me for the user who "
        "consented. Default: the sender's address.",
    )
    oauth: str = Field(
        default="microsoft", description="Token source to get access tokens from."
    )
    oauth_options: dict[str, Any] = Field(
        default_factory=dict, repr=False, description="Options of the token source."
    )
    endpoint: str = Field(
        default="https://graph.microsoft.com/v1.0",
        description="URL of Microsoft Graph with its version, for a national cloud.",
    )

    @field_validator("endpoint")
    @classmethod
    def _check_endpoint(cls, value: str) -> str:
        if not value.startswith("https://") or "@" in value:
            raise ValueError("it must start with https:// and contain no user name")
        return value.rstrip("/")

    @field_validator("mailbox")
    @classmethod
    def _strip(cls, value: str) -> str:
        return value.strip()

    @field_validator("oauth")
    @classmethod
    def _require_source(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("name a token source")
        return value.strip()

    @field_validator("oauth_options")
    @classmethod
    def _hide_secrets(cls, value: dict[str, Any]) -> dict[str, Any]:
        return hide_secret_options(value)
