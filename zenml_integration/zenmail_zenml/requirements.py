"""What a step's image needs in order to send."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution

from zenmail.errors import ConfigurationError
from zenmail.plugins import TOKEN_SOURCES, PluginHost

__all__ = ["requirements_for"]

_EXTRAS = {"ses": "ses"}


def requirements_for(transports: Iterable[str], token_sources: Iterable[str] = ()) -> set[str]:
    """Return PEP 508 requirements, pinned to what is installed here.

    Args:
        transports: Names of the transports that may send.
        token_sources: Names of the token sources they log in with.
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
            # Whoever builds the image may lack it; the step then says what to install.
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
    # A local label (1.0+abc) exists on no index.
    return f"{name}{extras}=={version.partition('+')[0]}"
