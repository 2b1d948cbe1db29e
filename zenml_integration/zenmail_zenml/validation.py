"""Checks the configuration at registration: all that needs no network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click
from pydantic import ValidationError
from zenml.utils.secret_utils import is_secret_reference

from zenmail.address import parse_mailbox, split_addresses
from zenmail.errors import AddressError, ConfigurationError, OptionsError
from zenmail.model import describe_validation
from zenmail.plugins import PluginHost
from zenmail.transport import TransportOptions

from .settings import SMTP_OPTIONS, Resolved, references_in, resolve

__all__ = ["Refusal", "check_registration"]


class Refusal(click.ClickException, ConfigurationError):  # type: ignore[misc]
    """A configuration error that ``zenml alerter register`` shows without a traceback.

    The command is click's, which prints its own exceptions as one sentence and any other
    with a traceback.
    """

    def __init__(self, error: ConfigurationError) -> None:
        super().__init__(error.message)
        self.code = error.code
        self.transport = error.transport
        self.remedy = error.remedy

    def __str__(self) -> str:
        return ConfigurationError.__str__(self)

    def format_message(self) -> str:
        """Return what click prints after "Error: "."""
        return str(self)


def check_registration(raw: Mapping[str, Any]) -> None:
    """Check a component's configuration, offline and without reading a secret.

    Secret references are assumed to be valid.

    Raises:
        ConfigurationError: The configuration is wrong.
    """
    try:
        _check(raw)
    except ConfigurationError as error:
        if click.get_current_context(silent=True) is None:
            raise
        raise Refusal(error) from None


def _check(raw: Mapping[str, Any]) -> None:
    settings = resolve(
        {name: value for name, value in raw.items() if not is_secret_reference(value)}
    )
    _check_addresses(raw, settings)
    if settings.delivery == "queue" and raw.get("ledger") == "off":
        raise ConfigurationError(
            "delivery=queue needs a ledger to queue mails in.",
            remedy="Add --ledger=postgresql://user:password@host/database.",
        )
    host = PluginHost()
    if not is_secret_reference(raw.get("transport")):
        if is_secret_reference(raw.get("transport_options")):
            host.transport(settings.transport)
        else:
            options = _options(raw, settings)
            _check_transport(host, settings.transport, options, settings.name_option)
    if is_secret_reference(raw.get("fallback_options")):
        for name in settings.fallback_transport:
            host.transport(name)
    elif not is_secret_reference(raw.get("fallback_transport")):
        for name, options in settings.fallbacks():
            _check_transport(host, name, options, str)


def _options(raw: Mapping[str, Any], settings: Resolved) -> dict[str, Any]:
    if settings.transport != "smtp":
        return dict(settings.transport_options)
    flat = {option: raw[name] for name, option in SMTP_OPTIONS.items() if name in raw}
    options = {**flat, **settings.transport_options}
    if "username" not in options and ("password" in options or options.get("oauth")):
        # This may be a reference.
        options["username"] = raw.get("sender_email", "")
    return options


def _check_addresses(raw: Mapping[str, Any], settings: Resolved) -> None:
    if not raw.get("sender_email"):
        raise AddressError(
            "sender_email is required.", remedy="Add --sender_email=alerts@example.com."
        )
    if not is_secret_reference(raw["sender_email"]):
        _check_address("sender_email", settings.sender_email)
    for name in ("recipient_email", "cc", "bcc", "reply_to", "redirect_to"):
        if not is_secret_reference(raw.get(name)):
            for address in split_addresses(getattr(settings, name)):
                if not is_secret_reference(address):
                    _check_address(name, address)


def _check_address(name: str, address: str) -> None:
    try:
        parse_mailbox(address)
    except AddressError as error:
        raise AddressError(f"{name}: {error.message}", remedy=error.remedy) from None


def _check_transport(
    host: PluginHost,
    name: str,
    options: Mapping[str, Any],
    name_option: Callable[[str], str],
) -> None:
    options_type = host.transport(name).options_type
    error = _validation_error(options_type, options)
    if error is None:
        return
    references = {
        name for name, value in options.items() if any(references_in(value, embedded=False))
    }
    rest = {name: value for name, value in options.items() if name not in references}
    rest_error = _validation_error(options_type, rest)
    lasting = {item["msg"] for item in rest_error.errors()} if rest_error else set()

    def is_certain(finding: Mapping[str, Any]) -> bool:
        if finding["loc"]:
            return finding["loc"][0] not in references
        # What concerns all options may stem from the text of a reference, unless it
        # remains without them.
        return not references or finding["msg"] in lasting or "password" in references

    if problems := describe_validation(
        error, known=options_type.model_fields, name_option=name_option, which=is_certain
    ):
        raise OptionsError(problems, transport=name)


def _validation_error(
    options_type: type[TransportOptions], options: Mapping[str, Any]
) -> ValidationError | None:
    try:
        options_type.model_validate(dict(options))
    except ValidationError as error:
        return error
    return None
