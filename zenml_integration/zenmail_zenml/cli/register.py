"""``zenmail register``: sets up an alerter for a mail provider."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zenmail.cli.app import Failure
from zenmail.cli.doctor import report
from zenmail.cli.mailer_options import SMTPOption, as_flags, secret_option
from zenmail.cli.stored import waiting
from zenmail.errors import ConfigurationError

from .client import misplaced, open_client
from .providers import (
    COMMON_QUESTIONS,
    PROVIDERS,
    SECURITIES,
    Plan,
    Provider,
    Question,
    provider_of,
    usual_port,
)
from .registration import Registration, find_alerter

if TYPE_CHECKING:
    from zenml.models import ComponentResponse

__all__ = ["register"]

_HELP = """Register an alerter with ZenML: ask what the provider needs, check the connection,
and create secret, flavor, alerter and stack.

ALERTER is its name, email_alerter by default. Run it again with the same name to update it.
What is stored is offered as the default then, and it asks before it replaces anything.
It prints the equivalent zenml commands before it registers.
Passwords are typed in hidden or read from the environment, and stored in ZenML's secret store.

\b
Examples:
  zenmail register
  zenmail register --provider=gmail \\
      --sender-email=you@gmail.com --recipient-email=team@example.com
  zenmail register relay --provider=own --smtp-server=relay.internal --smtp-security=none \\
      --sender-email=a@example.com --recipient-email=team@example.com --no-input --yes
  zenmail register --provider=ses --region=eu-west-1 \\
      --sender-email=a@example.com --recipient-email=b@example.com
