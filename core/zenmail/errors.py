"""Everything zenmail raises.

```
ZenmailError
├── ConfigurationError (ValueError)      the set-up is wrong; nothing was sent
│   ├── AddressError                     an address that cannot travel
│   ├── OptionsError                     a transport refuses its options
│   ├── UnknownTransport                 no installed distribution offers the name
│   ├── AmbiguousTransport               two distributions offer the name
│   ├── BrokenTransport                  the plugin does not load or breaks the contract
│   ├── MissingExtra (ImportError)       an optional dependency is not installed
│   └── TemplateError                    a template of the user's does not render
├── LedgerError                          the ledger cannot be used
└── DeliveryError                        the mail did not, or may not have, arrived
    ├── TemporaryFailure                 worth another try
    │   └── DeadlineExceeded             the time given was used up
    ├── PermanentFailure                 another try would end the same way
    │   └── MailTooLarge                 the server takes no mail of this size
    └── UnknownOutcome                   the answer was lost after the mail was sent
```

Each carries a stable ``code`` for programs, the ``transport`` it came from, and
a ``remedy``: what the reader should do next.
"""

from __future__ import annotations

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
        remedy: What the reader should do next, or "".
    """

    default_code: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        transport: str = "",
        remedy: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.transport = transport
        self.remedy = remedy

    def __reduce__(self) -> tuple[object, ...]:
        """Keep every attribute when the error crosses a process boundary."""
        return (type(self), (self.message,), self.__dict__.copy())

    def __str__(self) -> str:
        origin = f"{self.transport}: " if self.transport else ""
        remedy = f" {self.remedy}" if self.remedy else ""
        return f"{origin}{self.message}{remedy}"


class ConfigurationError(ZenmailError, ValueError):
    """The set-up is wrong; nothing was sent and nothing was changed."""

    default_code = "configuration"


class AddressError(ConfigurationError):
    """An address that cannot be put on the wire."""

    default_code = "address"


class OptionsError(ConfigurationError):
    """A transport refuses its options."""

    default_code = "options"


class UnknownTransport(ConfigurationError):
    """No installed distribution offers a transport of this name."""

    default_code = "transport-unknown"


class AmbiguousTransport(ConfigurationError):
    """Two installed distributions offer a transport of this name."""

    default_code = "transport-ambiguous"


class BrokenTransport(ConfigurationError):
    """A transport plugin that does not load, or does not keep the contract."""

    default_code = "transport-broken"


class MissingExtra(ConfigurationError, ImportError):
    """An optional dependency is needed and not installed."""

    default_code = "extra-missing"


class TemplateError(ConfigurationError):
    """A template of the user's does not load or render."""

    default_code = "template"


class LedgerError(ZenmailError):
    """The ledger's database is down, full, locked or read-only."""

    default_code = "ledger"


class DeliveryError(ZenmailError):
    """The mail did not arrive, or may not have.

    Attributes:
        receipt: The `Receipt` whose ``raise_for_outcome`` raised it, or None.
    """

    default_code = "delivery"
    receipt: Any = None  # a Receipt, whose module imports this one


class TemporaryFailure(DeliveryError):
    """Delivery failed in a way that may heal; the host tries again."""

    default_code = "temporary"


class DeadlineExceeded(TemporaryFailure):
    """The time given for the delivery was used up before the mail was sent."""

    default_code = "deadline"


class PermanentFailure(DeliveryError):
    """Delivery failed in a way that another try would repeat."""

    default_code = "permanent"


class MailTooLarge(PermanentFailure):
    """The mail is larger than the server takes.

    Attributes:
        limit: The most bytes that the server takes, or 0 when it did not say.
    """

    default_code = "too-large"
    limit: int = 0


class UnknownOutcome(DeliveryError):
    """The whole mail was sent, and the connection was lost before the answer.

    The mail may have arrived: sending it again may make a second copy.
    """

    default_code = "unknown"
