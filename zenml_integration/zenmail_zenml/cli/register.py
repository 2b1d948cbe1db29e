"""``zenmail register``: sets up an alerter for a mail provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import click

from zenmail.cli.app import Failure
from zenmail.cli.doctor import report
from zenmail.cli.mailer_options import SMTPOption, as_flags, warn_of_typed_secret
from zenmail.cli.stored import waiting

from .client import misplaced, open_client
from .providers import PROVIDERS, SECURITIES, Plan, Provider, Question
from .registration import Registration

__all__ = ["register"]

_HELP = """Register an alerter with ZenML: ask what the provider needs, check the connection,
and create secret, flavor, alerter and stack.

ALERTER is its name, email_alerter by default. Run it again with the same name to update it.
It prints the equivalent zenml commands first, and asks before it replaces anything.
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
    name: str, text: str = "", envvar: str | None = None, cls: type[click.Option] = click.Option
) -> Callable[[Any], Any]:
    return click.option(f"--{name}", cls=cls, metavar="TEXT", help=text, envvar=envvar,
                        show_envvar=envvar is not None,
                        callback=warn_of_typed_secret if envvar else None)  # fmt: skip


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
@_smtp_answer("password", envvar="ZENMAIL_PASSWORD")
@_smtp_answer("smtp-ca-file")
@_answer("tenant", "Microsoft: directory (tenant) ID or domain.")
@_answer("client-id", "Microsoft: application (client) ID.")
@_answer("client-secret", "Microsoft: client secret.", "ZENMAIL_CLIENT_SECRET")
@_answer("region", "Amazon SES: AWS region.")
@_answer("key-id", "Amazon SES: access key ID.  [default: the machine's credentials]")
@_answer("secret-key", "Amazon SES: secret access key.", "ZENMAIL_SECRET_KEY")
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
    """Ask, show the plan, check the connection, and register."""
    answers = {
        key.replace("_", "-"): value for key, value in flags.items() if value is not None
    }
    chosen = PROVIDERS[provider or _choose(no_input)]
    if chosen.note and not no_input:
        click.echo(click.wrap_text(chosen.note, 90))
    answers = _ask(chosen, answers, no_input)
    secret = secret or f"{name}_credentials"
    plan = chosen.plan(answers, secret=secret)
    with waiting("Reading ZenML's store (importing ZenML takes some seconds)"):
        client = open_client()
        _validate(plan)
        registration = Registration.prepare(
            client, plan, alerter=name, secret=secret, stack=stack or ""
        )
        commands, replaced = [*registration.commands()], [*registration.replaced()]
        warning = misplaced()
    if warning:
        click.secho(f"Warning: {warning}", fg="yellow", err=True)
    click.echo("\nThe plan, as zenml commands:\n")
    click.echo("\n".join(commands) + "\n")
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
    if check:
        _check(name, plan, secret, no_input=no_input)
    with waiting("Registering"):
        for done in registration.apply():
            click.echo(done)
    click.echo(f"\nSend a test mail: zenmail doctor {name} --send")


def _check(name: str, plan: Plan, secret: str, *, no_input: bool) -> None:
    """Run doctor on the plan.

    Raises:
        Failure: A phase failed, and the user does not want to register it anyway.
    """
    from .stored import assemble

    planned = assemble(name, plan.configuration, secrets={secret: plan.secret})
    # What is not registered yet is changed by running register with other options.
    if report(replace(planned, commands=as_flags)):
        click.echo()
        return
    click.echo()
    if no_input or not click.confirm("Nothing was registered yet. Register it anyway?"):
        raise Failure(
            "The check failed, so nothing was registered or changed.",
            remedy="Correct the settings and run it again. If only the cluster can reach the "
            "server, add --no-doctor.",
        )


def _choose(no_input: bool) -> str:
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
        return _one_of(keys, numbered.get(answer, answer))

    chosen: str = click.prompt("Provider", value_proc=look_up)
    return chosen


def _one_of(choices: Sequence[str], answer: str) -> str:
    """Return the answer if it is one of the choices; otherwise click asks again."""
    if answer not in choices:
        raise click.UsageError(f"{answer!r} is not one of {', '.join(choices)}.")
    return answer


def _ask(provider: Provider, given: Mapping[str, str], no_input: bool) -> dict[str, str]:
    """Return all answers, asking for those that are missing."""
    answers = dict(given)
    for question in (
        Question("sender-email", "Sender's address"),
        Question("sender-name", "Sender's name, may be empty", optional=True),
        Question("recipient-email", "Recipients, separated by commas"),
        Question(
            "subject-prefix", "Text in front of each subject, may be empty", optional=True
        ),
        *provider.questions,
    ):
        needless, answer = question.unless
        if (
            question.name in answers
            or (question.needs and not answers.get(question.needs))
            or (needless and answers.get(needless) == answer)
        ):
            continue
        if no_input and not question.optional:
            raise Failure(
                f"--{question.name} is missing.", remedy=f"{question.text}.", exit_code=2
            )
        if no_input:
            continue
        answers[question.name] = click.prompt(
            question.text,
            hide_input=question.secret,
            default="" if question.optional else None,
            show_default=False,
            value_proc=partial(_checked, question),
        )
    return answers


def _checked(question: Question, answer: str) -> str:
    answer = answer.strip()
    if question.choices and answer:
        return _one_of(question.choices, answer.lower())
    return answer


def _validate(plan: Plan) -> None:
    """Check the configuration before anything is registered."""
    from ..config import SMTPEmailAlerterConfig

    # Raises a ConfigurationError.
    _ = SMTPEmailAlerterConfig(**plan.configuration).is_valid
