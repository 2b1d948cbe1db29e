"""``zenmail doctor``: finds out, phase by phase, why no mail arrives."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ..errors import ConfigurationError, ZenmailError
from .mailer_options import MailerOptions, mailer_options
from .stored import (
    StoredAlerter,
    from_options,
    read_alerter,
    with_addresses,
)

if TYPE_CHECKING:
    from ..delivery.mailer import Mailer
    from ..email import Email
    from ..transport import Check

__all__ = ["diagnose", "doctor", "report"]

_STATUS = {
    "passed": ("ok", "green"),
    "failed": ("FAILED", "red"),
    "skipped": ("skipped", "yellow"),
}
_EXAMPLES = """
    \b
    Examples:
      zenmail doctor
      zenmail doctor email_alerter --send
      zenmail doctor --host=smtp.example.com --username=me --password --from=me@example.com
      zenmail doctor --transport=ses -o region=eu-west-1 --from=a@example.com --json
"""


@click.command(
    short_help="Find out why no mail arrives.",
    help=f"""Find out why no mail arrives: check an alerter phase by phase.

    Reads ALERTER from ZenML, or the alerter of the active stack, or takes a transport and
    its options from the command line. Nothing is sent unless --send is given: the server
    is asked about sender and recipients and then told to forget it.

    Exit status: 0 when every phase passed, 1 when one failed, 2 when there is nothing
    to check.
    {_EXAMPLES}""",
)
@click.argument("alerter", required=False)
@mailer_options
@click.option("--send", is_flag=True, help="Send a test mail when all phases pass.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def doctor(
    ctx: click.Context, alerter: str | None, mailer: MailerOptions, send: bool, as_json: bool
) -> None:
    """Print what each phase found and what to do about the first that failed."""
    if alerter and mailer.given:
        raise click.UsageError("Name an alerter or a transport, not both.")
    stored = from_options(mailer) if mailer.given else read_alerter(alerter)
    stored = with_addresses(stored, mailer)
    ctx.exit(0 if report(stored, send=send, as_json=as_json) else 1)


def report(stored: StoredAlerter, *, send: bool = False, as_json: bool = False) -> bool:
    """Check a set-up and print the findings.

    Args:
        stored: The set-up.
        send: Whether to send a test mail when all else passed.
        as_json: Whether to print JSON in place of lines for people.

    Returns:
        Whether every phase passed.
    """
    checks = []
    if not as_json:
        click.echo(
            f"{stored.name or 'From the command line'}: {stored.transport or 'unknown'}\n"
        )
    for transport, check in diagnose(stored, send=send):
        checks.append((transport, check))
        if not as_json and (check.status != "skipped" or check.detail):
            _print(transport if stored.fallbacks else "", check)
    failed = [check for _, check in checks if check.status == "failed"]
    advice = next((check.remedy for check in failed if check.remedy), "")
    if as_json:
        found = {
            "alerter": stored.name,
            "ok": not failed,
            "checks": [{"transport": name, **asdict(check)} for name, check in checks],
            "advice": advice,
        }
        click.echo(json.dumps(found, indent=2))
        return not failed
    left_out = [
        check.name for _, check in checks if check.status == "skipped" and not check.detail
    ]
    if left_out:
        click.echo(f"  {click.style('skipped ', fg='yellow')}{', '.join(left_out)}")
    if failed:
        code = f" ({failed[0].code})" if failed[0].code else ""
        click.echo(f"\n{failed[0].name} failed{code}: {failed[0].detail}")
        if advice:
            click.secho(f"What to do: {advice}", bold=True)
    else:
        sent = "The test mail is on its way." if send else "Nothing was sent; --send does."
        click.echo(f"\nEverything passed. {sent}")
    return not failed


def diagnose(stored: StoredAlerter, *, send: bool = False) -> Iterator[tuple[str, Check]]:
    """Check a set-up; the first phase that fails ends it.

    Args:
        stored: The set-up.
        send: Whether to send a test mail when all else passed.

    Yields:
        Name of the transport, and what one phase found.
    """
    from ..plugins import PluginHost
    from ..transport import Check

    for check in stored.checks:
        yield stored.transport, check
    if _failed(stored.checks):
        return
    started = time.perf_counter()
    host = PluginHost()
    try:
        mailer = stored.mailer()
        email = _test_mail(stored)
        if send and email is None:
            raise ConfigurationError(
                "A test mail needs a sender and a recipient.", remedy="Give --from and --to."
            )
        owner = host.owner(stored.transport)
    except ZenmailError as error:
        yield stored.transport, _failure("configuration", error, started)
        return
    if not any(check.name == "configuration" for check in stored.checks):
        detail = f"{stored.transport} of {owner.distribution} {owner.version}"
        yield (
            stored.transport,
            Check("configuration", "passed", detail, "", _since(started)),
        )
    with mailer:
        findings = _verify(mailer, stored.transport, email)
        yield from findings
        if send and email is not None and not _failed(check for _, check in findings):
            yield stored.transport, _send(mailer, email)


def _verify(mailer: Mailer, transport: str, email: Email | None) -> list[tuple[str, Check]]:
    from ..transport import Check

    started = time.perf_counter()
    try:
        found = mailer.verify(email)
    except ZenmailError as error:
        return [(transport, _failure("verify", error, started))]
    detail = "This transport cannot check itself; --send shows whether it works."
    return [
        (name, check)
        for name, checks in found.items()
        for check in checks or [Check("verify", "skipped", detail)]
    ]


def _send(mailer: Mailer, email: Email) -> Check:
    from ..transport import Check

    receipt = mailer.send(email)
    if receipt.delivered:
        detail = f"accepted for {', '.join(receipt.accepted)}: {receipt.message_id}"
        return Check("send", "passed", detail, "", receipt.seconds)
    return Check(
        "send", "failed", receipt.describe(), receipt.remedy, receipt.seconds, receipt.code
    )


def _test_mail(stored: StoredAlerter) -> Email | None:
    from ..alert import Alert
    from ..composing.compose import compose

    if not (stored.sender and stored.to):
        return None
    body = "Somebody ran `zenmail doctor`. If you can read this, alerts can reach you."
    return compose(
        Alert(title="Test mail from zenmail", body=body, facts={"transport": stored.transport}),
        sender=stored.sender,
        to=stored.to,
    )


def _failed(checks: Iterable[Check]) -> bool:
    return any(check.status == "failed" for check in checks)


def _failure(phase: str, error: ZenmailError, started: float) -> Check:
    from ..transport import Check

    return Check(phase, "failed", error.message, error.remedy, _since(started), error.code)


def _since(started: float) -> float:
    return time.perf_counter() - started


def _print(transport: str, check: Check) -> None:
    word, colour = _STATUS[check.status]
    origin = f"{transport}: " if transport else ""
    milliseconds = f"{1000 * check.seconds:>6.0f} ms"
    label = click.style(f"{word:<8}", fg=colour)
    click.echo(f"  {label}{check.name:<14}{milliseconds}  {origin}{check.detail}")
