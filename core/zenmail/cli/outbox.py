"""``zenmail outbox``: the mails that could not be delivered yet."""

from __future__ import annotations

import json
import logging
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .app import Failure
from .mailer_options import MailerOptions, mailer_options
from .stored import StoredAlerter, from_options, read_alerter

if TYPE_CHECKING:
    from ..ledger.ledger import Ledger

__all__ = ["outbox"]

_STATES = {
    "waiting": "is sent with the next alert, or by flush",
    "claimed": "a process has taken it",
    "sending": "a process is sending it",
    "unknown": "may have arrived: check, then flush --unknown or drop it",
    "failed": "rejected permanently, or too old",
    "aside": "cannot be read and is never sent",
}
_Command = TypeVar("_Command", bound=Callable[..., Any])


def _of_ledger(command: _Command) -> _Command:
    """Give a command the options that say which ledger."""
    alerter = click.option(
        "--alerter", metavar="NAME", help="Use the ledger of this alerter in ZenML."
    )
    ledger = click.option(
        "--ledger",
        metavar="LEDGER",
        envvar="ZENMAIL_LEDGER",
        show_envvar=True,
        help="The ledger: the path of an SQLite file, or postgresql://user@host/database.",
    )
    return ledger(alerter(command))


@click.group(
    short_help="Manage waiting mails.",
    help="""Manage the mails that could not be delivered yet.

    They are in a ledger: the one that --ledger names, or that of a ZenML alerter, which
    --alerter names; by default the active stack's.

    \b
    Examples:
      zenmail outbox list --ledger=alerts.db
      zenmail outbox show 3f00000000000000
      zenmail outbox flush --alerter=email_alerter
      zenmail outbox work --alerter=email_alerter --rate=30/min
      zenmail outbox drop --failed --ledger=alerts.db
    """,
)
def outbox() -> None:
    """Group the commands."""


@outbox.command("list", short_help="List the mails.")
@_of_ledger
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def list_mails(ledger: str | None, alerter: str | None, as_json: bool) -> None:
    """List the mails in the outbox, the oldest first, and why they are there."""
    opened = _open(ledger, alerter)
    items = opened.outbox.list()
    if as_json:
        click.echo(
            json.dumps([vars(item) for item in items], indent=2, default=datetime.isoformat)
        )
        return
    for item in items:
        whose = f"  of {item.alerter}" if item.alerter else ""
        click.echo(f"{click.style(item.name, bold=True)}  {item.state}{whose}")
        click.echo(f"    {item.subject or '(no subject)'}")
        click.echo(f"    to {', '.join(item.recipients)}")
        if item.reason:
            click.echo(f"    {item.reason}")
    for state in sorted({item.state for item in items}):
        click.echo(f"{state}: {_STATES[state]}.")
    click.echo(f"{_count(len(items))} in {opened.name}.")


@outbox.command(short_help="Show one mail.")
@click.argument("name")
@_of_ledger
@click.option("--raw", is_flag=True, help="Print the raw mail.")
def show(name: str, ledger: str | None, alerter: str | None, raw: bool) -> None:
    """Show one mail, by the name that list prints."""
    entry = _open(ledger, alerter).outbox.show(name)
    if raw:
        sys.stdout.buffer.write(entry.email.as_bytes())
        return
    click.echo(f"Subject: {entry.email.subject}")
    click.echo(f"From: {entry.sender}")
    click.echo(f"To: {', '.join(entry.recipients)}")
    click.echo(f"Since: {entry.created.isoformat(sep=' ', timespec='seconds')}")
    click.echo(f"Tries: {entry.tries}")
    click.echo(f"Reason: {entry.reason or 'none recorded'}")
    click.echo(f"Message-ID: {entry.email.message_id}\n\n{entry.email.text}")


@outbox.command(
    short_help="Send the waiting mails.",
    help="""Send the waiting mails, oldest first, through the alerter or a transport given
    here.

    Exit status: 0 when no mail is waiting any more, 1 when one could not be sent.
    """,
)
@_of_ledger
@mailer_options
@click.option("--limit", type=click.IntRange(min=1), help="Send at most this many.")
@click.option(
    "--unknown", is_flag=True, help="Also resend mails that may already have arrived."
)
@click.option("--failed", is_flag=True, help="Also resend mails that failed.")
@click.pass_context
def flush(
    ctx: click.Context,
    ledger: str | None,
    alerter: str | None,
    mailer: MailerOptions,
    limit: int | None,
    unknown: bool,
    failed: bool,
) -> None:
    """Send the mails and print the outcome of each."""
    from rich.console import Console

    stored, location = _sender(ledger, alerter, mailer)
    also = [state for state, wanted in (("unknown", unknown), ("failed", failed)) if wanted]
    with (
        stored.mailer(ledger=location) as opened,
        Console(stderr=True).status("Sending the waiting mails ..."),
    ):
        receipts = opened.flush(limit=limit, also=also)  # type: ignore[arg-type]
    for receipt in receipts:
        click.echo(f"{receipt.message_id}  {receipt.describe()}")
    delivered = sum(receipt.delivered for receipt in receipts)
    click.echo(f"Delivered {delivered} of {_count(len(receipts))}.")
    ctx.exit(0 if delivered == len(receipts) else 1)


