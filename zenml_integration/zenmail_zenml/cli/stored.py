"""ZenML's alerters, for ``zenmail doctor``, ``send`` and ``outbox``."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from zenmail.check import Check
from zenmail.clean import clean_line
from zenmail.cli.app import Failure
from zenmail.cli.stored import StoredAlerter
from zenmail.errors import ConfigurationError

from .client import FLAVOR, misplaced, open_client

if TYPE_CHECKING:
    from zenml.models import ComponentResponse

    from zenmail import Mailer

    from ..settings import Resolved

__all__ = ["assemble", "names", "read"]

# ZenML returns twenty at a time unless asked for more.
_MAX_LISTED = 500


def read(name: str | None) -> StoredAlerter:
    """Read an alerter; its checks tell what is wrong with it.

    Args:
        name: Its name or the start of its ID; None for the active stack's alerter.

    Raises:
        Failure: The alerter does not exist, or has another flavor.
    """
    started = time.perf_counter()
    component = _find(name)
    checks = [
        Check(
            "alerter", "passed", f"{component.name} is registered.", "", _seconds_since(started)
        )
    ]
    if warning := misplaced():
        checks.append(Check("packages", "warning", warning))
    values: dict[str, Any] = dict(component.configuration)
    return assemble(component.name, values, checks, connect=partial(_connect, component))


def names() -> list[str]:
    """Return the names of all alerters of the flavor, in alphabetical order."""
    client = open_client()
    from zenml.enums import StackComponentType

    page = client.list_stack_components(
        type=StackComponentType.ALERTER, flavor=FLAVOR, size=_MAX_LISTED
    )
    return sorted(item.name for item in page.items)


def assemble(
    name: str,
    values: Mapping[str, Any],
    checks: Sequence[Check] = (),
    *,
    secrets: Mapping[str, Mapping[str, str]] | None = None,
    connect: Callable[[Resolved], Any] = lambda _: None,
) -> StoredAlerter:
    """Return an alerter of this configuration, with its secrets read.

    Args:
        name: Its name.
        values: Its configuration, with secret references.
        checks: What was found before.
        secrets: Values by key of secrets that are not stored yet, by name.
        connect: Returns the session of its service connector.
    """
    from ..mailers import ledger_location, make_mailer
    from ..settings import Secrets, references_in, resolve

    def stopped(*more: Check) -> StoredAlerter:
        transport = str(values.get("transport") or "smtp")
        return StoredAlerter(
            name, transport=transport, checks=(*checks, *more), commands=commands
        )

    commands = partial(_commands, name, values)
    started = time.perf_counter()
    reader, references = Secrets(known=secrets), {*references_in(values)}
    try:
        for reference in references:
            reader.value(reference)
    except ConfigurationError as error:
        return stopped(Check.failed("secret", error, seconds=_seconds_since(started)))
    place = "Read from ZenML's store." if secrets is None else "As given to this command."
    detail = place if references else "None needed."
    secret = Check("secret", "passed", detail, "", _seconds_since(started))
    started = time.perf_counter()
    try:
        settings = resolve(values, replace=reader.resolve)
        session = connect(settings) if settings.transport == "ses" else None
        fallbacks = tuple(name for name, _ in settings.fallbacks())
    except ConfigurationError as error:
        seconds = _seconds_since(started)
        return stopped(secret, Check.failed("configuration", error, seconds=seconds))

    def open_mailer(*, ledger: str = "", dry_run: bool = False) -> Mailer:
        # A command waits for the outcome.
        changes: dict[str, Any] = {"dry_run": dry_run or settings.dry_run, "delivery": "now"}
        if ledger:
            changes["ledger"] = SecretStr(ledger)
        return make_mailer(settings.model_copy(update=changes), session, alerter=name)

    return StoredAlerter(
        name,
        transport=settings.transport,
        open=open_mailer,
        sender=settings.sender,
        to=settings.recipients,
        fallbacks=fallbacks,
        ledger=ledger_location(settings),
        checks=(*checks, secret),
        commands=commands,
    )


def _commands(name: str, values: Mapping[str, Any], change: Mapping[str, str]) -> list[str]:
    """Return the zenml commands that set these options of an alerter's transport."""
    from zenml.utils.secret_utils import is_secret_reference, parse_secret_reference

    from ..settings import SMTP_OPTIONS

    settings = {option: setting for setting, option in SMTP_OPTIONS.items()}
    if not change.keys() <= settings.keys():
        return []
    attributes, commands = [], []
    for option, value in change.items():
        held = values.get(settings[option])
        if held is not None and is_secret_reference(held):
            secret, key = parse_secret_reference(held)
            commands.append(f"zenml secret update {secret} --{key}={shlex.quote(value)}")
        else:
            attributes.append(f"--{settings[option]}={shlex.quote(value)}")
    if attributes:
        commands.append(f"zenml alerter update {name} {' '.join(attributes)}")
    return commands


def _connect(component: ComponentResponse, settings: Resolved) -> Any:
    """Return the service connector's boto3 session, for the transport ses.

    Raises:
        ConfigurationError: The connector cannot be used.
    """
    from zenml.stack import StackComponent

    alerter: Any = StackComponent.from_model(component)
    try:
        return alerter.session(settings)
    except Exception as error:
        raise ConfigurationError(
            f"The service connector cannot be used: {clean_line(str(error), limit=500)}",
            remedy="Check it: zenml service-connector verify NAME",
        ) from error


def _find(name: str | None) -> ComponentResponse:
    client = open_client()
    from zenml.enums import StackComponentType

    try:
        component = client.get_stack_component(StackComponentType.ALERTER, name)
    except KeyError:
        known = ", ".join(names())
        remedy = f"Registered alerters: {known}." if known else "Create one: zenmail register"
        missing = f"There is no alerter {name!r} in ZenML."
        if name is None:
            missing = f"The active stack {client.active_stack_model.name!r} has no alerter."
            remedy = "Give the name of one, or create one: zenmail register"
        raise Failure(missing, remedy=remedy, exit_code=2) from None
    if component.flavor_name != FLAVOR:
        raise Failure(
            f"The alerter {component.name!r} has the flavor {component.flavor_name!r}.",
            remedy=f"zenmail works with alerters of the flavor {FLAVOR!r}.",
            exit_code=2,
        )
    return component


def _seconds_since(started: float) -> float:
    return time.perf_counter() - started
