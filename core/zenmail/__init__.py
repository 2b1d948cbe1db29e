"""zenmail: a ZenML pipeline's alerts by e-mail.

An `Alert` says what happened; `compose` makes an `Email` of it; a `Mailer` sends that
through a transport and hands back a `Receipt`.
"""

from __future__ import annotations

from .address import Mailbox
from .alert import Alert, Image, Severity, StepSummary
from .compose import compose
from .deadline import Deadline
from .email import Attachment, Email, Envelope
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
from .mailer import DeliveryPolicy, Mailer
from .plugins import InstalledPlugin, PluginHost, Transport
from .receipt import Outcome, Receipt
from .tokens import AccessToken, TokenRequest
from .transport import Check, FetchToken, SendRequest, TransportOptions, VerifyRequest

__all__ = [
    "AccessToken",
    "AddressError",
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
