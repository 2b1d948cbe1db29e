"""The names of a package that are imported when they are first used.

Its stub is their one list: type checkers read it, and so does what is in here.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module

from .forks import defer_forks

__all__ = ["exported", "load"]


def exported(package: str) -> list[str]:
    """Return the names that the package's stub imports from its modules."""
    return sorted(_homes(package))


def load(package: str, name: str) -> object:
    """Return the value of a name in a package, and put it there.

    Raises:
        AttributeError: The package's stub imports no such name.
    """
    homes = _homes(package)
    if name == "__all__":
        value: object = sorted(homes)
    elif name in homes:
        with defer_forks():
            value = getattr(import_module(homes[name], package), name)
    else:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    setattr(sys.modules[package], name, value)
    return value


@cache
def _homes(package: str) -> dict[str, str]:
    spec = sys.modules[package].__spec__
    path = f"{sys.modules[package].__path__[0]}/__init__.pyi"
    # The loader, for a package may lie in an archive.
    stub = spec.loader.get_data(path).decode()  # type: ignore[union-attr]
    # Each of them is a line: from .module import Name as Name
    lines = map(str.split, stub.splitlines())
    return {words[3]: words[1] for words in lines if words[:1] == ["from"] and words[4:]}
