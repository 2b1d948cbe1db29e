"""Merges the settings of all scopes, resolves secret references and checks types."""

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_core import core_schema
from zenml.client import Client
from zenml.utils.secret_utils import (
    SecretReference,
    is_secret_reference,
    parse_secret_reference,
)

from zenmail.address import Mailbox, parse_mailbox, split_addresses
from zenmail.addressing import as_time_zone
from zenmail.clean import clean_line
from zenmail.errors import AddressError, ConfigurationError, OptionsError
from zenmail.model import TEXT, TEXTS, LateModel, ReadBy, describe_validation
from zenmail.patterns import pattern
from zenmail.redaction.own_secrets import remember_secrets

__all__ = [
    "RUN_ALERTS",
    "SMTP_OPTIONS",
    "Resolved",
    "Secrets",
    "as_mapping",
    "layer",
    "references_in",
    "resolve",
    "stored_secrets",
]

SMTP_OPTIONS = {
    "smtp_server": "host",
    "smtp_port": "port",
    "smtp_security": "security",
    "smtp_username": "username",
    "password": "password",
    "smtp_ca_file": "ca_file",
    "smtp_ehlo_name": "ehlo_name",
}
RUN_ALERTS = frozenset(
    {"failed", "stopped", "completed", "recovered", "silent", "late", "paused"}
)
"""Events of a run that can be mailed without a hook."""

# Seconds for which a secret is not read again.
_FRESH = 60.0
_REFERENCE = pattern(r"\{\{[^{}]{1,400}\}\}")
_OPTIONS_OF = {"transport": "transport_options", "fallback_transport": "fallback_options"}


def layer(
    scopes: Iterable[Mapping[str, Any]],
    *,
    replace: Callable[[Any], Any] = lambda value: value,
) -> dict[str, Any]:
    """Merge scopes, setting by setting; narrower scopes win.

    A scope that selects another transport discards the wider scopes' options, which belong
    to a transport that is not used. A flat ``smtp_*`` setting overrides the same option in a
    wider scope's ``transport_options``.

    Args:
        scopes: Settings by name, the widest scope first. None means not set.
        replace: Resolves secret references. It is called only if a scope's options are a
            reference and a narrower scope overrides some of them.
    """
    merged: dict[str, Any] = {}
    for scope in scopes:
        given = {name: value for name, value in scope.items() if value is not None}
        for selector, options in _OPTIONS_OF.items():
            if selector in given and given[selector] != merged.get(selector):
                merged.pop(options, None)
        wider = merged.get("transport_options")
        if wider and "transport_options" not in given:
            overridden = {SMTP_OPTIONS[name] for name in given if name in SMTP_OPTIONS}
            if overridden and merged.get("transport", "smtp") == "smtp":
                # Options that are no mapping are refused when they are used.
                with contextlib.suppress(ValueError):
                    merged["transport_options"] = {
                        name: value
                        for name, value in as_mapping(replace(wider)).items()
                        if name not in overridden
                    }
        merged.update(given)
    return merged