_PER_MINUTE = {"s": 60.0, "min": 1.0, "h": 1 / 60, "d": 1 / 1440}


def _parse_rate(_: click.Context, __: click.Parameter, text: str | None) -> float | None:
    """Return the mails a minute."""
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]*[1-9][0-9]*)(?:/(s|min|h|d))?", text)
    if found is None:
        raise click.BadParameter(f"{text!r} is not a rate such as 30/min or 500/h.")
    return int(found[1]) * _PER_MINUTE[found[2] or "min"]


@outbox.command(
    short_help="Keep sending waiting mails.",
    help="""Send waiting mails, and new ones as they come in, until stopped by SIGTERM or
    Ctrl-C.

    It serves alerters with delivery=queue: their processes only record mails in the ledger,
    and this one sends them. It finishes the mails under way before it ends. Any number of
    workers may share a ledger.

    Exit status: 0; with --once 1 if a mail could not be sent.
    """,
)
@_of_ledger
@mailer_options
@click.option(
    "--rate",
    metavar="N/UNIT",
    callback=_parse_rate,
    help="Send at most this many per s, min, h or d, such as 30/min.",
)
@click.option(
    "--connections",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many mails to send at the same time.",
)
@click.option("--once", is_flag=True, help="Send what is due now, then end.")
@click.option("--json", "as_json", is_flag=True, help="Log as JSON lines.")
@click.pass_context
def work(
    ctx: click.Context,
    ledger: str | None,
    alerter: str | None,
    mailer: MailerOptions,
    rate: float | None,
    connections: int,
    once: bool,
    as_json: bool,
) -> None:
    """Run a worker."""
    from ..delivery.worker import Worker

    stored, location = _sender(ledger, alerter, mailer)
    with (
        _until_told() as stop,
        _log_to_stderr(as_json),
        stored.mailer(ledger=location) as opened,
    ):
        worker = Worker(opened, connections=connections, rate=rate)
        worker.run(stop, once=once)
    ctx.exit(1 if once and worker.failed else 0)


@contextmanager
def _until_told() -> Iterator[threading.Event]:
    """Give an event that SIGTERM and Ctrl-C set."""
    stop = threading.Event()
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: stop.set()) for number in numbers]
    try:
        yield stop
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def _log_to_stderr(as_json: bool) -> Iterator[None]:
    """Log what the worker does."""
    handler = logging.StreamHandler()
    text = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    handler.setFormatter(_JSONLines() if as_json else text)
    logger = logging.getLogger("zenmail")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


class _JSONLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, timezone.utc)
        line: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if isinstance(record.args, Mapping):
            line["mail" if "outcome" in record.args else "health"] = {**record.args}
        return json.dumps(line)


@outbox.command(short_help="Delete mails.")
@click.argument("names", nargs=-1)
@_of_ledger
@click.option("--failed", is_flag=True, help="Delete all failed mails.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def drop(
    names: Sequence[str], ledger: str | None, alerter: str | None, failed: bool, yes: bool
) -> None:
    """Delete mails permanently, by the names that list prints."""
    box = _open(ledger, alerter).outbox
    chosen = list(names)
    if failed:
        chosen += [item.name for item in box.list() if item.state == "failed"]
    elif not chosen:
        raise click.UsageError("Name the mails to delete, or give --failed.")
    if chosen and not yes:
        click.confirm(f"Delete {_count(len(chosen))}?", abort=True)
    for name in chosen:
        box.drop(name)
    click.echo(f"Deleted {_count(len(chosen))}.")


def _count(mails: int) -> str:
    return "1 mail" if mails == 1 else f"{mails} mails"


def _sender(
    ledger: str | None, alerter: str | None, mailer: MailerOptions
) -> tuple[StoredAlerter, str]:
    """Return what sends the mails, and the ledger that they are in."""
    if alerter and mailer.given:
        raise click.UsageError("Give an alerter or a transport, not both.")
    stored = from_options(mailer) if mailer.given else read_alerter(alerter)
    location = ledger or stored.ledger
    _ledger_of(location, stored.name)
    return stored, location


def _open(ledger: str | None, alerter: str | None) -> Ledger:
    if ledger:
        return _ledger_of(ledger, "")
    stored = read_alerter(alerter)
    return _ledger_of(stored.ledger, stored.name)


def _ledger_of(location: str, alerter: str) -> Ledger:
    from ..ledger.ledger import Ledger

    if location in ("", "off"):
        raise Failure(
            f"The alerter {alerter!r} has no ledger." if alerter else "There is no ledger.",
            remedy="Give --ledger, or set the alerter's attribute ledger.",
            exit_code=2,
        )
    return Ledger(location, alerter=alerter)
