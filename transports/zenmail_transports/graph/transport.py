"""Mails handed to Microsoft Graph."""

from __future__ import annotations

import base64
import importlib.util
from collections.abc import Iterable, Sequence

from zenmail import (
    Check,
    DeliveryError,
    Email,
    MailTooLarge,
    MissingExtra,
    PermanentFailure,
    Receipt,
    SendRequest,
    TemporaryFailure,
    VerifyRequest,
    hookimpl,
)
from zenmail.address import parse_mailbox
from zenmail.mime.headers import address_header

from ..tally import Tally
from .client import Client
from .errors import InvalidRecipients
from .options import GraphOptions
from .verify import verify

__all__ = ["GraphTransport"]

# A request has 4 MB at most, and base64 makes four bytes of three:
# https://github.com/microsoftgraph/microsoft-graph-docs/issues/13979
_BYTES = 3 * 1024 * 1024
# https://learn.microsoft.com/en-us/office365/servicedescriptions/
# exchange-online-service-description/exchange-online-limits
_RECIPIENTS = 500
# An empty group counts as a recipient that is not valid:
# https://github.com/SMTP2Graph/SMTP2Graph/issues/30
_NOBODY = b"\r\nTo: undisclosed-recipients:;\r\n"
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
                if not tally.notes and not _shows_everybody(request.email, part):
                    tally.notes.append(_NARROWED)
        return tally.receipt("Microsoft Graph accepted the mail.")

    def _send_part(
        self, client: Client, request: SendRequest[GraphOptions], part: list[str]
    ) -> None:
        content = _addressed(request.email, part)
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


def _addressed(email: Email, recipients: Sequence[str]) -> bytes:
    """Return the mail with exactly these recipients in its To, Cc and Bcc.

    Graph has no envelope: it delivers to everybody the headers name
    (https://learn.microsoft.com/en-us/graph/outlook-send-mime-message), and Exchange takes
    Bcc out on the way. So a name that does not get the mail cannot be shown either.
    """
    to, cc = _among(email.to, recipients), _among(email.cc, recipients)
    named = {parse_mailbox(item).address for item in (*to, *cc)}
    blind = [address for address in recipients if address not in named]
    # The mail itself needs a recipient; its Bcc is not in its bytes.
    narrowed = email.replace(to=to, cc=cc, bcc=() if named else tuple(recipients))
    content = narrowed.as_bytes(smtputf8=False)
    if not named:
        content = content.replace(_NOBODY, b"\r\n", 1)
    if not blind:
        return content
    return address_header("Bcc", blind, smtputf8=False).encode("ascii") + content


def _shows_everybody(email: Email, recipients: Sequence[str]) -> bool:
    """Return whether nobody in To or Cc has to be left out."""
    shown = (*email.to, *email.cc)
    return _among(shown, recipients) == shown


def _among(field: Sequence[str], recipients: Sequence[str]) -> tuple[str, ...]:
    wanted = set(recipients)
    return tuple(item for item in field if parse_mailbox(item).address in wanted)
