"""The seam: every hook of zenmail.

A transport is a module or a class with ``transport_options`` and ``send_email``; the
host calls the one that the user selected. The others are middleware around every send.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from .alert import Alert
    from .check import Check
    from .email import Email, Envelope
    from .errors import ZenmailError
    from .receipt import Receipt
    from .tokens import AccessToken, TokenRequest
    from .transport import SendRequest, TransportOptions, VerifyRequest

    Answers = Sequence[Receipt | ZenmailError]

PROJECT_NAME = "zenmail"

hookspec: pluggy.HookspecMarker = pluggy.HookspecMarker(PROJECT_NAME)
hookimpl: pluggy.HookimplMarker = pluggy.HookimplMarker(PROJECT_NAME)


class TransportSpec:
    """What a transport implements; the first two are all it has to."""

    @hookspec(firstresult=True)
    def transport_options(self) -> type[TransportOptions]:  # type: ignore[empty-body]
        """Return the class of the transport's options."""

    @hookspec(firstresult=True)
    def send_email(self, request: SendRequest[Any]) -> Receipt:  # type: ignore[empty-body]
        """Send one mail to ``request.envelope`` before ``request.deadline``.

        Return who was accepted, refused and deferred; or raise `TemporaryFailure`,
        `PermanentFailure` or `UnknownOutcome`. Anything else counts as temporary.
        """

    @hookspec(firstresult=True)
    def send_emails(self, requests: Sequence[SendRequest[Any]]) -> Answers:  # type: ignore[empty-body]
        """Send several mails in less time than one after the other takes.

        All have the same options. Return for each, in order, what ``send_email`` would have
        returned or raised; or raise as it does, for all of them. Anything else that is
        raised leaves the outcome of all of them unknown.
        """

    @hookspec(firstresult=True)
    def verify_transport(self, request: VerifyRequest[Any]) -> Iterable[Check]:  # type: ignore[empty-body]
        """Check the set-up, phase by phase, without sending anything."""

    @hookspec
    def close_transport(self) -> None:
        """Close connections and clients."""


class MiddlewareSpec:
    """What a plugin implements to see, change or follow every alert."""

    @hookspec
    def before_render(self, alert: Alert) -> Alert | None:
        """Return another alert to render in place of this one, or None."""

    @hookspec
    def before_send(self, email: Email, envelope: Envelope) -> Email | None:
        """Return another mail to send in place of this one, or None."""

    @hookspec
    def after_send(self, receipt: Receipt, email: Email) -> None:
        """Record the outcome of a mail."""


class TokenSourceSpec:
    """What a source of OAuth 2 access tokens implements."""

    @hookspec(firstresult=True)
    def fetch_token(self, request: TokenRequest) -> AccessToken:  # type: ignore[empty-body]
        """Return an access token for ``request.options``, before ``request.deadline``."""
