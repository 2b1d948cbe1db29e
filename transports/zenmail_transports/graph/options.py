"""Options of the graph transport."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints, field_validator

from zenmail import TransportOptions
from zenmail.tokens import hide_secret_options

__all__ = ["GraphOptions"]


class GraphOptions(TransportOptions):
    """Options of the graph transport."""

    mailbox: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        default="",
        description="Mailbox to send from: its address or ID, or me for the user who "
        "consented. Default: the sender's address.",
    )
    oauth: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = Field(
        default="microsoft", description="Token source to get access tokens from."
    )
    oauth_options: Annotated[dict[str, Any], AfterValidator(hide_secret_options)] = Field(
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
