"""An alert turned into a mail: redacted, rendered as HTML and text, addressed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from .alert import Alert
from .clean import clean_line
from .email import Email

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["compose"]

_IMPORTANCE = {"critical": "high", "error": "high"}


def compose(
    alert: Alert,
    *,
    sender: str,
    to: str | Sequence[str] = (),
    cc: str | Sequence[str] = (),
    bcc: str | Sequence[str] = (),
    reply_to: str | Sequence[str] = (),
    subject: str = "",
    subject_prefix: str = "",
    include_html: bool = True,
    secrets: Iterable[str] = (),
) -> Email:
    """Turn an alert into a mail.

    Args:
        alert: What happened.
        sender: Who it is from.
        to: Recipients shown as To.
        cc: Recipients shown as Cc.
        bcc: Recipients shown to nobody.
        reply_to: Where answers go.
        subject: The subject, when it is not the alert's title.
        subject_prefix: What stands before the subject, such as "[ZenML]".
        include_html: Whether the mail has an HTML part beside the text.
        secrets: Values that must not stand in the mail.

    Raises:
        AddressError: An address cannot be put on the wire, or there is no recipient.
        ConfigurationError: Another argument is unusable.
    """
    title = clean_line(subject or alert.title or alert.body.strip().partition("\n")[0], limit=200)
    environment = _environment()
    html = None
    if include_html:
        html = alert.html or environment.get_template("alert.html").render(alert=alert)
    return Email(
        sender=sender, to=to, cc=cc, bcc=bcc, reply_to=reply_to,
        subject=clean_line(f"{subject_prefix} {title}"),
        text=environment.get_template("alert.txt").render(alert=alert),
        html=html,
        attachments=alert.attachments,
        headers=alert.headers,
        list_id=alert.list_id,
        importance=_IMPORTANCE.get(alert.severity, "normal"),
        date=alert.occurred_at,
    )


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("zenmail"),
        autoescape=lambda name: name is None or not name.endswith(".txt"),
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )
