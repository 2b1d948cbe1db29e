"""Options that several commands share: which transport, with what, from whom to whom."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click

from ..address import split_addresses
from ..errors import ConfigurationError

__all__ = ["MailerOptions", "complete_transports", "mailer_options"]

_Command = TypeVar("_Command", bound=Callable[..., Any])


def complete_transports(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Return the installed transports whose names start like this."""
    from ..plugins import PluginHost

    names = [offer.name for offer in PluginHost().installed()]
    return [name for name in names if name.startswith(incomplete)]


@dataclass(frozen=True)
class MailerOptions:
    """What the command line says of a transport, its options, sender and recipients."""

    transport: str = "smtp"
    options: dict[str, Any] = field(default_factory=dict, repr=False)
    sender: str = ""
    to: tuple[str, ...] = ()
    deadline: float = 30.0
    given: bool = False
    """Whether the transport or any of its options was typed."""


def mailer_options(command: _Command) -> _Command:
    """Give a command the shared options, as one argument ``mailer`` of `MailerOptions`."""

    @functools.wraps(command)
    def collect(
        *args: Any,
        transport: str | None,
        pairs: Sequence[str],
        sender: str,
        recipients: Sequence[str],
        deadline: float,
        password: str | None,
        **others: Any,
    ) -> Any:
        short = {
            name: others.pop(name)
            for name in ("host", "port", "security", "username", "ca_file")
        }
        options = {name: value for name, value in short.items() if value is not None}
        options.update(_parse_pair(pair) for pair in pairs)
        # Not the password, which may stand in the environment for another command.
        given = bool(transport or options)
        if password is not None and (
            not _from_environment("password") or _takes_password(transport or "smtp", options)
        ):
            options.setdefault("password", password)
        mailer = MailerOptions(
            transport=transport or "smtp",
            options=options,
            sender=sender,
            to=split_addresses(list(recipients)),
            deadline=deadline,
            given=given,
        )
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
    click.option("--host", metavar="NAME", help="The server's name."),
    click.option("--port", type=int, help="The server's port."),
    click.option(
        "--security",
        type=click.Choice(["starttls", "tls", "none"]),
        help="How the connection is encrypted.",
    ),
    click.option("--username", metavar="NAME", help="Name to log in with."),
    click.option(
        "--password",
        prompt=True,
        prompt_required=False,
        hide_input=True,
        envvar="ZENMAIL_PASSWORD",
        help="Password to log in with; asked for when no value follows.  "
        "[env var: ZENMAIL_PASSWORD]",
    ),
    click.option("--ca-file", metavar="FILE", help="Certificates of a private authority."),
    click.option(
        "-o",
        "--option",
        "pairs",
        metavar="KEY=VALUE",
        multiple=True,
        help="Any option of the transport; KEY=@FILE reads the value from a file.",
    ),
    click.option("--from", "sender", metavar="ADDRESS", default="", help="The sender."),
    click.option(
        "--to",
        "recipients",
        metavar="ADDRESS",
        multiple=True,
        help="A recipient; may be given again, or hold several with commas.",
    ),
    click.option(
        "--deadline",
        type=click.FloatRange(min=0, min_open=True),
        default=30.0,
        show_default=True,
        metavar="SECONDS",
        help="The time for everything.",
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
    if value[:1] in "[{" and value:
        try:
            return key, json.loads(value)
        except ValueError:
            raise click.BadParameter(
                f"The value of {key!r} starts like JSON and is none.", param_hint="-o"
            ) from None
    return key, value
