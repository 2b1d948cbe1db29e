"""Options of the ses transport."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field, SecretStr, model_validator

from zenmail import TransportOptions

__all__ = ["SESOptions"]


class SESOptions(TransportOptions):
    """Options of the ses transport. What is left out is found as every AWS tool finds it.

    Attributes:
        region: Region of the SES account, such as "eu-west-1".
        profile: Name of a profile in the AWS configuration.
        access_key_id: Access key.
        secret_access_key: Its secret.
        session_token: Its token, when it is a temporary one.
        endpoint_url: Another server than Amazon's.
        configuration_set: The SES configuration set to use.
        tags: Name to value, for SES event publishing.
        session: A boto3 session, in place of profile and keys; for programs.
    """

    region: str | None = None
    profile: str | None = None
    access_key_id: SecretStr | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    endpoint_url: str | None = None
    configuration_set: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    session: Any = Field(default=None, repr=False, exclude=True)

    @model_validator(mode="after")
    def _check(self) -> SESOptions:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key go together")
        if self.endpoint_url is not None and not re.match(r"https?://.", self.endpoint_url):
            raise ValueError("endpoint_url starts with https:// or http://")
        if self.endpoint_url is not None and "@" in self.endpoint_url:
            raise ValueError("endpoint_url holds no user name and no password")
        return self
