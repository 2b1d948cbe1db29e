"""The texts of ZenML's stock alerter hooks, read back into what they say."""

from __future__ import annotations

from typing import Any

__all__ = ["recognise"]


def recognise(text: str) -> dict[str, Any] | None:
    """Return the fields of an `Alert` for a stock hook's text, or None for any other."""
    return None
