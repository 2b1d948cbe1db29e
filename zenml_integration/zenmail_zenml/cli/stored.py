"""Reads an alerter from ZenML for ``zenmail doctor``, ``send`` and ``outbox``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from zenmail.cli.app import Failure
from zenmail.cli.stored import StoredAlerter
from zenmail.errors import ConfigurationError
from zenmail.transport import Check

from .client import FLAVOR, open_client

if TYPE_CHECKING:
    from zenml.models import ComponentResponse

    from zenmail import Mailer

    from ..settings import Resolved

__all__ = ["read"]

# ZenML returns twenty at a time unless asked for more.
_MAX_LISTED = 500


def read(name: str | None) -> StoredAlerter:
    """Read an alerter; its checks say if something is wrong with it.

    Args:
        name: Its name or the start of its ID; None for the active stack's alerter.

    Raises:
        Failure: The alerter does not exist, or has another flavor.
    """
    started = time.perf_counter()
    component = _find(name)
    from ..mailers import ledger_location, make_mailer
    from ..settings import SecretReader, resolve

    values: dict[str, Any] = dict(component.configuration)
    found = Check(
        "alerter", "passed", f"{component.name} is registered.", "", _seconds_since(started)
    )
    started = time.perf_counter()
    reader = SecretReader()
    try:
        resolved = reader.resolve(values)
    except ConfigurationError as error:
        secret = Check(
            "secret", "failed", error.message, error.remedy, _seconds_since(started), error.code
        )
        return StoredAlerter(
            component.name, transport=_transport(values), checks=(found, secret)
        )
    detail = "Read from ZenML's store." if resolved != values else "None needed."
    secret = Check("secret", "passed", detail, "", _seconds_since(started))
    started = time.perf_counter()
    try:
        settings = resolve(resolved, replace=lambda value: value)
        session = _session(component, settings)
        fallbacks = tuple(name for name, _ in settings.fallbacks())
    except ConfigurationError as error:
        wrong = Check(
            "configuration",
            "failed",
            error.message,
            error.remedy,
            _seconds_since(started),
            error.code,
        )
        checks = (found, secret, wrong)
        return StoredAlerter(component.name, transport=_transport(values), checks=checks)

    def open_mailer(*, ledger: str = "", dry_run: bool = False) -> Mailer:
        changes: dict[str, Any] = {"dry_run": dry_run or settings.dry_run}
        if ledger:
            changes["ledger"] = SecretStr(ledger)
        return make_mailer(settings.model_copy(update=changes), session, alerter=component.name)

    return StoredAlerter(
        component.name,
        transport=settings.transport,
        open=open_mailer,
        sender=settings.sender,
        to=settings.recipients,
        fallbacks=fallbacks,
        ledger=ledger_location(settings),
        checks=(found, secret),
    )


def _session(component: ComponentResponse, settings: Resolved) -> Any:
    """Return the service connector's boto3 session, for the transport ses."""
    if settings.transport != "ses" or component.connector is None:
        return None
    from zenml.stack import StackComponent

    connector = StackComponent.from_model(component).get_connector()
    return None if connector is None else connector.connect()


def _find(name: str | None) -> ComponentResponse:
    client = open_client()
    from zenml.enums import StackComponentType

    kind = StackComponentType.ALERTER
    if name is None:
        stack = client.active_stack_model
        components = stack.components.get(kind)
        if not components:
            raise Failure(
                f"The active stack {stack.name!r} has no alerter.",
                remedy="Name one, or create one: zenmail register",
                exit_code=2,
            )
        component = components[0]
    else:
        try:
            component = client.get_stack_component(kind, name)
        except KeyError:
            page = client.list_stack_components(type=kind, size=_MAX_LISTED)
            known = [item.name for item in page.items]
            raise Failure(
                f"There is no alerter {name!r} in ZenML.",
                remedy=f"Registered alerters: {', '.join(known)}."
                if known
                else "Create one: zenmail register",
                exit_code=2,
            ) from None
    if component.flavor_name != FLAVOR:
        raise Failure(
            f"The alerter {component.name!r} has the flavor {component.flavor_name!r}.",
            remedy=f"zenmail works with alerters of the flavor {FLAVOR!r}.",
            exit_code=2,
        )
    return component


def _transport(values: dict[str, Any]) -> str:
    return str(values.get("transport") or "smtp")


def _seconds_since(started: float) -> float:
    return time.perf_counter() - started
