"""``zenmail send``: one mail from the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .app import Failure
from .mailer_options import MailerOptions, mailer_options
from .stored import set_up

if TYPE_CHECKING:
    from ..receipt import Receipt

__all__ = ["send"]

_EXIT_STATUS = {"delivered": 0, "skipped": 0, "spooled": 3, "unknown": 4}


@click.command(
    short_help="Send one mail.",
    help="""Send one mail: TEXT, a file, or standard input.

    The text is Markdown unless --plain is given. Without a transport on the command line,
    the mail goes through the alerter named by --alerter, or the active stack's.

    Exit status: 0 delivered, 1 rejected or not delivered in time, 2 wrong usage or set-up,
    3 kept in the ledger, 4 outcome unknown.

    \b
    Examples:
      zenmail send --transport=console --sender-email=me@example.com \\
          --recipient-email=you@example.com Hello
      zenmail send --alerter=email_alerter --subject="Nightly run" --file=report.md
      train.py 2>&1 | zenmail send --smtp-server=localhost --smtp-port=25 \\
          --smtp-security=none --sender-email=me@example.com \\
          --recipient-email=you@example.com --plain --subject="Training log"
    """,
)
@click.argument("text", required=False)
@mailer_options
@click.option("--alerter", metavar="NAME", help="Alerter in ZenML to send through.")
@click.option("--subject", metavar="TEXT", default="", help="The subject.")
@click.option(
    "--file",
    "source",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Read the text from a file; - is standard input.",
)
@click.option("--plain", is_flag=True, help="Treat the text as plain text.")
@click.option(
    "--severity",
    type=click.Choice(["info", "success", "warning", "error", "critical"]),
    default="info",
    show_default=True,
    help="Severity of the alert.",
)
@click.option(
    "--attach",
    "attachments",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File to attach; may be repeated.",
)
@click.option("--dry-run", is_flag=True, help="Do everything except send.")
@click.option("--json", "as_json", is_flag=True, help="Print the receipt as JSON.")
@click.pass_context
def send(
    ctx: click.Context,
    text: str | None,
    mailer: MailerOptions,
    alerter: str | None,
    subject: str,
    source: Path | None,
    plain: bool,
    severity: Any,
    attachments: Sequence[Path],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Compose the text, send it and print the receipt."""
    from rich.console import Console

    from ..alert import Alert
    from ..attachment import Attachment

    if alerter and mailer.given:
        raise click.UsageError("Give an alerter or a transport, not both.")
    body = _read(text, source)
    stored = set_up(mailer, alerter)
    if not (stored.sender and stored.to):
        raise Failure(
            "The mail needs a sender and a recipient.",
            remedy="Add --sender-email and --recipient-email.",
            exit_code=2,
        )
    alert = Alert(
        title=subject,
        body=body,
        body_format="plain" if plain else "markdown",
        severity=severity,
        attachments=tuple(Attachment(path=path) for path in attachments),
    )
    # The mail itself is printed, without a spinner beside it.
    quiet = stored.transport == "console"
    status = nullcontext() if quiet else Console(stderr=True).status("Sending ...")
    with stored.mailer(dry_run=dry_run) as opened, status:
        receipt = opened.send_alert(alert, sender=stored.sender, to=stored.to)
    if as_json:
        click.echo(json.dumps(receipt.model_dump(mode="json"), indent=2))
    else:
        _print(receipt)
    ctx.exit(_EXIT_STATUS.get(receipt.outcome, 1))


def _read(text: str | None, source: Path | None) -> str:
    if text is not None and source is not None:
        raise click.UsageError("Give TEXT or --file, not both.")
    if text is not None:
        return text
    if source is not None and str(source) != "-":
        return source.read_text(encoding="utf-8", errors="replace")
    if source is None and sys.stdin.isatty():
        raise click.UsageError("Give TEXT or --file, or pipe the text in.")
    return sys.stdin.buffer.read().decode("utf-8", errors="replace")


def _print(receipt: Receipt) -> None:
    delivered = receipt.outcome in ("delivered", "skipped")
    click.secho(receipt.describe(), fg="green" if delivered else "red", err=not delivered)
    for note in receipt.notes:
        click.echo(note, err=not delivered)
    if receipt.remedy and not delivered:
        click.echo(receipt.remedy, err=True)
    if receipt.spooled:
        click.echo("The mail waits in the ledger. Send it: zenmail outbox flush", err=True)
    click.echo(f"Message-ID: {receipt.message_id}", err=not delivered)
