"""``zenmail register``: sets up an alerter for a mail provider."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

from zenmail.cli.app import Failure
from zenmail.cli.doctor import report
from zenmail.cli.mailer_options import SMTPOption, as_flags, warn_of_typed_secret
from zenmail.cli.stored import waiting

from .client import FLAVOR, FLAVOR_SOURCE, misplaced, open_client
from .providers import PROVIDERS, SECURITIES, Plan, Provider, Question

if TYPE_CHECKING:
    from zenml.client import Client
    from zenml.models import ComponentResponse, SecretResponse, StackResponse

__all__ = ["register"]

_Found = TypeVar("_Found")
# What an existing alerter may have left over from another provider.
_PROVIDER_ATTRIBUTES = (
    "transport",
    "transport_options",
    "smtp_server",
    "smtp_port",
    "smtp_security",
    "smtp_username",
    "smtp_ca_file",
    "password",
)
_COMPONENT_FLAGS = {
    "orchestrator": "-o",
    "artifact_store": "-a",
    "container_registry": "-c",
    "image_builder": "-i",
    "step_operator": "-s",
    "experiment_tracker": "-e",
    "model_deployer": "-d",
    "feature_store": "-f",
    "data_validator": "-dv",
    "annotator": "-an",
    "model_registry": "-r",
}
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


@dataclass(frozen=True)
class _Names:
    """The names to register in ZenML."""

    alerter: str
    secret: str
    stack: str


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
@_answer("recipient-email", "Recipients, separated by commas.")
@_answer("subject-prefix", "Text in front of each subject, such as [ZenML].")
@_smtp_answer("smtp-server")
@_smtp_answer("smtp-port", "With none, it is 25.")
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
        names = _Names(name, secret, stack or _default_stack(client))
        commands = list(_commands(client, plan, names))
        replaced = list(_replaced(client, plan, names))
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
        for done in _register(client, plan, names):
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


def _default_stack(client: Client) -> str:
    # ZenML's own default stack cannot be changed.
    active = client.active_stack_model.name
    return "email_stack" if active == "default" else active


def _commands(client: Client, plan: Plan, names: _Names) -> Iterator[str]:
    """Yield the equivalent zenml commands."""
    if not _has_flavor(client):
        yield f"zenml alerter flavor register {FLAVOR_SOURCE}"
    if plan.secret:
        verb = "update" if _find_secret(client, names.secret) else "create"
        values = " ".join(f"--{key}=YOUR_{key.upper()}" for key in plan.secret)
        yield f"zenml secret {verb} {names.secret} {values}"
    known = _find_alerter(client, names.alerter)
    attributes = [f"--{key}={shlex.quote(value)}" for key, value in plan.configuration.items()]
    start = (
        f"zenml alerter update {names.alerter}"
        if known
        else f"zenml alerter register {names.alerter} --flavor={FLAVOR}"
    )
    yield " \\\n    ".join([start, *attributes])
    stale = _stale(known, plan)
    if stale:
        yield f"zenml alerter remove-attribute {names.alerter} {' '.join(stale)}"
    if _find_stack(client, names.stack):
        yield f"zenml stack update {names.stack} -al {names.alerter}"
        yield f"zenml stack set {names.stack}"
    else:
        parts = client.active_stack_model.components
        flags = " ".join(
            f"{flag} {components[0].name}"
            for kind, components in parts.items()
            if components and (flag := _COMPONENT_FLAGS.get(str(kind)))
        )
        yield f"zenml stack register {names.stack} {flags} -al {names.alerter} --set"


def _replaced(client: Client, plan: Plan, names: _Names) -> Iterator[str]:
    """Yield a sentence about each thing that exists and would be overwritten or replaced."""
    from zenml.enums import StackComponentType

    if plan.secret and _find_secret(client, names.secret):
        yield f"The secret {names.secret} exists: {', '.join(plan.secret)} will be overwritten."
    known = _find_alerter(client, names.alerter)
    if known is not None:
        yield f"The alerter {names.alerter} exists and will be updated."
    stack = _find_stack(client, names.stack)
    for component in stack.components.get(StackComponentType.ALERTER, ()) if stack else ():
        if component.name != names.alerter:
            yield (
                f"The stack {names.stack} has the alerter {component.name}, which "
                f"{names.alerter} will replace."
            )


def _register(client: Client, plan: Plan, names: _Names) -> Iterator[str]:
    """Create or update flavor, secret, alerter and stack; yield a line about each."""
    from zenml.enums import StackComponentType

    kind = StackComponentType.ALERTER
    if not _has_flavor(client):
        client.create_flavor(FLAVOR_SOURCE, kind)
        yield f"Registered the flavor {FLAVOR}."
    if plan.secret:
        if _find_secret(client, names.secret):
            client.update_secret(names.secret, add_or_update_values=plan.secret)
            yield f"Updated the secret {names.secret}."
        else:
            client.create_secret(names.secret, plan.secret)
            yield f"Created the secret {names.secret}."
    alerter = _find_alerter(client, names.alerter)
    if alerter is None:
        alerter = client.create_stack_component(
            names.alerter, FLAVOR, kind, dict(plan.configuration)
        )
        yield f"Registered the alerter {names.alerter}."
    else:
        # ZenML removes attributes that are None.
        stale: dict[str, Any] = dict.fromkeys(_stale(alerter, plan))
        client.update_stack_component(
            alerter.id, kind, configuration={**stale, **plan.configuration}
        )
        yield f"Updated the alerter {names.alerter}."
    if _find_stack(client, names.stack):
        client.update_stack(names.stack, component_updates={kind: [alerter.id]})
        yield f"Added it to the stack {names.stack}."
    else:
        components = {
            part: found[0].id
            for part, found in client.active_stack_model.components.items()
            if found and part != kind
        }
        client.create_stack(names.stack, {**components, kind: alerter.id})
        yield f"Registered the stack {names.stack}."
    client.activate_stack(names.stack)
    yield f"Activated the stack {names.stack}."


def _stale(alerter: ComponentResponse | None, plan: Plan) -> list[str]:
    """Return the attributes left over from another provider."""
    held = alerter.configuration if alerter is not None else {}
    return [
        name for name in _PROVIDER_ATTRIBUTES if name in held and name not in plan.configuration
    ]


def _has_flavor(client: Client) -> bool:
    from zenml.enums import StackComponentType

    return bool(client.list_flavors(name=FLAVOR, type=StackComponentType.ALERTER).items)


def _find_alerter(client: Client, name: str) -> ComponentResponse | None:
    from zenml.enums import StackComponentType

    found = _find(
        lambda wanted: client.get_stack_component(
            StackComponentType.ALERTER, wanted, allow_name_prefix_match=False
        ),
        name,
    )
    if found is not None and found.flavor_name != FLAVOR:
        raise Failure(
            f"The alerter {name!r} already exists, with the flavor {found.flavor_name!r}.",
            remedy="Choose another name: zenmail register NAME",
            exit_code=2,
        )
    return found


def _find_secret(client: Client, name: str) -> SecretResponse | None:
    def get(wanted: str) -> SecretResponse:
        return client.get_secret(
            wanted, allow_partial_name_match=False, allow_partial_id_match=False
        )

    return _find(get, name)


def _find_stack(client: Client, name: str) -> StackResponse | None:
    return _find(lambda wanted: client.get_stack(wanted, allow_name_prefix_match=False), name)


def _find(get: Callable[[str], _Found], name: str) -> _Found | None:
    try:
        return get(name)
    except KeyError:
        return None
