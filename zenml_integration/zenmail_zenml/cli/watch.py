"""``zenmail watch``: mails what happens to runs, with no hook in any of them."""

from __future__ import annotations

import signal
import threading
import time
from datetime import timedelta

import click

from zenmail.cli.stored import waiting

from .client import open_client

__all__ = ["watch"]

_HELP = """Watch the runs of all ZenML projects and mail what has not been mailed yet: runs
that failed, that show no sign of life, that wait for an answer, and pipelines that
complete again. The setting run_alerts selects the events.

Any number of watchers can run at the same time; each event is mailed once. Stop it with
SIGTERM or Ctrl-C.

\b
Examples:
  zenmail watch
  zenmail watch --interval=30 --alerter=email_alerter
  zenmail watch --once
"""


@click.command(
    short_help="Mail what happens to runs.",
    help=_HELP,
)
@click.option(
    "--once",
    is_flag=True,
    help="Check once and exit, with status 1 if a mail could not be sent.",
)
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Seconds between two checks.",
)
@click.option(
    "--project",
    "projects",
    multiple=True,
    metavar="NAME",
    help="Watch this project; may be repeated. Default: every project.",
)
@click.option("--alerter", metavar="NAME", help="Send with this alerter, whichever stack ran.")
@click.option(
    "--lookback",
    type=click.FloatRange(min=0),
    default=24.0,
    show_default=True,
    metavar="HOURS",
    help="How far back the first check goes, for runs that ended while no watcher was running.",
)
@click.option(
    "--silent-after",
    type=click.FloatRange(min=1),
    default=86_400.0,
    show_default=True,
    metavar="SECONDS",
    help="Time without a sign of life after which a run counts as dead. Steps that send "
    "heartbeats count as dead after ZenML's own threshold if that is shorter.",
)
@click.pass_context
def watch(
    ctx: click.Context,
    once: bool,
    interval: float,
    projects: tuple[str, ...],
    alerter: str | None,
    lookback: float,
    silent_after: float,
) -> None:
    """Watch runs."""
    with waiting("Connecting to ZenML (importing ZenML takes some seconds)"):
        open_client()
    from ..watching.teller import Teller
    from ..watching.watcher import Round, Watcher

    watcher = Watcher(
        Teller("watcher", alerter=alerter),
        lookback=timedelta(hours=lookback),
        patience=silent_after,
        projects=projects,
    )

    def show(found: Round) -> None:
        click.echo(
            f"Runs: {found.ended} ended, {found.running} running. "
            f"Mails: {found.sent} sent, {found.failed} not delivered. "
            f"Events: {found.waiting} to retry, {found.unmailed} on stacks without an e-mail "
            "alerter."
        )
        for trouble in found.troubles:
            click.echo(trouble, err=True)

    if once:
        found = watcher.look()
        show(found)
        ctx.exit(1 if found.troubles or found.failed else 0)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.is_set():
        started = time.monotonic()
        try:
            show(watcher.look())
        except Exception as error:
            # ZenML may be away for a while; the next look goes on where this one began.
            click.echo(f"ZenML did not answer: {type(error).__name__}: {error}", err=True)
        # What happens from now on is mailed by the end of the next look, within the interval.
        took = time.monotonic() - started
        stop.wait(max(interval / 2, interval - 2 * took))
    click.echo("Stopped.")