"""


def _answer(
    name: str, text: str = "", cls: type[click.Option] = click.Option
) -> Callable[[Any], Any]:
    return click.option(f"--{name}", cls=cls, metavar="TEXT", help=text)


_smtp_answer = partial(_answer, cls=SMTPOption)


@click.command(short_help="Set it up for your provider.", help=_HELP)
@click.argument("name", metavar="[ALERTER]", default="email_alerter")
@click.option(
    "--provider", type=click.Choice(list(PROVIDERS)), help="Provider of the mail server."
)
@_answer("sender-email", "Sender of the mails.")
@_answer("sender-name", "Display name of the sender.")
@click.option(
    "--recipient-email",
    metavar="TEXT",
    multiple=True,
    help="Recipients, separated by commas; may be repeated.",
    callback=lambda _context, _option, given: ", ".join(given) or None,
)
@_answer("subject-prefix", "Text in front of each subject, such as [ZenML].")
@_smtp_answer("smtp-server")
@_smtp_answer("smtp-port", "With --smtp-security=none, the default is 25.")
@click.option("--smtp-security", cls=SMTPOption, type=click.Choice(SECURITIES))
@_smtp_answer("smtp-username", "[default: the sender's address]")
@secret_option("--password", cls=SMTPOption, envvar="ZENMAIL_PASSWORD")
@_smtp_answer("smtp-ca-file")
@_answer("tenant", "Microsoft: directory (tenant) ID or domain.")
@_answer("client-id", "Microsoft: application (client) ID.")
@secret_option(
    "--client-secret", help="Microsoft: client secret.", envvar="ZENMAIL_CLIENT_SECRET"
)
@_answer("region", "Amazon SES: AWS region.")
@_answer("access-key-id", "Amazon SES: access key ID.  [default: the machine's credentials]")
@secret_option(
    "--secret-access-key",
    help="Amazon SES: secret access key.",
    envvar="ZENMAIL_SECRET_ACCESS_KEY",
)
@click.option(
    "--secret",
    metavar="NAME",
    help="ZenML secret to store the password in.  [default: ALERTER_credentials]",
)
@click.option(
    "--stack",
    metavar="NAME",
    help="Stack to add the alerter to; it is created if it does not exist.  [default: the "
    "active stack, or email_stack instead of ZenML's own default stack]",
)
@click.option(
    "--no-input",
    is_flag=True,
    help="Ask nothing. Fail if something is missing, or would be replaced without --yes.",
)
@click.option("--yes", is_flag=True, help="Replace what exists without asking.")
@click.option("--dry-run", is_flag=True, help="Print the plan without changing anything.")
@click.option(
    "--doctor/--no-doctor",
    "check",
    default=True,
    help="Check the connection before anything is registered.",
)
def register(
    name: str,
    provider: str | None,
    secret: str | None,
    stack: str | None,
    no_input: bool,
    yes: bool,
    dry_run: bool,
    check: bool,
    **flags: str | None,
) -> None:
    """Ask, check the connection, show the plan, and register."""
    secret = secret or f"{name}_credentials"
    with waiting("Reading ZenML's store (importing ZenML takes some seconds)"):
        client = open_client()
        given = {
            option: _checked(option, value)
            for option, value in flags.items()
            if value is not None
        }
        old = find_alerter(client, name)
        warning = misplaced()
    if warning:
        click.secho(f"Warning: {warning}", fg="yellow", err=True)
    chosen = PROVIDERS[provider or _choose(old, no_input)]
    if chosen.note and not no_input:
        click.echo(click.wrap_text(chosen.note, 90))
    questions = (*COMMON_QUESTIONS, *chosen.questions)
    defaults = _stored_answers(old, chosen) if old and not no_input else {}
    while True:
        answers = _ask(questions, given, defaults, no_input)
        plan = chosen.plan(answers, secret=secret)
        _validate(plan)
        if not check or dry_run or _passes(name, plan, secret, no_input=no_input):
            break
        asked = {question.name for question in questions}
        given = {option: answer for option, answer in answers.items() if option not in asked}
        defaults = answers
    registration = Registration(
        client, plan, alerter=name, old_alerter=old, secret=secret, stack=stack or ""
    )
    steps = [*registration.steps()]
    click.echo("\nThe plan, as zenml commands:\n")
    click.echo("\n".join(step.command for step in steps if step.command) + "\n")
    replaced = [*registration.replaced()]
    for change in replaced:
        click.secho(change, fg="yellow")
    if dry_run:
        return
    if replaced and not yes:
        if no_input:
            raise Failure(
                "Nothing was changed, because what is listed above would be replaced.",
                remedy="Add --yes, or choose other names: zenmail register NAME "
                "--secret=... --stack=...",
                exit_code=2,
            )
        if not click.confirm("Continue?"):
            raise Failure("Nothing was changed.")
    with waiting("Registering"):
        for step in steps:
            step.apply()
            click.echo(step.done)
    click.echo(f"\nSend a test mail: zenmail doctor {name} --send")


def _passes(name: str, plan: Plan, secret: str, *, no_input: bool) -> bool:
    """Run doctor on the plan; return whether to register it, or else to ask again.

    Raises:
        Failure: A phase failed, and the user quits.
    """
    from .stored import assemble

    planned = assemble(name, plan.configuration, secrets={secret: plan.secret})
    # What is not registered yet is changed by other answers, which are options here.
    if report(replace(planned, commands=as_flags if no_input else lambda _: [])):
        return True
    click.echo()
    answer = "quit"
    if not no_input:
        answer = click.prompt(
            "Nothing was registered. Change the answers, register it anyway, or quit?",
            type=click.Choice(["change", "register", "quit"]),
            default="change",
        )
    if answer == "quit":
        raise Failure(
            "The check failed, so nothing was registered or changed.",
            remedy="Correct the settings and run it again. If only the cluster can reach the "
            "server, add --no-doctor.",
        )
    return bool(answer == "register")


def _stored_answers(alerter: ComponentResponse, provider: Provider) -> dict[str, str]:
    """Return the answers that an alerter was made of."""
    from ..settings import Secrets, as_mapping

    options = as_mapping(alerter.configuration.get("transport_options") or {})
    values = {**options, **options.get("oauth_options", {}), **alerter.configuration}
    same = provider is PROVIDERS[provider_of(alerter.configuration)]
    secrets, answers = Secrets(), {}
    for question in (*COMMON_QUESTIONS, *(provider.questions if same else ())):
        with contextlib.suppress(ConfigurationError):  # its secret is gone
            answers[question.name] = str(secrets.resolve(values.get(question.name, "")))
    return answers


def _choose(old: ComponentResponse | None, no_input: bool) -> str:
    keys = list(PROVIDERS)
    if no_input:
        raise Failure(
            "--provider is missing.", remedy=f"One of: {', '.join(keys)}.", exit_code=2
        )
    for number, key in enumerate(keys, start=1):
        click.echo(f"  {number}  {key:10} {PROVIDERS[key].title}")
    numbered = {str(number): key for number, key in enumerate(keys, start=1)}

    def look_up(answer: str) -> str:
        answer = answer.strip().lower()
        if (key := numbered.get(answer, answer)) not in keys:
            raise click.UsageError(f"{answer!r} is not one of {', '.join(keys)}.")
        return key

    default = provider_of(old.configuration) if old else None
    chosen: str = click.prompt("Provider", default=default, value_proc=look_up)
    return chosen


def _ask(
    questions: Iterable[Question],
    given: Mapping[str, str],
    defaults: Mapping[str, str],
    no_input: bool,
) -> dict[str, str]:
    """Return all answers, asking for those that are not given."""
    answers = dict(given)
    for question in questions:
        needless, answer = question.unless
        if (
            question.name in answers
            or (question.needs and not answers.get(question.needs))
            or (needless and answers.get(needless) == answer)
        ):
            continue
        default = defaults.get(question.name, "")
        if question.name == "smtp_port" and default in ("", usual_port(defaults)):
            default = usual_port(answers)
        if not no_input:
            answers[question.name] = _prompt(question, default)
        elif not (question.optional or default):
            flag = question.name.replace("_", "-")
            raise Failure(f"--{flag} is missing.", remedy=f"{question.text}.", exit_code=2)
    return answers


def _prompt(question: Question, default: str) -> str:
    """Ask until the answer is usable, and say what is wrong with one that is not."""
    hints = ["optional"] if question.optional else []
    if default and question.secret:
        hints.append("Enter keeps it")
    elif default and question.optional:
        hints.append("- for none")
    text = f"{question.text} ({', '.join(hints)})" if hints else question.text
    while True:
        answer = click.prompt(
            text,
            hide_input=question.secret,
            default=default,
            show_default=bool(default) and not question.secret,
        ).strip()
        if question.optional and answer in ("", "-"):
            return ""
        if not answer:
            click.echo(f"Error: {question.text} cannot be empty.")
            continue
        try:
            return _checked(question.name, answer)
        except ConfigurationError as error:
            click.echo(f"Error: {error}")


def _checked(option: str, answer: str) -> str:
    """Return an answer, a path in full.

    Raises:
        ConfigurationError: The alerter would refuse it.
    """
    if option == "smtp_ca_file" and answer:
        import ssl  # not for those who only ask for help

        path = Path(answer).expanduser().absolute()
        try:
            ssl.create_default_context(cafile=path)
        except OSError as error:
            raise ConfigurationError(f"smtp_ca_file: {path}: {error.strerror}.") from None
        return str(path)
    answer = answer.lower() if option == "smtp_security" else answer
    if option in _CHECKED_ALONE and answer:
        _validate(Plan({**_VALID, option: answer}, {}))
    return answer


_CHECKED_ALONE = (
    "sender_email",
    "recipient_email",
    "smtp_server",
    "smtp_port",
    "smtp_security",
)
_VALID = {"sender_email": "sender@example.com", "smtp_server": "localhost"}


def _validate(plan: Plan) -> None:
    """Check a configuration as ZenML does when it is registered.

    Raises:
        ConfigurationError: It is wrong.
    """
    from ..config import SMTPEmailAlerterConfig

    _ = SMTPEmailAlerterConfig(**plan.configuration).is_valid
