"""The SMTP transport, as the host calls it."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from zenmail import Receipt, SendRequest, ZenmailError, hookimpl

from .options import SMTPOptions
from .relay import Relay

if TYPE_CHECKING:
    from zenmail import Check, VerifyRequest

__all__ = ["SMTPTransport"]


class SMTPTransport:
    """Sends over SMTP (RFC 5321); connections stay open until `close_transport`.

    Threads may share an instance; after a fork the child opens connections of its own.
    """

    def __init__(self) -> None:
        self._relays: dict[SMTPOptions, Relay] = {}
        # Runs when the instance is forgotten and at the interpreter's exit.
        self._finalizer = weakref.finalize(self, _close, self._relays)

    @hookimpl
    def transport_options(self) -> type[SMTPOptions]:
        """Return the class of the options."""
        return SMTPOptions

    @hookimpl
    def send_email(self, request: SendRequest[SMTPOptions]) -> Receipt:
        """Send one mail.

        Raises:
            OptionsError: A certificate file is unusable.
            TemporaryFailure: It was not delivered and may be later.
            PermanentFailure: It was not delivered and will not be.
            UnknownOutcome: The connection was lost after the mail and before the answer.
        """
        return self._relay(request.options).send(request)

    @hookimpl
    def send_emails(
        self, requests: Sequence[SendRequest[SMTPOptions]]
    ) -> list[Receipt | ZenmailError]:
        """Send several mails, all with the same options, over one connection."""
        return self._relay(requests[0].options).send_all(requests)

    @hookimpl
    def verify_transport(self, request: VerifyRequest[SMTPOptions]) -> Iterable[Check]:
        """Check the server phase by phase, without sending."""
        from .verify import verify

        return verify(self._relay(request.options), request)

    @hookimpl
    def close_transport(self) -> None:
        """Close the connections that are idle."""
        _close(self._relays)

    def _relay(self, options: SMTPOptions) -> Relay:
        relay = self._relays.get(options)
        return relay or self._relays.setdefault(options, Relay(options))


def _close(relays: dict[SMTPOptions, Relay]) -> None:
    for relay in list(relays.values()):
        relay.pool.close()
