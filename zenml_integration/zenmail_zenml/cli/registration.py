"""What ``zenmail register`` changes in ZenML: an alerter with its secret, flavor and stack."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from zenmail.cli.app import Failure

from .client import FLAVOR, FLAVOR_SOURCE
from .providers import Plan

if TYPE_CHECKING:
    from zenml.client import Client
    from zenml.models import ComponentResponse

__all__ = ["Registration", "find_alerter"]

_Found = TypeVar("_Found")
# What an existing alerter may have left over from another provider.
_PROVIDER_ATTRIBUTES = (
    "transport",
    "transport_options",
    "smtp_server",
    "smtp_port",
    "smtp_security",
    "smtp_username",
    "smtp_ca_file",
    "password",
)
_NEXT_LINE = " \\\n    "
_SHORT_FLAGS = {"orchestrator": "-o", "artifact_store": "-a"}


class Step(NamedTuple):
    """Something to register or to update.

    Attributes:
        command: The zenml command that does the same; "" if the one before does.
        done: What to say when it is done.
        apply: Does it.
    """

    command: str
    done: str
    apply: Callable[[], object]


class Registration:
    """What to register under which names, and what ZenML has of these names already.

    Args:
        client: ZenML's client.
        plan: What to register.
        alerter: The name of the alerter.
        old_alerter: The alerter that has this name, or None.
        secret: The name of the secret.
        stack: The name of the stack, or "" for the active one.
    """

    def __init__(
        self,
        client: Client,
        plan: Plan,
        *,
        alerter: str,
        old_alerter: ComponentResponse | None,
        secret: str,
        stack: str,
    ) -> None:
        from zenml.enums import StackComponentType

        if not stack:
            # ZenML's own default stack cannot be changed.
            active = client.active_stack_model.name
            stack = "email_stack" if active == "default" else active
        self._client, self._kind = client, StackComponentType.ALERTER
        self._alerter, self._secret, self._stack = alerter, secret, stack
        self._old_alerter = old_alerter
        self._old_secret = (
            _find(
                lambda: client.get_secret(
                    secret, allow_partial_name_match=False, allow_partial_id_match=False
                )
            )
            if plan.secret
            else None
        )
        self._old_stack = _find(lambda: client.get_stack(stack, allow_name_prefix_match=False))
        stored = self._old_secret.secret_values if self._old_secret else {}
        self._new_values = {
            key: value for key, value in plan.secret.items() if stored.get(key) != value
        }
        self._wanted = {name: value for name, value in plan.configuration.items() if value}
        # What was left empty, or is left over from another provider.
        held = old_alerter.configuration if old_alerter else {}
        considered = dict.fromkeys((*plan.configuration, *_PROVIDER_ATTRIBUTES))
        self._stale = [name for name in considered if name in held and name not in self._wanted]

    def steps(self) -> Iterator[Step]:
        """Yield what has to be done, in this order: flavor, secret, alerter and stack."""
        kind, client = self._kind, self._client
        alerter, secret, stack = self._alerter, self._secret, self._stack
        if not client.list_flavors(name=FLAVOR, type=kind).items:
            yield Step(
                f"zenml alerter flavor register {FLAVOR_SOURCE}",
                f"Registered the flavor {FLAVOR}.",
                lambda: client.create_flavor(FLAVOR_SOURCE, kind),
            )
        new = self._new_values
        keys = " ".join(f"--{key}=YOUR_{key.upper()}" for key in new)
        if new and self._old_secret:
            yield Step(
                f"zenml secret update {secret} {keys}",
                f"Updated the secret {secret}.",
                lambda: client.update_secret(secret, add_or_update_values=new),
            )
        elif new:
            yield Step(
                f"zenml secret create {secret} {keys}",
                f"Created the secret {secret}.",
                lambda: client.create_secret(secret, new),
            )
        wanted, old = self._wanted, self._old_alerter
        attributes = [f"--{key}={shlex.quote(value)}" for key, value in wanted.items()]
        if old:
            command = _NEXT_LINE.join([f"zenml alerter update {alerter}", *attributes])
            if self._stale:
                command += f"\nzenml alerter remove-attribute {alerter} {' '.join(self._stale)}"
            # ZenML removes attributes that are None.
            changed: dict[str, Any] = {**dict.fromkeys(self._stale), **wanted}
            yield Step(
                command,
                f"Updated the alerter {alerter}.",
                lambda: client.update_stack_component(old.id, kind, configuration=changed),
            )
        else:
            start = f"zenml alerter register {alerter} --flavor={FLAVOR}"
            yield Step(
                _NEXT_LINE.join([start, *attributes]),
                f"Registered the alerter {alerter}.",
                lambda: client.create_stack_component(alerter, FLAVOR, kind, wanted),
            )
        if self._old_stack:
            yield Step(
                f"zenml stack update {stack} -al {alerter}",
                f"Added it to the stack {stack}.",
                lambda: client.update_stack(stack, component_updates={kind: [alerter]}),
            )
        else:
            parts = {
                part: found[0].name
                for part, found in client.active_stack_model.components.items()
                if found and part != kind
            }
            flags = " ".join(
                f"{_SHORT_FLAGS.get(str(part), f'--{part}')} {name}"
                for part, name in parts.items()
            )
            yield Step(
                f"zenml stack register {stack} {flags} -al {alerter} --set",
                f"Registered the stack {stack}.",
                lambda: client.create_stack(stack, {**parts, kind: alerter}),
            )
        yield Step(
            f"zenml stack set {stack}" if self._old_stack else "",
            f"Activated the stack {stack}.",
            lambda: client.activate_stack(stack),
        )

    def replaced(self) -> Iterator[str]:
        """Yield a sentence about each thing that would be overwritten or replaced."""
        if self._old_secret and self._new_values:
            keys = ", ".join(self._new_values)
            yield f"The secret {self._secret} exists: {keys} will be overwritten."
        if self._old_alerter:
            yield f"The alerter {self._alerter} exists and will be updated."
        parts = self._old_stack.components if self._old_stack else {}
        for component in parts.get(self._kind, ()):
            if component.name != self._alerter:
                yield (
                    f"The stack {self._stack} has the alerter {component.name}, which "
                    f"{self._alerter} will replace."
                )


def find_alerter(client: Client, name: str) -> ComponentResponse | None:
    """Return the alerter of this name, or None.

    Raises:
        Failure: The name is taken by an alerter of another flavor.
    """
    from zenml.enums import StackComponentType

    found = _find(
        lambda: client.get_stack_component(
            StackComponentType.ALERTER, name, allow_name_prefix_match=False
        )
    )
    if found is not None and found.flavor_name != FLAVOR:
        raise Failure(
            f"The alerter {name!r} already exists, with the flavor {found.flavor_name!r}.",
            remedy="Choose another name: zenmail register NAME",
            exit_code=2,
        )
    return found


def _find(get: Callable[[], _Found]) -> _Found | None:
    try:
        return get()
    except KeyError:
        return None