class Secrets:
    """Resolves ``{{secret.key}}`` in settings; a secret is read once a minute at most.

    Args:
        known: Values by key of secrets that need not be read, by name.
    """

    def __init__(self, *, known: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self._known = known or {}
        self._read: dict[str, tuple[float, Mapping[str, str]]] = {}

    def resolve(self, value: Any) -> Any:
        """Return the value with every reference in it resolved.

        Raises:
            ConfigurationError: A secret or its key does not exist.
        """
        if isinstance(value, Mapping):
            return {name: self.resolve(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.resolve(item) for item in value]
        if not is_secret_reference(value):
            return value
        return self.value(parse_secret_reference(value))

    def value(self, reference: SecretReference) -> str:
        """Return the value that a reference stands for.

        Raises:
            ConfigurationError: The secret or its key does not exist.
        """
        name, key = reference
        values = self._known[name] if name in self._known else self._stored(name, key)
        if key not in values:
            keys = ", ".join(sorted(values)) or "none"
            raise ConfigurationError(
                f"The secret {name!r} has no key {key!r}; it has: {keys}.",
                remedy=f"Add it: zenml secret update {name} --{key}=...",
            )
        return values[key]

    def _stored(self, name: str, key: str) -> Mapping[str, str]:
        read_at, values = self._read.get(name, (-math.inf, {}))
        if key not in values or time.monotonic() - read_at > _FRESH:
            values = _fetch(name, key)
            self._read[name] = (time.monotonic(), values)
        return values

    def forget(self) -> None:
        """Read every secret anew, such as after a login was refused."""
        self._read.clear()


stored_secrets = Secrets()
"""The secrets that this process has read."""


def references_in(value: Any, *, embedded: bool = True) -> Iterator[SecretReference]:
    """Yield the secrets that a value refers to, also in lists and in options.

    Args:
        value: The value.
        embedded: Whether references within longer texts count.
    """
    if isinstance(value, Mapping):
        value = [*value.values()]
    if isinstance(value, list | tuple):
        for item in value:
            yield from references_in(item, embedded=embedded)
    elif is_secret_reference(value):
        yield parse_secret_reference(value)
    elif embedded and isinstance(value, str) and "{{" in value:
        # Lists and options are written as JSON or with commas, too.
        for found in filter(is_secret_reference, _REFERENCE.findall(value)):
            yield parse_secret_reference(found)


def _fetch(name: str, key: str) -> Mapping[str, str]:
    try:
        secret = Client().get_secret_by_name_and_private_status(name=name)
    except (KeyError, NotImplementedError):
        raise ConfigurationError(
            f"There is no secret {name!r} in ZenML's store.",
            remedy=f"Create it: zenml secret create {name} --{key}=VALUE",
        ) from None
    remember_secrets(secret.secret_values)
    return secret.secret_values


def as_mapping(value: Any) -> dict[str, Any]:
    """Return options by name, from a mapping or JSON.

    Raises:
        ValueError: They are neither.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else {}
        except ValueError:
            raise ValueError('invalid JSON; write it as {"name": "value"}') from None
    if not isinstance(value, Mapping):
        raise ValueError('give options by name, such as {"name": "value"}')
    return dict(value)


Addresses = Annotated[tuple[str, ...], ReadBy(split_addresses, TEXTS)]
Options = Annotated[dict[str, Any], ReadBy(as_mapping, core_schema.dict_schema(TEXT))]


class Resolved(LateModel):
    """The settings in force for one post; see `SMTPEmailAlerterSettings` for each."""

    transport: str = Field(default="smtp", min_length=1)
    transport_options: Options = Field(default_factory=dict, repr=False)
    smtp_server: str | None = None
    smtp_port: int | None = Field(default=None, ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] | None = None
    smtp_username: str | None = None
    password: SecretStr | None = None
    smtp_ca_file: str | None = None
    smtp_ehlo_name: str | None = None
    sender_email: str = ""
    sender_name: str = ""
    recipient_email: Addresses = ()
    cc: Addresses = ()
    bcc: Addresses = ()
    reply_to: Addresses = ()
    subject_prefix: str = ""
    include_html: bool = True
    include_pipeline_info: bool = True
    deadline: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    fallback_transport: Addresses = ()
    fallback_options: Options = Field(default_factory=dict, repr=False)
    redirect_to: Addresses = ()
    redirect_allow: Addresses = ()
    dry_run: bool = False
    ledger: SecretStr | None = None
    on_delivery_failure: Literal["log", "raise"] = "log"
    delivery: Literal["now", "background", "queue"] = "now"
    delivery_policy: Literal["at_most_once", "at_least_once"] = "at_most_once"
    max_alerts_per_run: int | None = Field(default=None, ge=1)
    templates: str = ""
    redact: bool = True
    explain: float = Field(default=2.0, ge=0, allow_inf_nan=False)
    runbooks: Options = Field(default_factory=dict)
    time_zone: Annotated[str, AfterValidator(as_time_zone)] = ""
    run_alerts: Addresses = ("failed", "silent", "paused", "recovered")
    max_duration: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    @field_validator("run_alerts")
    @classmethod
    def _check_run_alerts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted({*value} - RUN_ALERTS - {"none"}):
            known = ", ".join(sorted(RUN_ALERTS))
            raise ValueError(f"unknown event {unknown[0]!r}; choose from {known}, or none")
        return value

    def alerts_about(self, event: str) -> bool:
        """Whether an event of a run is mailed that nobody's hook has told.

        Args:
            event: One of `RUN_ALERTS`.
        """
        if event == "late" and self.max_duration is not None:
            return True
        return event in self.run_alerts or (
            event == "recovered" and "completed" in self.run_alerts
        )

    @property
    def recipients(self) -> tuple[str, ...]:
        """Everybody who gets the mail."""
        return (*self.recipient_email, *self.cc, *self.bcc)

    @property
    def sender(self) -> str:
        """The sender with the display name."""
        if not self.sender_name:
            return self.sender_email
        return str(Mailbox(clean_line(self.sender_name), self.sender_address))

    @property
    def sender_address(self) -> str:
        """The sender's address without the display name.

        Raises:
            AddressError: It is missing or invalid.
        """
        if not self.sender_email:
            raise AddressError(
                "sender_email is not set.", remedy="Set it for the alerter: sender_email=..."
            )
        return parse_mailbox(self.sender_email).address

    def options(self) -> dict[str, Any]:
        """Return the selected transport's options; the flat settings are those of smtp."""
        flat = SMTP_OPTIONS if self.transport == "smtp" else {}
        values = {option: getattr(self, name) for name, option in flat.items()}
        given = {option: value for option, value in values.items() if value is not None}
        return {**given, **self.transport_options}

    def name_option(self, option: str) -> str:
        """Return the name of the setting that holds one of the transport's options."""
        flat = {known: name for name, known in SMTP_OPTIONS.items()}
        if self.transport != "smtp" or option in self.transport_options or option not in flat:
            return f"transport_options.{option}"
        return flat[option]

    def fallbacks(self) -> list[tuple[str, dict[str, Any]]]:
        """Return each fallback with its options.

        Raises:
            OptionsError: Some options belong to none of the fallbacks.
        """
        names, options = self.fallback_transport, self.fallback_options
        if not names and options:
            raise OptionsError(
                "fallback_options is set, but fallback_transport is not.",
                remedy="Set fallback_transport to the transport that the options are for.",
            )
        if len(names) == 1 and set(options) != set(names):
            return [(names[0], options)]
        unknown = [
            name
            for name, own in options.items()
            if name not in names or not isinstance(own, Mapping)
        ]
        if unknown:
            raise OptionsError(
                f"fallback_options: {unknown[0]!r} is not a fallback transport.",
                remedy='Group the options by transport: {"file": {"folder": "mails"}}.',
            )
        return [(name, dict(options.get(name, {}))) for name in names]


def resolve(
    values: Mapping[str, Any], *, replace: Callable[[Any], Any] = lambda value: value
) -> Resolved:
    """Resolve and check merged settings.

    Args:
        values: Settings by name.
        replace: Resolves secret references; they are taken as they are without.

    Raises:
        ConfigurationError: A value is invalid, or a secret does not exist.
    """
    known = {name: value for name, value in values.items() if name in Resolved.model_fields}
    # A reference may stand for a whole list, for all options, or for a part of them.
    parsers: dict[Any, Callable[[Any], Any]] = {
        tuple[str, ...]: split_addresses,
        dict[str, Any]: as_mapping,
    }
    for name, field in Resolved.model_fields.items():
        parse = parsers.get(field.annotation)
        if parse is not None and isinstance(known.get(name), str):
            try:
                known[name] = parse(replace(known[name]))
            except ConfigurationError:
                raise
            except ValueError as error:
                raise ConfigurationError(f"{name}: {error}.") from None
    try:
        return Resolved.model_validate(replace(known))
    except ValidationError as error:
        raise ConfigurationError(
            describe_validation(error, known=Resolved.model_fields)
        ) from None
