"""Options of the ses transport."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field, SecretStr, model_validator

from zenmail import TransportOptions

__all__ = ["SESOptions"]


class SESOptions(TransportOptions):
    """Options of the ses transport. What is left out is found as every AWS tool finds it."""

    region: str | None = Field(
        default=None, description="AWS region of the SES account, such as eu-west-1."
    )
    profile: str | None = Field(default=None, description="Profile in the AWS configuration.")
    access_key_id: SecretStr | None = Field(default=None, description="AWS access key ID.")
    secret_access_key: SecretStr | None = Field(
        default=None, description="Secret of the access key."
    )
    session_token: SecretStr | None = Field(
        default=None, description="Session token, for temporary credentials."
    )
    endpoint_url: str | None = Field(
        default=None, description="URL of the SES API, if it is not Amazon's own."
    )
    configuration_set: str | None = Field(
        default=None, description="SES configuration set to send with."
    )
    tags: dict[str, str] = Field(
        default_factory=dict, description="Message tags for SES event publishing, by name."
    )
    session: Any = Field(
        default=None,
        repr=False,
        exclude=True,
        description="boto3 session to use instead of a profile or keys; in Python only.",
    )

    @model_validator(mode="after")
    def _check(self) -> SESOptions:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("set `access_key_id` and `secret_access_key` together")
        if self.endpoint_url is not None and not re.match(r"https?://.", self.endpoint_url):
            raise ValueError("`endpoint_url` must start with https:// or http://")
        if self.endpoint_url is not None and "@" in self.endpoint_url:
            raise ValueError("`endpoint_url` must not contain a user name or password")
        return self
