"""Mails handed to Microsoft Graph."""

from __future__ import annotations

import base64
import importlib.util
from collections.abc import Iterable

from zenmail import (
    Check,
    DeliveryError,
    MailTooLarge,
    MissingExtra,
    PermanentFailure,
    Receipt,
    SendRequest,
    TemporaryFailure,
    VerifyRequest,
    hookimpl,
)

from ..tally import Tally
from .client import Client
from .errors import InvalidRecipients
from .message import addressed, shows_everybody
from .options import GraphOptions
from .verify import verify

__all__ = ["GraphTransport"]

# A request has 4 MB at most, and base64 makes four bytes of three:
# https://github.com/microsoftgraph/microsoft-graph-docs/issues/13979
_BYTES = 3 * 1024 * 1024
# https://learn.microsoft.com/en-us/office365/servicedescriptions/
# exchange-online-service-description/exchange-online-limits
_RECIPIENTS = 500
_NARROWED = (
    "The headers name only the mail's actual recipients, because Microsoft Graph delivers to "
    "everybody they name."
)


class GraphTransport:
    """Microsoft Graph; keeps connections and tokens until it is closed."""

    def __init__(self) -> None:
        self._clients: dict[int, Client] = {}

    @hookimpl
    def transport_options(self) -> type[GraphOptions]:
        """Return the class of the options.

        Raises:
            MissingExtra: requests is not installed.
        """
        # Looked for, not imported: that takes a while, and may never be needed.
        if importlib.util.find_spec("requests") is None:
            raise MissingExtra(
                "Microsoft Graph needs requests, which is not installed.",
                transport="graph",
                remedy='Install it: pip install "zenmail[oauth]"',
            )
        return GraphOptions

    @hookimpl
    def send_email(self, request: SendRequest[GraphOptions]) -> Receipt:
        """Send the mail; in several parts if Graph finds a recipient that is not valid.

        Raises:
            PermanentFailure: Graph refuses the mail.
            TemporaryFailure: Graph cannot be reached, or throttles.
            UnknownOutcome: The answer was lost.
        """
        client, envelope, tally = self._client(request.options), request.envelope, Tally()
        able = tally.ascii_only(envelope.recipients, "Microsoft Graph")
        parts = [able[at : at + _RECIPIENTS] for at in range(0, len(able), _RECIPIENTS)]
        while parts:
            part = parts.pop(0)
            try:
                self._send_part(client, request, part)
            except InvalidRecipients as error:
                # Nobody has the mail: Graph says that one is not valid, and not which.
                if len(part) == 1:
                    tally.fail(error, part)
                else:
                    middle = len(part) // 2
                    parts[:0] = [part[:middle], part[middle:]]
            except DeliveryError as error:
                rest = [address for later in parts for address in later]
                known = isinstance(error, PermanentFailure | TemporaryFailure)
                if not tally.accepted and not tally.failure and (known or not rest):
                    raise
                tally.fail(error, part, rest)
                break
            else:
                tally.accepted += part
                if not tally.notes and not shows_everybody(request.email, part):
                    tally.notes.append(_NARROWED)
        return tally.receipt("Microsoft Graph accepted the mail.")

    def _send_part(
        self, client: Client, request: SendRequest[GraphOptions], part: list[str]
    ) -> None:
        content = addressed(request.email, part)
        if len(content) > _BYTES:
            failure = MailTooLarge(
                f"The mail has {len(content)} bytes; Microsoft Graph accepts at most {_BYTES}.",
                remedy="Send smaller attachments, or links to them.",
            )
            # Less what the Bcc adds.
            failure.limit = _BYTES - max(0, len(content) - request.email.size())
            raise failure
        mailbox = request.options.mailbox or request.envelope.sender
        client.send(request, mailbox, base64.b64encode(content))

    @hookimpl
    def verify_transport(self, request: VerifyRequest[GraphOptions]) -> Iterable[Check]:
        """Check token, permission and mailbox, without sending."""
        return verify(self._client(request.options), request)

    @hookimpl
    def close_transport(self) -> None:
        """Close the connections."""
        for client in list(self._clients.values()):
            client.close()

    def _client(self, options: GraphOptions) -> Client:
        # The client keeps the options, so that their id stays theirs.
        return self._clients.get(id(options)) or self._clients.setdefault(
            id(options), Client(options)
        )
