"""What the check of a transport's set-up has found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .errors import ZenmailError

__all__ = ["Check"]


@dataclass(frozen=True, slots=True)
class Check:
    """One phase of a verification.

    Attributes:
        name: The phase: "dns", "tcp", "tls", "login" and the like.
        status: Whether it passed. A ``warning`` does not fail the verification; ``skipped``
            means not applicable, or not reached after an earlier failure.
        detail: What was seen, in a sentence.
        remedy: What to do when it failed, or "".
        seconds: How long it took; the host measures it.
        code: Stable code of the error when it failed, or "".
        change: The transport's options to set when it failed, by name, and the value or a
            placeholder for it.
    """

    name: str
    status: Literal["passed", "failed", "skipped", "warning"]
    detail: str = ""
    remedy: str = ""
    seconds: float = 0.0
    code: str = ""
    change: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def failed(cls, name: str, error: ZenmailError, *, seconds: float = 0.0) -> Check:
        """Return the phase that an error ended."""
        return cls(
            name, "failed", error.message, error.remedy, seconds, error.code, error.change
        )
