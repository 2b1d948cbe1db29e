"""Where the demo's mails go, and how they are shown."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path
from typing import cast

from zenmail import Attachment, Email, Mailer

__all__ = ["Sink", "open_sink", "read_email"]

SENDER = "ZenML <alerts@example.com>"
RECIPIENT = "you@example.com"
_USER = "demo"


@dataclass(frozen=True)
class Sink:
    """A place for mails.

    Attributes:
        configuration: The alerter's configuration that sends mails there.
        password: The password in the alerter's secret.
        prints: Whether the mails appear on the child's standard error as they are sent.
        received: Returns the mails that arrived and were not printed.
        note: Returns a line about how they arrived, or "".
    """

    configuration: dict[str, str]
    password: str = "not-needed"  # noqa: S105 - there is no login
    prints: bool = False
    received: Callable[[], Sequence[bytes]] = field(default=tuple)
    note: Callable[[], str] = field(default=str)


@contextlib.contextmanager
def open_sink(transport: str, workspace: Path, output: Path) -> Iterator[Sink]:
    """Open the place for the mails of a transport.

    Args:
        transport: "console", "file" or "smtp".
        workspace: A folder that is deleted after the demo.
        output: The folder that the user keeps.

    Raises:
        MissingExtra: There is no way to make the server's certificate.
    """
    addresses = {"transport": transport, "sender_email": SENDER, "recipient_email": RECIPIENT}
    if transport == "console":
        options = {"stream": "stderr", "html_folder": str(output)}
        yield Sink({**addresses, "transport_options": json.dumps(options)}, prints=True)
    elif transport == "file":
        options = {"folder": str(output)}
        yield Sink(
            {**addresses, "transport_options": json.dumps(options)},
            received=lambda: [path.read_bytes() for path in sorted(output.glob("*.eml"))],
        )
    else:
        raise NotImplementedError(workspace)


def read_email(raw: bytes) -> Email:
    """Turn the bytes of a mail back into an `Email`."""
    message = message_from_bytes(raw, policy=policy.default)
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    shown = [text, html]
    attachments = [
        Attachment(
            filename=part.get_filename() or "",
            content=cast("bytes", part.get_payload(decode=True)),
            content_type=part.get_content_type(),
            content_id=(part["Content-ID"] or "").strip("<> "),
        )
        for part in message.walk()
        if not part.is_multipart() and part not in shown
    ]
    return Email(
        sender=str(message["From"]),
        to=[str(message["To"])],
        subject=str(message["Subject"] or ""),
        text=text.get_content() if text is not None else "",
        html=html.get_content() if html is not None else None,
        attachments=tuple(attachments),
        message_id=str(message["Message-ID"]),
        date=message["Date"].datetime,
    )


def show(mails: Sequence[bytes], output: Path) -> None:
    """Print mails, and write their HTML into a folder."""
    with Mailer("console", options={"html_folder": output}) as mailer:
        for raw in mails:
            mailer.send(read_email(raw)).raise_for_outcome()
