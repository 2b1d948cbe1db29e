"""What a step's image needs to send mails."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution

from zenmail.errors import ConfigurationError
from zenmail.plugins import TOKEN_SOURCES, PluginHost

__all__ = ["requirements_for"]

_EXTRAS = {"ses": "ses", "graph": "oauth"}


def requirements_for(transports: Iterable[str], token_sources: Iterable[str] = ()) -> set[str]:
    """Return PEP 508 requirements, pinned to the versions installed here.

    Args:
        transports: Names of the selected transports.
        token_sources: Names of the token sources that they log in with.
    """
    host = PluginHost()
    extras: set[str] = set()
    owners: set[str] = set()
    wanted = [(name, "zenmail.transports") for name in transports]
    wanted += [(name, TOKEN_SOURCES) for name in token_sources]
    for name, group in wanted:
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


def _pinned(name: str, extras: str = "") -> str:
    try:
        version = distribution(name).version
    except PackageNotFoundError:
        return f"{name}{extras}"
    # No index has a local version (1.0+abc).
    return f"{name}{extras}=={version.partition('+')[0]}"
