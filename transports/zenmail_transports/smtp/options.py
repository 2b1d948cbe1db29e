"""The options of the SMTP transport, and the TLS context they describe."""

import re
import ssl
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from zenmail import OptionsError, TransportOptions
from zenmail.patterns import pattern

from .limits import limits_of
from .wire import TLSSocket

__all__ = ["SMTPOptions", "build_context"]

_HOST_CHARACTERS = frozenset(string.ascii_letters + string.digits + "_.-")
_IP_ADDRESS = pattern(r"[0-9A-Fa-f:.]+(?:%\w+)?\Z")
_EHLO_NAME = pattern(r"[A-Za-z0-9._-]+\Z|\[[A-Za-z0-9:.]+\]\Z")

_GMAIL = ("smtp.gmail.com", "smtp.googlemail.com", "smtp-relay.gmail.com")
# Providers whose passwords are generated keys, which never hold white space.
_KEYED = (*_GMAIL, ".sendgrid.net", ".mailgun.org", ".postmarkapp.com", ".amazonaws.com")


class SMTPOptions(TransportOptions):
    """How to reach an SMTP server and who logs in."""

    keeps_deadline: ClassVar[bool] = True

    host: str = Field(description="Host name or IP address of the server.")
    port: int = Field(
        default=587,
        ge=1,
        le=65535,
        description="Port of the server. With security tls, the default is 465.",
    )
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="Encryption of the connection: starttls, tls (from the first byte) or "
        "none. On port 465, the default is tls.",
    )
    username: str = Field(
        default="", description="User name to log in with; a relay without a login needs none."
    )
    password: SecretStr | None = Field(
        default=None, description="Password, app password or API key to log in with."
    )
    ca_file: Path | None = Field(
        default=None,
        description="PEM file of the certificate authorities to trust instead of the system's.",
    )
    client_cert_file: Path | None = Field(
        default=None, description="PEM certificate for a server that asks for one."
    )
    client_key_file: Path | None = Field(
        default=None,
        description="Private key of the client certificate, if it is in a file of its own.",
    )
    client_key_password: SecretStr | None = Field(
        default=None, description="Password of the private key."
    )
    ehlo_name: str = Field(
        default="",
        description="Name of this machine in EHLO. Default: this machine's IP address, in "
        "brackets.",
    )
    allow_insecure_login: bool = Field(
        default=False, description="Allow a login over a connection that is not encrypted."
    )
    oauth: str = Field(
        default="",
        description="Token source to log in with instead of a password: google, microsoft or "
        "another one that is installed.",
    )
    oauth_options: dict[str, Any] = Field(
        default_factory=dict, repr=False, description="Options of the token source."
    )
    pipelining: Literal["auto", "off"] = Field(
        default="auto",
        description="Send several commands at once if the server supports it (auto), or one "
        "at a time (off).",
    )
    chunking: Literal["auto", "off"] = Field(
        default="auto",
        description="Send mails with BDAT if the server supports it (auto), or with DATA "
        "(off).",
    )
    connections: int = Field(
        default=8,
        ge=1,
        le=1000,
        description="Maximum number of connections to the server. For Microsoft, the default "
        "is 3, which is what it allows.",
    )
    rate: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="Maximum number of mails a minute; 0 for no limit. For Microsoft, the "
        "default is 30, which is what it allows.",
    )
    max_idle: float = Field(
        default=60.0, ge=0, description="Seconds to keep an idle connection open."
    )
    max_mails: int = Field(
        default=1000, ge=1, description="Maximum number of mails per connection."
    )

    def __hash__(self) -> int:
        return hash((self.host, self.port, self.security, self.username))

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        given = {name: value for name, value in values.items() if value is not None}
        if "port" not in given:
            given["port"] = 465 if given.get("security") == "tls" else 587
        elif "security" not in given and str(given["port"]).strip() == "465":
            given["security"] = "tls"
        allowed = limits_of(str(given.get("host", "")))
        given.setdefault("connections", allowed.connections)
        given.setdefault("rate", allowed.rate)
        for name in ("ca_file", "client_cert_file", "client_key_file", "password"):
            if given.get(name) == "":
                del given[name]
        return given

    @field_validator("host")
    @classmethod
    def _check_host(cls, value: str) -> str:
        name = value.strip().rstrip(".")
        if name.startswith("[") and name.endswith("]"):
            name = name[1:-1]
        if not name:
            raise ValueError("give the server's name")
        if not name.isascii():
            import idna

            try:
                name = idna.encode(name, uts46=True).decode("ascii")
            except idna.IDNAError:
                raise ValueError("this is not a host name") from None
        named = _HOST_CHARACTERS.issuperset(name) and not {name[0], name[-1]} & {".", "-"}
        if not named and not _IP_ADDRESS.match(name):
            raise ValueError(
                "this is not a host name; give it alone, without smtp:// and without the port"
            )
        return name.lower()

    @field_validator("username", "oauth")
    @classmethod
    def _strip(cls, value: str) -> str:
        value = value.strip()
        if any(character < " " or character == "\x7f" for character in value):
            raise ValueError("it holds a control character")
        return value

    @field_validator("password", "client_key_password")
    @classmethod
    def _strip_line_end(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        text = value.get_secret_value().rstrip("\r\n")
        if "\0" in text:
            raise ValueError("it holds a NUL character")
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError("it holds characters that cannot be sent") from None
        return SecretStr(text) if text else None

    @field_validator("ehlo_name")
    @classmethod
    def _check_ehlo_name(cls, value: str) -> str:
        value = value.strip()
        if value and not _EHLO_NAME.match(value):
            raise ValueError("give a full host name such as worker.example.com")
        return value

    @field_validator("oauth_options")
    @classmethod
    def _hide_secrets(cls, value: dict[str, Any]) -> dict[str, Any]:
        from zenmail.tokens import hide_secret_options

        return hide_secret_options(value)

    @model_validator(mode="after")
    def _agree(self) -> "SMTPOptions":
        if self.password is not None:
            self._apply_preset(self.password.get_secret_value())
        if self.password is not None and not self.username:
            raise ValueError(
                "there is a password but no user name; set `username`, which for many relays "
                "is not the sender's address"
            )
        if self.oauth and not self.username:
            raise ValueError("`oauth` needs `username`, the mailbox to log in to")
        if self.oauth and self.password is not None:
            raise ValueError("set either `password` or `oauth`, not both")
        if self.username and self.password is None and not self.oauth:
            raise ValueError("there is a user name but neither `password` nor `oauth`")
        if self.username and self.security == "none" and not self.allow_insecure_login:
            raise ValueError(
                "`security` 'none' would send the password unencrypted; use 'starttls' or "
                "'tls', or set `allow_insecure_login` to true if you must"
            )
        return self

    def _apply_preset(self, password: str) -> None:
        """Take out what providers show with a password and do not want back."""
        name = "." + self.host
        if name.endswith(tuple(item if item[0] == "." else "." + item for item in _KEYED)):
            password = re.sub(r"\s", "", password)
            object.__setattr__(self, "password", SecretStr(password))
        if not self.username and name.endswith(".sendgrid.net"):
            object.__setattr__(self, "username", "apikey")
        if not self.username and name.endswith(".postmarkapp.com"):
            object.__setattr__(self, "username", password)


def build_context(options: SMTPOptions) -> ssl.SSLContext:
    """Return the context that verifies the server's certificate and name.

    Raises:
        OptionsError: A certificate file is missing or holds none.
    """
    try:
        context = ssl.create_default_context(
            cafile=str(options.ca_file) if options.ca_file is not None else None
        )
    except OSError as error:
        raise _unusable("ca_file", options.ca_file, error) from error
    context.sslsocket_class = TLSSocket
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if options.ca_file is not None:
        # CPython 3.13 made this flag a default; certificates that people make for their
        # own authority often lack the key usage it asks for.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if options.client_cert_file is not None:
        secret = options.client_key_password
        try:
            context.load_cert_chain(
                options.client_cert_file,
                options.client_key_file,
                # Without one, OpenSSL would ask at the terminal.
                lambda: secret.get_secret_value() if secret is not None else "",
            )
        except OSError as error:
            raise _unusable("client_cert_file", options.client_cert_file, error) from error
    return context


def _unusable(option: str, path: Path | None, error: OSError) -> OptionsError:
    if isinstance(error, ssl.SSLError):
        reason = "contains no readable PEM certificate"
    else:
        reason = f"cannot be read: {error.strerror or error}"
    return OptionsError(
        f"{option}: {str(path)!r} {reason}.",
        remedy=f"Set `{option}` to a PEM file that exists on the machine that sends, or leave "
        "it out.",
    )
