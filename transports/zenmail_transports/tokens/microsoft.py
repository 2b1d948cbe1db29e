"""Access tokens from Microsoft, with a client secret, a certificate or a refresh token."""

from __future__ import annotations

import hashlib
import re
import ssl
import time
from collections.abc import Mapping
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
from zenmail.patterns import pattern
from zenmail.runtime.forks import defer_forks

from .fetching import library_missing, no_token, session_until

__all__ = ["MicrosoftOptions"]

# https://learn.microsoft.com/en-us/exchange/client-developer/legacy-protocols/
# how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth
_APPLICATION_SCOPES = ("https://outlook.office365.com/.default",)
_USER_SCOPES = ("https://outlook.office.com/SMTP.Send",)
_LOGIN = "https://login.microsoftonline.com"


class MicrosoftOptions(TransportOptions):
    """Options of the microsoft token source: a secret, a certificate, or a refresh token."""

    client_id: str = Field(description="Application (client) ID.")
    tenant: str = Field(
        default="",
        description="Directory (tenant) ID or domain; required without a refresh token. "
        "Default: common.",
    )
    client_secret: SecretStr | None = Field(
        default=None, description="Value of the application's client secret, not its ID."
    )
    certificate: SecretStr | None = Field(
        default=None,
        description="Certificate of the application and its private key, as PEM: a path, or "
        "the text itself.",
    )
    certificate_password: SecretStr | None = Field(
        default=None, description="Password of the certificate's private key."
    )
    refresh_token: SecretStr | None = Field(
        default=None, description="Refresh token from a user's consent."
    )
    authority: str = Field(
        default="",
        description="Login URL of a national cloud. Default: "
        "https://login.microsoftonline.com/TENANT.",
    )

    @model_validator(mode="after")
    def _check(self) -> MicrosoftOptions:
        if not (self.client_secret or self.certificate or self.refresh_token):
            raise ValueError("give a client_secret, a certificate or a refresh_token")
        if self.client_secret and self.certificate:
            raise ValueError("give either a client_secret or a certificate")
        if self.refresh_token is None and not (self.tenant or self.authority):
            raise ValueError("client credentials need the tenant")
        if self.authority and not self.authority.startswith("https://"):
            raise ValueError("authority must start with https://")
        return self


@hookimpl
def fetch_token(request: TokenRequest) -> AccessToken:
    """Fetch a token from Microsoft.

    Raises:
        MissingExtra: msal is not installed.
        OptionsError: The options are unusable.
        PermanentFailure: Microsoft refuses.
        TemporaryFailure: Microsoft cannot be reached.
    """
    options = MicrosoftOptions.parse(request.options, transport="microsoft")
    try:
        with defer_forks():
            import msal
            from msal.exceptions import MsalServiceError
            from requests import RequestException
    except ImportError:
        raise library_missing("msal", "Microsoft") from None
    credential = _credential(options)
    started = time.time()
    with session_until(request.deadline) as session:
        try:
            answer = _ask(msal, options, credential, request, session)
        except (RequestException, MsalServiceError) as error:
            remedy = "Check the network between here and login.microsoftonline.com."
            why = f"{type(error).__name__}."
            raise no_token("Microsoft", why, remedy=remedy, temporary=True) from None
        except (ValueError, KeyError):
            # msal cannot find, or read, the directory's description.
            remedy = "Check tenant, or authority, in `oauth_options`."
            raise no_token("Microsoft", "the tenant is unknown.", remedy=remedy) from None
    if "access_token" not in answer:
        raise _failure(answer)
    return AccessToken(
        SecretStr(answer["access_token"]), started + float(answer.get("expires_in", 0))
    )


