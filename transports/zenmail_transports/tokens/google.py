"""Access tokens from Google, with a refresh token or a service account."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timezone
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, model_validator

from zenmail import (
    AccessToken,
    DeliveryError,
    OptionsError,
    TokenRequest,
    TransportOptions,
    hookimpl,
)
from zenmail.clean import clean_line
from zenmail.runtime.forks import defer_forks

from .fetching import library_missing, no_token, session_until

__all__ = ["GoogleOptions"]

# https://developers.google.com/workspace/gmail/imap/xoauth2-protocol
_SCOPES = ("https://mail.google.com/",)


class GoogleOptions(TransportOptions):
    """Options of the google token source: a refresh token, or a service account."""

    client_id: str = Field(
        default="", description="OAuth client ID that the refresh token was issued to."
    )
    client_secret: SecretStr | None = Field(
        default=None, description="Secret of the OAuth client."
    )
    refresh_token: SecretStr | None = Field(
        default=None, description="Refresh token from a user's consent."
    )
    service_account: SecretStr | None = Field(
        default=None,
        description="JSON key of a service account with domain-wide delegation: a path, or "
        "the JSON itself.",
    )
    subject: str = Field(
        default="",
        description="Mailbox the service account acts for. Default: the account that logs in.",
    )
    token_uri: str = Field(
        default="https://oauth2.googleapis.com/token",
        description="Token endpoint, if it is not Google's own.",
    )

    @model_validator(mode="before")
    @classmethod
    def _accept_mappings(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("service_account"), Mapping):
            return {**values, "service_account": json.dumps(dict(values["service_account"]))}
        return values

    @model_validator(mode="after")
    def _check(self) -> GoogleOptions:
        if (self.refresh_token is None) == (self.service_account is None):
            raise ValueError("give either a refresh_token or a service_account")
        if self.refresh_token and not (self.client_id and self.client_secret):
            raise ValueError("a refresh_token needs client_id and client_secret")
        return self


@hookimpl
def fetch_token(request: TokenRequest) -> AccessToken:
    """Fetch a token from Google.

    Raises:
        MissingExtra: google-auth is not installed.
        OptionsError: The options, or the service account's key, are unusable.
        PermanentFailure: Google refuses.
        TemporaryFailure: Google cannot be reached.
    """
    options = GoogleOptions.parse(request.options, transport="google")
    try:
        with defer_forks():
            from google.auth.exceptions import GoogleAuthError
            from google.auth.transport.requests import Request

            credentials = _credentials(options, request)
    except ImportError:
        raise library_missing("google-auth", "Google") from None
    with session_until(request.deadline) as session:
        try:
            credentials.refresh(Request(session))
        except GoogleAuthError as error:
            raise _failure(error) from None
    return AccessToken(
        SecretStr(credentials.token),
        credentials.expiry.replace(tzinfo=timezone.utc).timestamp(),
    )


def _credentials(options: GoogleOptions, request: TokenRequest) -> Any:
    scopes = list(request.scopes or _SCOPES)
    if options.service_account is None:
        from google.oauth2 import credentials

        make: Any = credentials.Credentials

        def reveal(secret: SecretStr | None) -> str | None:
            return secret.get_secret_value() if secret else None

        return make(
            token=None,
            refresh_token=reveal(options.refresh_token),
            client_id=options.client_id,
            client_secret=reveal(options.client_secret),
            token_uri=options.token_uri,
            # Those that the user consented to: asking for others is refused.
            scopes=list(request.scopes) or None,
        )
    from google.oauth2 import service_account

    read: Any = service_account.Credentials.from_service_account_info
    key = _read_key(options.service_account)
    if key is None:
        raise OptionsError(
            "service_account is not the key of a service account.",
            transport="google",
            remedy="Set service_account in `oauth_options` to the JSON key file's path "
            "or content.",
        )
    try:
        return read(
            {**key, "token_uri": options.token_uri},
            scopes=scopes,
            subject=options.subject or request.account,
        )
    except (ValueError, KeyError, TypeError) as error:
        # Without the library's text, which may quote the key.
        raise OptionsError(
            f"service_account is not a usable key ({type(error).__name__}).",
            transport="google",
            remedy="Create a new JSON key for the service account.",
        ) from None


def _read_key(secret: SecretStr) -> dict[str, Any] | None:
    """Return what the key holds; nothing is raised here, where its text is at hand."""
    text = secret.get_secret_value()
    try:
        if not text.lstrip().startswith("{"):
            text = Path(text).expanduser().read_text(encoding="utf-8")
        found = json.loads(text)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


_REMEDIES = {
    "invalid_grant": "Consent again for a new refresh token: this one has expired or was "
    "revoked.",
    "unauthorized_client": "Allow the service account's client ID the scope "
    "https://mail.google.com/ under domain-wide delegation in the Google Admin console.",
    "invalid_client": "Check client_id and client_secret in `oauth_options`.",
}


def _failure(error: Exception) -> DeliveryError:
    text = clean_line(str(error.args[0]) if error.args else str(error), limit=300)
    # TransportError wraps what the network did; the others hold Google's answer.
    if type(error).__name__ == "TransportError" or getattr(error, "retryable", False):
        remedy = "Check the network between here and Google's token endpoint."
        return no_token("Google", text, remedy=remedy, temporary=True)
    found = (remedy for word, remedy in _REMEDIES.items() if word in text)
    remedy = next(found, "Check `oauth_options`.")
    return no_token("Google", text, remedy=remedy)
