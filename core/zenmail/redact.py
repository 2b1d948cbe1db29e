"""Secrets taken out of an alert before anybody renders it."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["MASK", "scrub"]

MASK = "[redacted]"
_SHORTEST = 4


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Return the text with each of the secrets replaced by `MASK`."""
    for secret in secrets:
        if len(secret) >= _SHORTEST and secret in text:
            text = text.replace(secret, MASK)
    return text
