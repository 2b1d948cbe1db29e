"""The transport that prints each mail in the terminal."""

from __future__ import annotations

import base64
import io
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, TextIO

from pydantic import Field

from zenmail import (
    Email,
    Envelope,
    PermanentFailure,
    Receipt,
    SendRequest,
    TemporaryFailure,
    TransportOptions,
    hookimpl,
)

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["ConsoleOptions"]


class ConsoleOptions(TransportOptions):
    """Options of the console transport."""

    keeps_deadline: ClassVar[bool] = False

    stream: Literal["stdout", "stderr"] = Field(
        default="stdout", description="Stream to print the mails to."
    )
    html_folder: Path | None = Field(
        default=None,
        description="Folder for the HTML part of each mail, with its inline pictures; if it "
        "does not exist, it is created for this user alone.",
    )


@hookimpl
def transport_options() -> type[ConsoleOptions]:
    """Return the class of the options."""
    return ConsoleOptions


@hookimpl
def send_email(request: SendRequest[ConsoleOptions]) -> Receipt:
    """Print the mail; every recipient counts as accepted."""
    email, options = request.email, request.options
    html_file = None
    if options.html_folder is not None and email.html is not None:
        html_file = _write_html(email, email.html, options.html_folder)
    # Looked up now: test runners and ZenML's log capture replace them.
    stream = sys.stderr if options.stream == "stderr" else sys.stdout
    _print(stream, email, request.envelope, html_file)
    notes = (f"The HTML part is in {html_file}.",) if html_file else ()
    return Receipt(
        accepted=request.envelope.recipients,
        detail=f"Printed to {options.stream}.",
        notes=notes,
    )


def _print(
    terminal: TextIO | None, email: Email, envelope: Envelope, html: Path | None
) -> None:
    from rich.console import Console

    if terminal is None or getattr(terminal, "closed", False):
        raise PermanentFailure(
            "This process has no terminal.",
            code="console-closed",
            remedy="Choose the other stream, or the file transport.",
        )
    encoding = getattr(terminal, "encoding", None) or "utf-8"
    # Not straight to the terminal: rich ends the process where a pipe is broken. What the
    # terminal cannot show stands as an escape.
    sheet = io.TextIOWrapper(io.BytesIO(), encoding, "backslashreplace", newline="")
    try:
        console = Console(
            file=sheet, force_terminal=terminal.isatty() or None, force_jupyter=False,
            highlight=False, markup=False, emoji=False, soft_wrap=True,
        )  # fmt: skip
        _render(console, email, envelope, html)
        sheet.seek(0)
        # One call: the mails of several threads do not mix.
        terminal.write(sheet.read())
        terminal.flush()
    except (OSError, ValueError) as error:
        raise TemporaryFailure(
            f"The terminal cannot print the mail: {error}",
            code="console-closed",
            remedy="Choose the other stream, or the file transport.",
        ) from error


def _render(console: Console, email: Email, envelope: Envelope, html: Path | None) -> None:
    from rich.filesize import decimal
    from rich.text import Text

    def line(label: str, value: str, style: str = "") -> None:
        console.print(Text.assemble((f"{label}: ", "cyan"), (value, style)))

    width = min(console.width, 100)
    bar = ("-" if console.options.ascii_only else "─") * width
    console.print(Text(bar, "dim"))
    line("Envelope", f"{envelope.sender} -> {', '.join(envelope.recipients)}", "dim")
    for name, value in _headers(email):
        line(name, value, "bold" if name == "Subject" else "")
    console.print()
    console.print(Text(email.text.rstrip("\n")))
    if email.attachments or email.html is not None:
        console.print()
    for attachment in email.attachments:
        kind = f"{attachment.content_type}, {decimal(attachment.size)}"
        inline = ", inline" if attachment.content_id else ""
        line("Attachment", f"{attachment.filename} ({kind}{inline})")
    if html:
        line("HTML part", str(html))
    elif email.html is not None:
        size = decimal(len(email.html.encode("utf-8")))
        line(
            "HTML part", f"{size}, not shown; the option html_folder writes it to a file", "dim"
        )
    console.print(Text(bar, "dim"))


def _headers(email: Email) -> list[tuple[str, str]]:
    shown = [
        ("From", email.sender),
        ("To", ", ".join(email.to)),
        ("Cc", ", ".join(email.cc)),
        ("Reply-To", ", ".join(email.reply_to)),
        ("Subject", email.subject),
        ("Date", email.date.isoformat(sep=" ", timespec="seconds")),
        ("Message-ID", email.message_id),
        ("References", email.thread),
        ("List-Id", email.list_id),
        ("Importance", "" if email.importance == "normal" else email.importance),
        *email.headers.items(),
    ]
    return [(name, value) for name, value in shown if value or name == "Subject"]


def _write_html(email: Email, html: str, path: Path) -> Path:
    from .folder import Folder, file_name

    for attachment in email.attachments:
        if attachment.content_id:
            data = base64.b64encode(attachment.read()).decode("ascii")
            identifier = re.escape(attachment.content_id.strip("<>"))
            html = re.sub(
                rf"""(["'])cid:{identifier}\1""",
                rf"\1data:{attachment.content_type};base64,{data}\1",
                html,
            )
    with Folder.open(path.expanduser()) as folder:
        name = file_name(email.date, email.subject, ".html")
        return folder.add(name, [html.encode("utf-8")])
