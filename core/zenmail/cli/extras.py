"""The packages of an extra that are not installed."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution

__all__ = ["missing_packages"]


def missing_packages(name: str, extra: str) -> list[str]:
    """Return the packages of an extra that are not installed.

    Args:
        name: An installed distribution.
        extra: One of its extras; an unknown one has no packages.
    """
    missing = []
    for requirement in distribution(name).requires or ():
        wanted, _, marker = requirement.partition(";")
        if re.search(rf"""extra\s*==\s*["']{re.escape(extra)}["']""", marker):
            package = re.split(r"[^\w.-]", wanted.strip(), maxsplit=1)[0]
            try:
                distribution(package)
            except PackageNotFoundError:
                missing.append(package)
    return missing
