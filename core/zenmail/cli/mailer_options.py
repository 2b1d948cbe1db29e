"""Options that several commands share: which transport, with what, from whom to whom."""

from __future__ import annotations

import functools
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click

from ..address import split_addresses
from ..errors import ConfigurationError

__all__ = [
    "SMTP_DESCRIPTIONS",
    "SMTP_SETTINGS",
    "MailerOptions",
    "SMTPOption",
    "as_flag",
    "as_flags",
    "complete_transports",
    "mailer_options",
    "secret_option",
]

SMTP_SETTINGS = {
    "host": "smtp_server",
    "port": "smtp_port",
    "security": "smtp_security",
    "username": "smtp_username",
    "password": "password",
    "ca_file": "smtp_ca_file",
}
"""Options of the transport smtp that have a flag of their own, and their settings' names.

A flag is the setting with dashes: ``--smtp-ca-file`` for ``smtp_ca_file``."""

SMTP_DESCRIPTIONS = {
    "smtp_server": "Host name or IP address of the server.",
    "smtp_port": "Port of the server. With security tls, the default is 465.",
    "smtp_security": "Encryption of the connection: starttls, tls (from the first byte) or "
    "none. On port 465, the default is tls.",
    "smtp_username": "User name to log in with; a relay without a login needs none.",
    "password": "Password, app password or API key to log in with.",
    "smtp_ca_file": "PEM file of the certificate authorities to trust instead of the system's.",
}
"""What the transport says of them: to ask it would triple the time that help takes."""

_Command = TypeVar("_Command", bound=Callable[..., Any])


def complete_transports(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Return the installed transports whose names start like this."""
    from ..plugins import PluginHost

    names = [offer.name for offer in PluginHost().installed()]
    return [name for name in names if name.startswith(incomplete)]


def _warn_of_typed_secret(
    ctx: click.Context, parameter: click.Parameter, value: str | None
) -> str | None:
    """Warn of a secret on the command line: the shell's history and ``ps`` show it."""
    source = ctx.get_parameter_source(parameter.name or "")
    if value and source is click.core.ParameterSource.COMMANDLINE and "{{" not in value:
        variable = parameter.envvar if isinstance(parameter.envvar, str) else ""
        click.echo(
            f"Warning: {parameter.opts[0]} VALUE can be seen in the shell's history and the "
            "list of processes. Leave the value out to be asked"
            f"{variable and f', or set {variable}'}.",
            err=True,
        )
    return value


secret_option = functools.partial(
    click.option,
    prompt=True,
    prompt_required=False,
    hide_input=True,
    show_envvar=True,
    callback=_warn_of_typed_secret,
    help="Without a value, zenmail asks for it.",
)
"""An option whose value zenmail asks for if it is given without one."""


class SMTPOption(click.Option):
    """An option of the transport smtp; ``help`` adds to what it says of itself."""

    def __init__(self, *names: Any, **settings: Any) -> None:
        super().__init__(*names, **settings)
        self.help = f"{SMTP_DESCRIPTIONS[self.name or '']} {self.help or ''}".strip()


def as_flag(option: str) -> str:
    """Return the flag that sets an option of the transport."""
    if option in SMTP_SETTINGS:
        return f"--{SMTP_SETTINGS[option].replace('_', '-')}"
    return f"-o {option}"


def as_flags(options: Mapping[str, str]) -> list[str]:
    """Return the flags that set a transport's options, with their values.

    Without a value, zenmail asks for the password, and no list of processes shows it.
    """
    return [
        as_flag(option) + ("" if option == "password" else f"={shlex.quote(value)}")
        for option, value in options.items()
    ]


@dataclass(frozen=True)
class MailerOptions:
    """Transport, options, sender and recipients from the command line."""

    transport: str = "smtp"
    options: dict[str, Any] = field(default_factory=dict, repr=False)
    sender: str = ""
    to: tuple[str, ...] = ()
    deadline: float = 30.0
    given: bool = False
    """Whether the transport or any of its options was given."""


def mailer_options(command: _Command) -> _Command:
    """Give a command the shared options, as one argument ``mailer`` of `MailerOptions`."""

    @functools.wraps(command)
    def collect(
        *args: Any,
        transport: str | None,
        pairs: Sequence[str],
        sender_email: str,
        recipient_email: Sequence[str],
        deadline: float,
        password: str | None,
        **others: Any,
    ) -> Any:
        options: dict[str, Any] = {
            option: value
            for option, setting in SMTP_SETTINGS.items()
            if option != "password" and (value := others.pop(setting)) is not None
        }
        options.update(_parse_pair(pair) for pair in pairs)
        # Not the password, which may stand in the environment for another command.
        given = bool(transport or options)
        transport = transport or "smtp"
        if password is not None and (
            not _from_environment("password") or _takes_password(transport, options)
        ):
            options.setdefault("password", password)
        to = split_addresses(list(recipient_email))
        mailer = MailerOptions(transport, options, sender_email, to, deadline, given)
        return command(*args, mailer=mailer, **others)

    for decorate in reversed(_OPTIONS):
        collect = decorate(collect)
    return collect  # type: ignore[return-value]


_OPTIONS = [
    click.option(
        "--transport",
        metavar="NAME",
        shell_complete=complete_transports,
        help="Transport to use; `zenmail transports` lists them.  [default: smtp]",
    ),
    click.option("--smtp-server", cls=SMTPOption, metavar="NAME"),
    click.option("--smtp-port", cls=SMTPOption, type=int),
    click.option(
        "--smtp-security", cls=SMTPOption, type=click.Choice(["starttls", "tls", "none"])
    ),
    click.option("--smtp-username", cls=SMTPOption, metavar="NAME"),
    secret_option("--password", cls=SMTPOption, envvar="ZENMAIL_PASSWORD"),
    click.option("--smtp-ca-file", cls=SMTPOption, metavar="FILE"),
    click.option(
        "-o",
        "--option",
        "pairs",
        metavar="KEY=VALUE",
        multiple=True,
        help="Any option of the transport, may be repeated; KEY=@FILE reads the value from a "
        "file.",
    ),
    click.option("--sender-email", metavar="ADDRESS", default="", help="Sender of the mail."),
    click.option(
        "--recipient-email",
        metavar="ADDRESS",
        multiple=True,
        help="Recipients, separated by commas; may be repeated.",
    ),
    click.option(
        "--deadline",
        type=click.FloatRange(min=0, min_open=True),
        default=30.0,
        show_default=True,
        metavar="SECONDS",
        help="Seconds allowed for everything, retries included.",
    ),
]


def _from_environment(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.ENVIRONMENT


def _takes_password(transport: str, options: Mapping[str, Any]) -> bool:
    from ..plugins import PluginHost

    try:
        known = PluginHost().transport(transport).options_type.model_fields
    except ConfigurationError:  # said when the transport is used
        return False
    return "password" in known and not options.get("oauth")


def _parse_pair(pair: str) -> tuple[str, Any]:
    key, separator, value = pair.partition("=")
    if not (key and separator):
        raise click.BadParameter(f"{pair!r} is not KEY=VALUE.", param_hint="-o")
    if value.startswith("@"):
        return key, Path(value[1:]).read_text(encoding="utf-8").strip()
    if not value.startswith(("[", "{")):
        return key, value
    try:
        return key, json.loads(value)
    except ValueError:
        raise click.BadParameter(
            f"The value of {key!r} looks like JSON but does not parse.", param_hint="-o"
        ) from None
