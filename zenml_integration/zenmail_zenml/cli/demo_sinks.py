"""Destinations of the demo's mails, and how they are shown."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path
from typing import cast

from zenmail import Attachment, Email, Mailer

__all__ = ["Sink", "open_sink", "read_email", "show"]

SENDER = "ZenML <alerts@example.com>"
RECIPIENT = "you@example.com"
_USER = "demo"


@dataclass(frozen=True)
class Sink:
    """A destination for mails.

    Attributes:
        configuration: The alerter's configuration that sends mails there.
        password: The password in the alerter's secret.
        prints: Whether the child prints the mails on standard error as it sends them.
        received: Returns the mails that arrived but were not printed.
        note: Returns a line about how they arrived, or "".
    """

    configuration: dict[str, str]
    password: str = "not-needed"  # noqa: S105 - there is no login
    prints: bool = False
    received: Callable[[], Sequence[bytes]] = field(default=tuple)
    note: Callable[[], str] = field(default=str)


@contextlib.contextmanager
def open_sink(transport: str, output: Path) -> Iterator[Sink]:
    """Open the destination of the mails of console, file or smtp."""
    addresses = {"transport": transport, "sender_email": SENDER, "recipient_email": RECIPIENT}
    if transport == "console":
        options = {"stream": "stderr", "html_folder": str(output)}
        yield Sink({**addresses, "transport_options": json.dumps(options)}, prints=True)
    elif transport == "file":
        options = {"folder": str(output)}
        earlier = set(output.glob("*.eml"))

        def received() -> list[bytes]:
            new = set(output.glob("*.eml")) - earlier
            return [
                path.read_bytes() for path in sorted(new, key=lambda p: p.stat().st_mtime_ns)
            ]

        yield Sink({**addresses, "transport_options": json.dumps(options)}, received=received)
    else:
        from zenmail.testing.smtp_server import SMTPServer

        password = secrets.token_urlsafe()
        with SMTPServer(users={_USER: password}) as server:

            def note() -> str:
                mails = server.mails
                encrypted = sum(mail.encrypted and mail.username == _USER for mail in mails)
                return (
                    f"127.0.0.1:{server.port} received {encrypted} of them, each over verified "
                    "TLS and after a login with the password from ZenML's secret store."
                )

            configuration = {
                **addresses,
                "smtp_server": "localhost",
                "smtp_port": str(server.port),
                "smtp_username": _USER,
                "password": "{{email_credentials.smtp_password}}",
                "smtp_ca_file": str(server.ca_file),
            }
            yield Sink(
                configuration,
                password=password,
                received=lambda: [mail.content for mail in server.mails],
                note=note,
            )


def read_email(raw: bytes) -> Email:
    """Parse a mail's bytes into an `Email`."""
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
    """Print mails, and write their HTML to a folder."""
    with Mailer("console", options={"html_folder": output}) as mailer:
        for raw in mails:
            mailer.send(read_email(raw)).raise_for_outcome()
