"""What a step's image needs to send mails."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

from zenml.utils.secret_utils import is_secret_reference

from zenmail.address import split_addresses
from zenmail.errors import ConfigurationError
from zenmail.plugins import TOKEN_SOURCES, PluginHost

from .settings import as_mapping

__all__ = ["requirements_of"]

_EXTRAS = {"ses": "ses", "graph": "oauth"}


def requirements_of(raw: Mapping[str, Any]) -> set[str]:
    """Return PEP 508 requirements, pinned to the versions installed here.

    Args:
        raw: The alerter's configuration by name, references unresolved.
    """
    transports = [raw.get("transport", "smtp"), *split_addresses(raw.get("fallback_transport"))]
    wanted = [(name, "zenmail.transports") for name in transports]
    for options in (raw.get("transport_options"), raw.get("fallback_options")):
        wanted += [(source, TOKEN_SOURCES) for source in _token_sources(options)]
    host = PluginHost()
    extras: set[str] = set()
    owners: set[str] = set()
    for name, group in wanted:
        if is_secret_reference(name):
            continue
        try:
            owner = host.owner(name, group).distribution
        except ConfigurationError:
            # It may be missing where the image is built; the step then says what to install.
            owner = "zenmail"
        if owner.lower() != "zenmail":
            owners.add(owner)
        elif group == TOKEN_SOURCES:
            extras.add("oauth")
        elif name in _EXTRAS:
            extras.add(_EXTRAS[name])
    listed = f"[{','.join(sorted(extras))}]" if extras else ""
    return {_pinned("zenmail", listed), *(_pinned(owner) for owner in owners)}


def _token_sources(options: Any) -> list[str]:
    """Return the token sources in a transport's options, or in options by transport."""
    try:
        outer = as_mapping(options or {})
    except ValueError:  # a secret reference
        return []
    levels = [outer, *(item for item in outer.values() if isinstance(item, Mapping))]
    sources = [level.get("oauth") for level in levels]
    return [source for source in sources if isinstance(source, str) and source]


def _pinned(name: str, extras: str = "") -> str:
    try:
        version = distribution(name).version
    except PackageNotFoundError:
        return f"{name}{extras}"
    # No index has a local version (1.0+abc).
    return f"{name}{extras}=={version.partition('+')[0]}"
