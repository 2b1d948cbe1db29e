"""What is checked when the component is registered: everything that needs no network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError
from zenml.utils.secret_utils import is_secret_reference

from zenmail.address import parse_mailbox, split_addresses
from zenmail.errors import AddressError, ConfigurationError, OptionsError
from zenmail.model import describe_validation
from zenmail.plugins import PluginHost
from zenmail.transport import TransportOptions

from .settings import SMTP_OPTIONS, Resolved, layer, resolve

__all__ = ["Refusal", "check_registration"]

_FLAT_NAMES = {option: name for name, option in SMTP_OPTIONS.items()}


class Refusal(click.ClickException, ConfigurationError):  # type: ignore[misc]
    """A configuration that is refused on the command line: a sentence, no traceback.

    ``zenml alerter register`` is a click command and shows whatever else is raised with all
    its frames.
    """

    def __init__(self, error: ConfigurationError) -> None:
        super().__init__(error.message)
        self.code = error.code
        self.transport = error.transport
        self.remedy = error.remedy

    def __str__(self) -> str:
        return ConfigurationError.__str__(self)

    def format_message(self) -> str:
        """Return what click prints behind "Error: "."""
        return str(self)


def check_registration(raw: Mapping[str, Any]) -> None:
    """Check a component's configuration, offline and without reading a secret.

    What is given as a secret reference is taken to be right.

    Args:
        raw: The configuration by name, references unresolved.

    Raises:
        ConfigurationError: What is wrong, in a sentence, and the remedy.
    """
    try:
        _check(layer([raw]))
    except ConfigurationError as error:
        if click.get_current_context(silent=True) is None:
            raise
        raise Refusal(error) from None


def _check(raw: Mapping[str, Any]) -> None:
    settings = resolve(
        {name: value for name, value in raw.items() if not is_secret_reference(value)},
        replace=lambda value: value,
    )
    _check_addresses(raw, settings)
    host = PluginHost()
    if not is_secret_reference(raw.get("transport")):
        if is_secret_reference(raw.get("transport_options")):
            host.transport(settings.transport)
        else:
            _check_transport(host, settings.transport, _options(raw, settings), raw)
    if is_secret_reference(raw.get("fallback_options")):
        for name in settings.fallback_transport:
            host.transport(name)
    elif not is_secret_reference(raw.get("fallback_transport")):
        for name, options in settings.fallbacks():
            _check_transport(host, name, options, {})


def _options(raw: Mapping[str, Any], settings: Resolved) -> dict[str, Any]:
    if settings.transport != "smtp":
        return dict(settings.transport_options)
    flat = {option: raw[name] for name, option in SMTP_OPTIONS.items() if name in raw}
    options = {**flat, **settings.transport_options}
    if "username" not in options and ("password" in options or options.get("oauth")):
        # A reference, too: it stands for a name.
        options["username"] = raw.get("sender_email", "")
    return options


def _check_addresses(raw: Mapping[str, Any], settings: Resolved) -> None:
    if not raw.get("sender_email"):
        raise AddressError(
            "sender_email is required.", remedy="Give --sender_email=alerts@example.com."
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
    host: PluginHost, name: str, options: Mapping[str, Any], flat: Mapping[str, Any]
) -> None:
    transport = host.transport(name)
    if trouble := _trouble(transport.options_type, options, flat):
        raise OptionsError(trouble, transport=name)


def _trouble(
    options_type: type[TransportOptions],
    options: Mapping[str, Any],
    flat: Mapping[str, Any],
) -> str:
    """Return what is wrong with the options, in sentences, or ""."""
    held = {name for name, value in options.items() if _holds_reference(value)}
    try:
        options_type.model_validate(dict(options))
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
    else:
        return ""
    whole: set[str] = set()
    if held:
        # A complaint about the whole may come from the reference's own text; one that
        # stays without it does not.
        rest = {name: value for name, value in options.items() if name not in held}
        try:
            options_type.model_validate(rest)
        except ValidationError as error:
            whole = {item["msg"] for item in error.errors() if not item["loc"]}
    kept = [
        InitErrorDetails(
            type=PydanticCustomError(_literal(item["type"]), _literal(item["msg"])),
            loc=_shown(item["loc"], flat),
            input=None,
        )
        for item in found
        if (item["loc"] and item["loc"][0] not in held)
        or (not item["loc"] and (not held or item["msg"] in whole or "password" in held))
    ]
    if not kept:
        return ""
    return describe_validation(
        ValidationError.from_exception_data("options", kept), known=options_type.model_fields
    )


def _literal(text: str) -> Any:
    return text.replace("{", "(").replace("}", ")")


def _shown(path: tuple[int | str, ...], flat: Mapping[str, Any]) -> tuple[int | str, ...]:
    """Return an option's place as the user typed it: ``smtp_port``, not ``port``."""
    if path and path[0] in _FLAT_NAMES and flat and path[0] not in _nested(flat):
        return (_FLAT_NAMES[str(path[0])], *path[1:])
    return path


def _nested(flat: Mapping[str, Any]) -> Mapping[str, Any]:
    options = flat.get("transport_options")
    return options if isinstance(options, Mapping) else {}


def _holds_reference(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_reference, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_reference, value))
    return is_secret_reference(value)