def _ask(
    msal: Any,
    options: MicrosoftOptions,
    credential: str | dict[str, str] | None,
    request: TokenRequest,
    session: Any,
) -> Mapping[str, Any]:
    settings = {
        "authority": options.authority or f"{_LOGIN}/{options.tenant or 'common'}",
        "http_client": session,
        # Only Microsoft's own hosts are in the list that it is looked up in.
        "instance_discovery": False if options.authority else None,
    }
    if credential is None:
        client = msal.PublicClientApplication(options.client_id, **settings)
    else:
        client = msal.ConfidentialClientApplication(
            options.client_id, client_credential=credential, **settings
        )
    answer: Mapping[str, Any]
    if options.refresh_token is None:
        answer = client.acquire_token_for_client(list(request.scopes or _APPLICATION_SCOPES))
    else:
        answer = client.acquire_token_by_refresh_token(
            options.refresh_token.get_secret_value(), list(request.scopes or _USER_SCOPES)
        )
    return answer


def _credential(options: MicrosoftOptions) -> str | dict[str, str] | None:
    """Return what msal takes as the application's credential.

    https://learn.microsoft.com/en-us/python/api/msal/msal.application.confidentialclientapplication

    Raises:
        OptionsError: The certificate is unusable.
    """
    if options.client_secret is not None:
        return options.client_secret.get_secret_value()
    if options.certificate is None:
        return None
    found = _read_certificate(options.certificate, options.certificate_password)
    if found is None:
        raise OptionsError(
            "certificate contains no certificate with a usable private key.",
            transport="microsoft",
            remedy="Give a PEM file with both, or its text, in `oauth_options`, and "
            "certificate_password if the key has one.",
        )
    return found


_CERTIFICATE = pattern("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_KEY = pattern(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL)


def _read_certificate(secret: SecretStr, password: SecretStr | None) -> dict[str, str] | None:
    """Return msal's credential; nothing is raised here, where the key is at hand."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    text = secret.get_secret_value()
    phrase = password.get_secret_value() if password else ""
    try:
        if "-----BEGIN" not in text:
            text = Path(text).expanduser().read_text(encoding="utf-8")
        certificate, key = _CERTIFICATE.search(text), _KEY.search(text)
        if certificate is None or key is None:
            return None
        load_pem_private_key(key[0].encode(), phrase.encode() or None)
        der = ssl.PEM_cert_to_DER_cert(certificate[0])
    except Exception:
        return None
    thumbprint = hashlib.sha1(der, usedforsecurity=False).hexdigest()
    return {
        "private_key": key[0],
        "thumbprint": thumbprint,
        **({"passphrase": phrase} if phrase else {}),
    }


# https://learn.microsoft.com/en-us/entra/identity-platform/reference-error-codes
_REMEDIES = {
    "AADSTS7000215": "Set client_secret in `oauth_options` to the secret's value, not its ID.",
    "AADSTS7000222": "Create a new client secret: this one has expired.",
    "AADSTS700016": "Check client_id and tenant in `oauth_options`: they do not go together.",
    "AADSTS90002": "Check tenant in `oauth_options`.",
    "AADSTS65001": "Let an administrator consent to the application's permissions: for SMTP "
    "SMTP.Send or SMTP.SendAsApp, for the transport graph Mail.Send.",
    "AADSTS700027": "Upload the certificate to the application in Microsoft Entra ID.",
    "AADSTS70008": "Consent again for a new refresh token: this one has expired.",
    "AADSTS700082": "Consent again for a new refresh token: this one has expired.",
    "AADSTS50173": "Consent again for a new refresh token: this one was revoked.",
}
_HEALS = {"temporarily_unavailable", "server_error"}


def _failure(answer: Mapping[str, Any]) -> DeliveryError:
    error, said = str(answer.get("error", "")), str(answer.get("error_description", ""))
    text = clean_line(said.splitlines()[0] if said else error, limit=300)
    if error in _HEALS:
        remedy = "Try again later: Microsoft's login is having problems."
        return no_token("Microsoft", text, remedy=remedy, temporary=True)
    match = re.match(r"AADSTS\d+", text)
    remedy = _REMEDIES.get(
        match[0] if match else "", "Look up the error in Microsoft's documentation."
    )
    return no_token("Microsoft", text, remedy=remedy)
