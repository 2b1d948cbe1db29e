"""The mail as Microsoft Graph has to be given it: its headers are the envelope."""

from __future__ import annotations

from collections.abc import Sequence

from zenmail import Email
from zenmail.address import parse_mailbox
from zenmail.mime.headers import address_header

__all__ = ["addressed", "shows_everybody"]

# An empty group counts as a recipient that is not valid:
# https://github.com/SMTP2Graph/SMTP2Graph/issues/30
_NOBODY = b"\r\nTo: undisclosed-recipients:;\r\n"


def addressed(email: Email, recipients: Sequence[str]) -> bytes:
    """Return the mail with exactly these recipients in its To, Cc and Bcc.

    Graph has no envelope: it delivers to everybody the headers name
    (https://learn.microsoft.com/en-us/graph/outlook-send-mime-message), and Exchange takes
    Bcc out on the way. So a name that does not get the mail cannot be shown either.

    Args:
        email: The mail.
        recipients: Addresses in ASCII.
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


def shows_everybody(email: Email, recipients: Sequence[str]) -> bool:
    """Return whether nobody in To or Cc has to be left out."""
    shown = (*email.to, *email.cc)
    return _among(shown, recipients) == shown


def _among(field: Sequence[str], recipients: Sequence[str]) -> tuple[str, ...]:
    wanted = set(recipients)
    return tuple(item for item in field if parse_mailbox(item).address in wanted)
