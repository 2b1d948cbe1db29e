"""zenmail: a ZenML pipeline's alerts by e-mail.

An `Alert` says what happened; `compose` makes an `Email` of it; a `Mailer` sends that
through a transport and hands back a `Receipt`.

The names are imported when they are first used: a process pays for what it needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .address import Mailbox
    from .addressing import Addressing
    from .alert import Alert, Image, Severity, StepSummary
    from .attachment import Attachment
    from .composing.compose import compose
    from .deadline import Deadline
    from .delivery.mailer import Mailer
    from .delivery.redirect import Redirect
    from .email import Email, Envelope
    from .errors import (
        AddressError,
        AmbiguousTransport,
        BrokenTransport,
        ConfigurationError,
        DeadlineExceeded,
        DeliveryError,
        MailTooLarge,
        MissingExtra,
        OptionsError,
        PermanentFailure,
        TemplateError,
        TemporaryFailure,
        UnknownOutcome,
        UnknownTransport,
        ZenmailError,
    )
    from .hookspecs import hookimpl
    from .plugins import InstalledPlugin, PluginHost
    from .receipt import Outcome, Receipt
    from .retry import DeliveryPolicy, Retry
    from .tokens import AccessToken, TokenRequest
    from .transport import (
        Check,
        FetchToken,
        SendRequest,
        Transport,
        TransportOptions,
        VerifyRequest,
    )

__all__ = [
    "AccessToken",
    "AddressError",
    "Addressing",
    "Alert",
    "AmbiguousTransport",
    "Attachment",
    "BrokenTransport",
    "Check",
    "ConfigurationError",
    "Deadline",
    "DeadlineExceeded",
    "DeliveryError",
    "DeliveryPolicy",
    "Email",
    "Envelope",
    "FetchToken",
    "Image",
    "InstalledPlugin",
    "MailTooLarge",
    "Mailbox",
    "Mailer",
    "MissingExtra",
    "OptionsError",
    "Outcome",
    "PermanentFailure",
    "PluginHost",
    "Receipt",
    "Redirect",
    "Retry",
    "SendRequest",
    "Severity",
    "StepSummary",
    "TemplateError",
    "TemporaryFailure",
    "TokenRequest",
    "Transport",
    "TransportOptions",
    "UnknownOutcome",
    "UnknownTransport",
    "VerifyRequest",
    "ZenmailError",
    "compose",
    "hookimpl",
]

_HOMES = {
    "AccessToken": "tokens",
    "AddressError": "errors",
    "Addressing": "addressing",
    "Alert": "alert",
    "AmbiguousTransport": "errors",
    "Attachment": "attachment",
    "BrokenTransport": "errors",
    "Check": "transport",
    "ConfigurationError": "errors",
    "Deadline": "deadline",
    "DeadlineExceeded": "errors",
    "DeliveryError": "errors",
    "DeliveryPolicy": "retry",
    "Email": "email",
    "Envelope": "email",
    "FetchToken": "transport",
    "Image": "alert",
    "InstalledPlugin": "plugins",
    "MailTooLarge": "errors",
    "Mailbox": "address",
    "Mailer": "delivery.mailer",
    "MissingExtra": "errors",
    "OptionsError": "errors",
    "Outcome": "receipt",
    "PermanentFailure": "errors",
    "PluginHost": "plugins",
    "Receipt": "receipt",
    "Redirect": "delivery.redirect",
    "Retry": "retry",
    "SendRequest": "transport",
    "Severity": "alert",
    "StepSummary": "alert",
    "TemplateError": "errors",
    "TemporaryFailure": "errors",
    "TokenRequest": "tokens",
    "Transport": "transport",
    "TransportOptions": "transport",
    "UnknownOutcome": "errors",
    "UnknownTransport": "errors",
    "VerifyRequest": "transport",
    "ZenmailError": "errors",
    "compose": "composing.compose",
    "hookimpl": "hookspecs",
}

# To a type checker, any name at all would be one of a module with this function.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        with import_module(".runtime.forks", __name__).no_fork():
            value = getattr(import_module(f".{home}", __name__), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
