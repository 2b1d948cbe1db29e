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

    Graph has no envelope: it delivers to whoever the headers name
    (https://learn.microsoft.com/en-us/graph/outlook-send-mime-message), and Exchange takes
    Bcc out on the way. So whoever is not to get the mail cannot be shown either.

    Args:
        email: The mail.
        recipients: Addresses in ASCII.
    """
    wanted = {address.casefold() for address in recipients}
    to, cc = _among(email.to, wanted), _among(email.cc, wanted)
    named = {_address(item) for item in (*to, *cc)}
    blind = [address for address in recipients if address.casefold() not in named]
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
    wanted = {address.casefold() for address in recipients}
    return all(_address(item) in wanted for item in (*email.to, *email.cc))


def _among(field: Sequence[str], wanted: set[str]) -> tuple[str, ...]:
    return tuple(item for item in field if _address(item) in wanted)


def _address(item: str) -> str:
    return parse_mailbox(item).address.casefold()
