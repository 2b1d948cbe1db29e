"""Everything zenmail raises.

```
ZenmailError
├── ConfigurationError (ValueError)      the set-up is wrong; no mail was sent
│   ├── AddressError                     a mail address is invalid
│   ├── OptionsError                     a transport rejects its options
│   ├── UnknownTransport                 no installed distribution offers the name
│   ├── AmbiguousTransport               two distributions offer the name
│   ├── BrokenTransport                  the plugin does not load or breaks its contract
│   ├── MissingExtra (ImportError)       an optional dependency is missing
│   └── TemplateError                    a custom template does not render
├── LedgerError                          the ledger cannot be used
└── DeliveryError                        the mail was not, or may not have been, delivered
    ├── TemporaryFailure                 temporary; the host retries
    │   └── DeadlineExceeded             the deadline passed
    ├── PermanentFailure                 permanent; a retry would fail again
    │   └── MailTooLarge                 the mail exceeds the server's size limit
    └── UnknownOutcome                   the server never confirmed the mail
```

Each carries a stable ``code`` for programs, the ``transport`` it came from, and
a ``remedy``: what the reader should do next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

__all__ = [
    "AddressError",
    "AmbiguousTransport",
    "BrokenTransport",
    "ConfigurationError",
    "DeadlineExceeded",
    "DeliveryError",
    "LedgerError",
    "MailTooLarge",
    "MissingExtra",
    "OptionsError",
    "PermanentFailure",
    "TemplateError",
    "TemporaryFailure",
    "UnknownOutcome",
    "UnknownTransport",
    "ZenmailError",
]


class ZenmailError(Exception):
    """Root of zenmail's errors.

    Args:
        message: What happened, in a sentence that holds no secret.
        code: Stable machine-readable code; each class has its own default.
        transport: Name of the transport that was involved, or "".
        remedy: What the reader should do next, or "" for the class's default.
        change: The transport's options to set, by name, and the value or a placeholder for it.
    """

    default_code: ClassVar[str] = "error"
    default_remedy: ClassVar[str] = ""

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        transport: str = "",
        remedy: str = "",
        change: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.transport = transport
        self.remedy = remedy or self.default_remedy
        self.change = dict(change or {})

    def __reduce__(self) -> tuple[object, ...]:
        """Keep every attribute when the error crosses a process boundary."""
        return (type(self), (self.message,), self.__dict__.copy())

    def __str__(self) -> str:
        origin = f"{self.transport}: " if self.transport else ""
        remedy = f" {self.remedy}" if self.remedy else ""
        return f"{origin}{self.message}{remedy}"


class ConfigurationError(ZenmailError, ValueError):
    """The set-up is wrong. No mail was sent."""

    default_code = "configuration"


class AddressError(ConfigurationError):
    """A mail address is invalid."""

    default_code = "address"
    default_remedy = "Write it as name@example.com or 'Name <name@example.com>'."


class OptionsError(ConfigurationError):
    """A transport rejects its options."""

    default_code = "options"


class UnknownTransport(ConfigurationError):
    """No installed distribution offers a transport of this name."""

    default_code = "transport-unknown"


class AmbiguousTransport(ConfigurationError):
    """Two installed distributions offer a transport of this name."""

    default_code = "transport-ambiguous"


class BrokenTransport(ConfigurationError):
    """A transport plugin does not load, or breaks its contract."""

    default_code = "transport-broken"


class MissingExtra(ConfigurationError, ImportError):
    """A needed optional dependency is not installed."""

    default_code = "extra-missing"


class TemplateError(ConfigurationError):
    """A custom template does not load or render."""

    default_code = "template"


class LedgerError(ZenmailError):
    """The ledger's database is down, full, locked or read-only."""

    default_code = "ledger"


class DeliveryError(ZenmailError):
    """The mail was not delivered, or may not have been.

    Attributes:
        receipt: The `Receipt` whose ``raise_for_outcome`` raised it, or None.
    """

    default_code = "delivery"
    receipt: Any = None  # a Receipt, whose module imports this one


class TemporaryFailure(DeliveryError):
    """A temporary failure; the host retries.

    Attributes:
        retry_after: Seconds that the server wants to be left alone for, or 0.
    """

    default_code = "temporary"
    retry_after: float = 0.0


class DeadlineExceeded(TemporaryFailure):
    """The deadline passed before the mail was sent."""

    default_code = "deadline"


class PermanentFailure(DeliveryError):
    """A permanent failure: a retry would fail again."""

    default_code = "permanent"


class MailTooLarge(PermanentFailure):
    """The mail exceeds the server's size limit.

    Attributes:
        limit: The server's limit in bytes, or 0 if it did not announce one.
    """

    default_code = "too-large"
    limit: int = 0


class UnknownOutcome(DeliveryError):
    """The mail was sent, but the server never confirmed it.

    It may have arrived, so sending it again may deliver a second copy.
    """

    default_code = "unknown"
