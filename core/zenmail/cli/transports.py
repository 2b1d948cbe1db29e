"""``zenmail transports``: what is installed, and how to install the rest."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import click

from ..errors import ZenmailError
from .mailer_options import complete_transports

if TYPE_CHECKING:
    from ..plugins import PluginHost
    from .fields import FieldDoc

__all__ = ["transports"]


@dataclass(frozen=True)
class _Found:
    """What there is to say of one transport."""

    name: str
    distribution: str
    version: str
    installed: bool = False
    verifies: bool = False
    problem: str = ""
    remedy: str = ""
    options: list[FieldDoc] = field(default_factory=list)


@click.command(
    short_help="List transports and their options.",
    help="""List the transports, the packages that provide them, and their options.

    With NAME, show one transport's options with their types and defaults.

    \b
    Examples:
      zenmail transports
      zenmail transports smtp
      zenmail transports ses --json
    """,
)
@click.argument("name", required=False, shell_complete=complete_transports)
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def transports(name: str | None, as_json: bool) -> None:
    """Print the installed transports, or one of them in full."""
    from ..plugins import TRANSPORTS, WHAT_TO_INSTALL, PluginHost

    host = PluginHost()
    names = {offer.name for offer in host.installed()} | set(WHAT_TO_INSTALL[TRANSPORTS])
    if name:
        host.owner(name)
        names = {name}
    found = [_describe(host, known) for known in sorted(names)]
    if as_json:
        listed = [asdict(transport) for transport in found]
        click.echo(json.dumps(listed[0] if name else listed, indent=2))
        return
    for transport in found:
        _print(transport, full=bool(name))
    if not name:
        click.echo("\nTypes, defaults and meanings: zenmail transports NAME")


def _describe(host: PluginHost, name: str) -> _Found:
    from .fields import describe_fields

    offers = [offer for offer in host.installed() if offer.name == name]
    distribution = " and ".join(offer.distribution for offer in offers)
    version = " and ".join(offer.version for offer in offers)
    try:
        transport = host.transport(name)
    except ZenmailError as error:
        return _Found(name, distribution, version, problem=error.message, remedy=error.remedy)
    options = describe_fields(transport.options_type)
    return _Found(name, distribution, version, True, transport.verifies, options=options)


def _print(transport: _Found, *, full: bool) -> None:
    origin = f"{transport.distribution} {transport.version}".strip()
    click.echo(f"{click.style(transport.name, bold=True)}  ({origin or 'not installed'})")
    if transport.problem:
        click.secho(f"    {transport.problem}", fg="red")
        click.echo(f"    {transport.remedy}")
    if not full:
        names = ", ".join(option.name for option in transport.options)
        click.echo(f"    options: {names or 'none'}")
        return
    for option in transport.options:
        default = "required" if option.required else f"default: {option.default}"
        click.echo(f"    {click.style(option.name, bold=True)}  {option.type}; {default}")
        if option.meaning:
            click.echo(click.wrap_text(option.meaning, 90, " " * 8, " " * 8))
