"""What ``zenmail register`` changes in ZenML: an alerter with its secret, flavor and stack."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from zenmail.cli.app import Failure

from .client import FLAVOR, FLAVOR_SOURCE
from .providers import Plan

if TYPE_CHECKING:
    from zenml.client import Client
    from zenml.models import ComponentResponse, SecretResponse, StackResponse

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
_SHORT_FLAGS = {"orchestrator": "-o", "artifact_store": "-a"}


@dataclass(frozen=True)
class Registration:
    """A plan, the names to register it under, and what ZenML has of these names already."""

    client: Client
    plan: Plan
    alerter: str
    secret: str
    stack: str
    has_flavor: bool
    old_alerter: ComponentResponse | None
    old_secret: SecretResponse | None
    old_stack: StackResponse | None

    @classmethod
    def prepare(
        cls,
        client: Client,
        plan: Plan,
        *,
        alerter: str,
        old_alerter: ComponentResponse | None,
        secret: str,
        stack: str,
    ) -> Registration:
        """Look up what exists; an empty stack stands for the active one."""
        from zenml.enums import StackComponentType

        if not stack:
            # ZenML's own default stack cannot be changed.
            active = client.active_stack_model.name
            stack = "email_stack" if active == "default" else active
        flavors = client.list_flavors(name=FLAVOR, type=StackComponentType.ALERTER)
        return cls(
            client,
            plan,
            alerter,
            secret,
            stack,
            has_flavor=bool(flavors.items),
            old_alerter=old_alerter,
            old_secret=_find(
                lambda: client.get_secret(
                    secret, allow_partial_name_match=False, allow_partial_id_match=False
                )
            )
            if plan.secret
            else None,
            old_stack=_find(lambda: client.get_stack(stack, allow_name_prefix_match=False)),
        )

    @property
    def _new_values(self) -> dict[str, str]:
        """The secret's values that differ from those stored."""
        held = self.old_secret.secret_values if self.old_secret else {}
        return {key: value for key, value in self.plan.secret.items() if held.get(key) != value}

    @property
    def _wanted(self) -> dict[str, str]:
        """The attributes to set."""
        return {name: value for name, value in self.plan.configuration.items() if value}

    @property
    def _stale(self) -> list[str]:
        """The attributes to remove: those left empty, or left over from another provider."""
        held = self.old_alerter.configuration if self.old_alerter else {}
        considered = dict.fromkeys((*self.plan.configuration, *_PROVIDER_ATTRIBUTES))
        return [name for name in considered if name in held and name not in self._wanted]

    def commands(self) -> Iterator[str]:
        """Yield the equivalent zenml commands."""
        if not self.has_flavor:
            yield f"zenml alerter flavor register {FLAVOR_SOURCE}"
        if self._new_values:
            verb = "update" if self.old_secret else "create"
            values = " ".join(f"--{key}=YOUR_{key.upper()}" for key in self._new_values)
            yield f"zenml secret {verb} {self.secret} {values}"
        start = (
            f"zenml alerter update {self.alerter}"
            if self.old_alerter
            else f"zenml alerter register {self.alerter} --flavor={FLAVOR}"
        )
        attributes = (f"--{key}={shlex.quote(value)}" for key, value in self._wanted.items())
        yield " \\\n    ".join([start, *attributes])
        if self._stale:
            yield f"zenml alerter remove-attribute {self.alerter} {' '.join(self._stale)}"
        if self.old_stack:
            yield f"zenml stack update {self.stack} -al {self.alerter}"
            yield f"zenml stack set {self.stack}"
        else:
            flags = " ".join(
                f"{_SHORT_FLAGS.get(str(kind), f'--{kind}')} {components[0].name}"
                for kind, components in self.client.active_stack_model.components.items()
                if components and kind != "alerter"
            )
            yield f"zenml stack register {self.stack} {flags} -al {self.alerter} --set"

    def replaced(self) -> Iterator[str]:
        """Yield a sentence about each thing that would be overwritten or replaced."""
        from zenml.enums import StackComponentType

        if self.old_secret and self._new_values:
            keys = ", ".join(self._new_values)
            yield f"The secret {self.secret} exists: {keys} will be overwritten."
        if self.old_alerter:
            yield f"The alerter {self.alerter} exists and will be updated."
        parts = self.old_stack.components if self.old_stack else {}
        for component in parts.get(StackComponentType.ALERTER, ()):
            if component.name != self.alerter:
                yield (
                    f"The stack {self.stack} has the alerter {component.name}, which "
                    f"{self.alerter} will replace."
                )

    def apply(self) -> Iterator[str]:
        """Create or update flavor, secret, alerter and stack; yield a line about each."""
        from zenml.enums import StackComponentType

        kind, client, plan = StackComponentType.ALERTER, self.client, self.plan
        if not self.has_flavor:
            client.create_flavor(FLAVOR_SOURCE, kind)
            yield f"Registered the flavor {FLAVOR}."
        if self.old_secret and self._new_values:
            client.update_secret(self.secret, add_or_update_values=self._new_values)
            yield f"Updated the secret {self.secret}."
        elif self._new_values:
            client.create_secret(self.secret, plan.secret)
            yield f"Created the secret {self.secret}."
        if self.old_alerter:
            # ZenML removes attributes that are None.
            changed: dict[str, Any] = {**dict.fromkeys(self._stale), **self._wanted}
            alerter = client.update_stack_component(
                self.old_alerter.id, kind, configuration=changed
            )
            yield f"Updated the alerter {self.alerter}."
        else:
            alerter = client.create_stack_component(self.alerter, FLAVOR, kind, self._wanted)
            yield f"Registered the alerter {self.alerter}."
        if self.old_stack:
            client.update_stack(self.stack, component_updates={kind: [alerter.id]})
            yield f"Added it to the stack {self.stack}."
        else:
            components = {
                part: found[0].id
                for part, found in client.active_stack_model.components.items()
                if found and part != kind
            }
            client.create_stack(self.stack, {**components, kind: alerter.id})
            yield f"Registered the stack {self.stack}."
        client.activate_stack(self.stack)
        yield f"Activated the stack {self.stack}."


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
