"""``zenmail doctor``: find out, phase by phase, why no mail arrives."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ..errors import ConfigurationError, ZenmailError
from .mailer_options import MailerOptions, mailer_options
from .stored import StoredAlerter, alerter_names, set_up

if TYPE_CHECKING:
    from ..check import Check
    from ..delivery.mailer import Mailer
    from ..email import Email

__all__ = ["diagnose", "doctor", "report"]

_STATUS = {
    "passed": ("ok", "green"),
    "failed": ("FAILED", "red"),
    "skipped": ("skipped", "yellow"),
    "warning": ("warning", "yellow"),
}
_EXAMPLES = """
    \b
    Examples:
      zenmail doctor
      zenmail doctor email_alerter --send
      zenmail doctor --all
      zenmail doctor --smtp-server=smtp.example.com --smtp-username=me --password \\
          --sender-email=me@example.com
      zenmail doctor --transport=ses -o region=eu-west-1 --sender-email=a@example.com --json
"""


@click.command(
    short_help="Find out why no mail arrives.",
    help=f"""Find out why no mail arrives: check an alerter phase by phase.

    Checks ALERTER, the active stack's alerter, or a transport given on the command line.
    No mail is sent unless --send is given: the server is asked whether it accepts sender
    and recipients, and the transaction is then cancelled.

    Exit status: 0 when every phase passed, 1 when one failed, 2 when there is nothing
    to check.
    {_EXAMPLES}""",
)
@click.argument("argument", metavar="[ALERTER]", required=False)
@click.option("--alerter", metavar="NAME", help="The same as ALERTER.")
@click.option("--all", "every", is_flag=True, help="Check every alerter, and print a table.")
@mailer_options
@click.option("--send", is_flag=True, help="Send a test mail if all phases pass.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def doctor(
    ctx: click.Context,
    argument: str | None,
    alerter: str | None,
    every: bool,
    mailer: MailerOptions,
    send: bool,
    as_json: bool,
) -> None:
    """Print what each phase found, and what to do about the first that failed."""
    if sum(map(bool, (argument, alerter, every, mailer.given))) > 1:
        raise click.UsageError("Give only one of ALERTER, --alerter, --all or a transport.")
    if every:
        ctx.exit(0 if _report_all(mailer, send=send, as_json=as_json) else 1)
    stored = set_up(mailer, argument or alerter)
    if as_json:
        findings = _findings(stored, diagnose(stored, send=send))
        click.echo(json.dumps(findings, indent=2))
        ctx.exit(0 if findings["ok"] else 1)
    if not report(stored, send=send):
        ctx.exit(1)
    click.echo(
        "The test mail is on its way."
        if send
        else "No mail was sent. Add --send to send a test mail."
    )


def _report_all(mailer: MailerOptions, *, send: bool, as_json: bool) -> bool:
    names, found = alerter_names(), []
    width = max(map(len, names), default=0)
    for name in names:
        stored = set_up(mailer, name)
        checks = diagnose(stored, send=send)
        found.append(_findings(stored, checks))
        if not as_json:
            failed = _failed(checks)
            label = click.style("FAILED", fg="red") if failed else click.style("ok", fg="green")
            said = f"{failed[0].name}: {failed[0].detail}" if failed else ""
            click.echo(f"  {name:<{width}}  {stored.transport:<8}  {label}  {said}".rstrip())
    failures = [each["alerter"] for each in found if not each["ok"]]
    if as_json:
        click.echo(json.dumps(found, indent=2))
    elif not names:
        click.echo("No alerter is registered. Create one: zenmail register")
    elif failures:
        click.echo(f"\nTo see what to do: zenmail doctor {failures[0]}")
    return not failures


def report(stored: StoredAlerter, *, send: bool = False) -> bool:
    """Check a set-up, print each phase as it ends, and return whether all passed."""
    click.echo(f"{stored.name or 'From the command line'}: {stored.transport or 'unknown'}")

    def show(transport: str, check: Check) -> None:
        if check.status != "skipped" or check.detail:
            _print(transport if stored.fallbacks else "", check)

    checks = diagnose(stored, send=send, show=show)
    findings, failed = _findings(stored, checks), _failed(checks)
    left_out = [
        check.name for _, check in checks if check.status == "skipped" and not check.detail
    ]
    if left_out:
        click.echo(f"  {click.style('skipped ', fg='yellow')}{', '.join(left_out)}")
    if not failed:
        click.echo("\nEverything passed.")
        return True
    code = f" ({failed[0].code})" if failed[0].code else ""
    click.echo(f"\n{failed[0].name} failed{code}: {failed[0].detail}")
    if findings["advice"]:
        click.secho(f"What to do: {findings['advice']}", bold=True)
    for command in findings["commands"]:
        click.echo(f"    {command}")
    return False


def _findings(stored: StoredAlerter, checks: Sequence[tuple[str, Check]]) -> dict[str, Any]:
    failed = _failed(checks)
    return {
        "alerter": stored.name,
        "ok": not failed,
        "checks": [{"transport": name, **asdict(check)} for name, check in checks],
        "advice": next((check.remedy for check in failed if check.remedy), ""),
        # What follows the advice, for the set-up that was checked.
        "commands": stored.commands(failed[0].change) if failed and failed[0].change else [],
    }


def diagnose(
    stored: StoredAlerter,
    *,
    send: bool = False,
    show: Callable[[str, Check], None] = lambda _transport, _check: None,
) -> list[tuple[str, Check]]:
    """Check a set-up until a phase fails; return and show each with its transport's name."""
    from ..check import Check
    from ..plugins import PluginHost

    found: list[tuple[str, Check]] = []

    def note(transport: str, check: Check) -> None:
        found.append((transport, check))
        show(transport, check)

    for check in stored.checks:
        note(stored.transport, check)
    if _failed(found):
        return found
    started = time.perf_counter()
    try:
        mailer = stored.mailer()
        email = _test_mail(stored)
        if send and email is None:
            raise ConfigurationError(
                "A test mail needs a sender and a recipient.",
                remedy="Add --sender-email and --recipient-email.",
            )
        owner = PluginHost().owner(stored.transport)
    except ZenmailError as error:
        seconds = time.perf_counter() - started
        note(stored.transport, Check.failed("configuration", error, seconds=seconds))
        return found
    if not any(check.name == "configuration" for check in stored.checks):
        detail = f"{stored.transport} of {owner.distribution} {owner.version}"
        seconds = time.perf_counter() - started
        note(stored.transport, Check("configuration", "passed", detail, seconds=seconds))
    with mailer:
        for name, checks in mailer.verify(email, report=note).items():
            if not checks:
                detail = (
                    "This transport has no checks of its own. Add --send to try it with a mail."
                )
                note(name, Check("verify", "skipped", detail))
        if send and email is not None and not _failed(found):
            note(stored.transport, _send(mailer, email))
    return found


def _send(mailer: Mailer, email: Email) -> Check:
    from ..check import Check

    receipt = mailer.send(email)
    if receipt.delivered:
        detail = f"accepted for {', '.join(receipt.accepted)}: {receipt.message_id}"
        return Check("send", "passed", detail, seconds=receipt.seconds)
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


def _failed(checks: Iterable[tuple[str, Check]]) -> list[Check]:
    return [check for _, check in checks if check.status == "failed"]


def _print(transport: str, check: Check) -> None:
    word, colour = _STATUS[check.status]
    origin = f"{transport}: " if transport else ""
    milliseconds = f"{1000 * check.seconds:>6.0f} ms"
    label = click.style(f"{word:<8}", fg=colour)
    click.echo(f"  {label}{check.name:<14}{milliseconds}  {origin}{check.detail}")
