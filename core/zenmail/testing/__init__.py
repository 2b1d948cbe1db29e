"""Help for testing alerts and transports.

`CapturedMail` is behind the pytest fixture ``captured_mail``; `TransportConformance` tests
a transport of one's own; `SMTPServer` is a server with faults by script.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .captured_mail import CapturedMail, SentMail
    from .conformance import Arrived, TransportConformance
    from .smtp_server import SMTPServer

__all__ = ["Arrived", "CapturedMail", "SMTPServer", "SentMail", "TransportConformance"]

_HOMES = {
    "Arrived": "conformance",
    "CapturedMail": "captured_mail",
    "SMTPServer": "smtp_server",
    "SentMail": "captured_mail",
    "TransportConformance": "conformance",
}


def __getattr__(name: str) -> Any:
    # Late: pytest imports this package in every project that zenmail is installed beside,
    # and the conformance suite needs pytest, which whoever sends mail need not have.
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
