"""Write the pages that come from the source: settings.md and command-line.md.

Run it when options or commands change: ``python docs/scripts/generate.py``.
A test fails if the pages are out of date.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from zenmail.cli.app import app
from zenmail.cli.fields import FieldDoc, describe_fields
from zenmail.plugins import PluginHost

DOCS = Path(__file__).resolve().parent.parent
_TRANSPORTS = ("smtp", "ses", "graph", "file", "console")


def settings() -> str:
    """Return the page of all settings."""
    lines = [
        "# Settings",
        "",
        "<!-- Written by docs/scripts/generate.py; do not edit. -->",
        "",
        "## Alerter settings",
        "",
        "Attributes of `zenml alerter register NAME --flavor=smtp_email`. The same names go",
        'into `@step(settings={"alerter": {...}})`, and into `SMTPEmailAlerterParameters` for',
        "one post. A post's settings override the step's, then the pipeline's, then the",
        "alerter's.",
        "",
        "Any value can be a reference to a secret, `{{secret.key}}`, also inside",
        "`transport_options`. Write lists with commas or as JSON.",
        "",
        *_table(_alerter_fields()),
    ]
    host = PluginHost()
    for name in _TRANSPORTS:
        fields = describe_fields(host.transport(name).options_type)
        lines += ["", f"## Options of the transport {name}", ""]
        lines += [
            f"Keys of `transport_options` with `--transport={name}`.",
            "",
            *_table(fields),
        ]
    for name, options in _token_sources():
        lines += ["", f"## Options of the token source {name}", ""]
        lines += [f'Keys of `oauth_options` with `"oauth": "{name}"`.', "", *_table(options)]
    lines += ["", "## Environment variables", "", *_variables()]
    return "\n".join(lines) + "\n"


def _alerter_fields() -> Iterator[FieldDoc]:
    """Yield the alerter's settings, with the types that they have once they are resolved."""
    from zenmail_zenml.config import SMTPEmailAlerterSettings
    from zenmail_zenml.settings import Resolved

    types = {field.name: field.type for field in describe_fields(Resolved)}
    for field in describe_fields(SMTPEmailAlerterSettings):
        yield dataclasses.replace(field, type=types[field.name])


def _token_sources() -> Iterator[tuple[str, list[FieldDoc]]]:
    from zenmail_transports.tokens.google import GoogleOptions
    from zenmail_transports.tokens.microsoft import MicrosoftOptions

    yield "google", describe_fields(GoogleOptions)
    yield "microsoft", describe_fields(MicrosoftOptions)


def _variables() -> Iterator[str]:
    yield "| Variable | Meaning |"
    yield "|---|---|"
    yield "| `ZENMAIL_DISABLE_PLUGINS` | plugins that are not loaded, separated by commas |"
    yield "| `ZENMAIL_TRACE_PLUGINS` | set to `1` to log each hook call |"
    yield "| `ZENMAIL_PASSWORD` | password for `zenmail doctor`, `send` and `register` |"
    yield "| `ZENMAIL_LEDGER` | ledger for `zenmail outbox` |"


def _table(fields: Iterable[FieldDoc]) -> Iterator[str]:
    yield "| Name | Type | Default | Meaning |"
    yield "|---|---|---|---|"
    for field in fields:
        default = "**required**" if field.required else field.default
        kind = field.type.replace("|", "or")
        yield f"| `{field.name}` | {kind} | {default} | {_cell(field.meaning)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def command_line() -> str:
    """Return the page of all commands."""
    lines = [
        "# Command line",
        "",
        "<!-- Written by docs/scripts/generate.py; do not edit. -->",
        "",
        "```text",
        "zenmail COMMAND [OPTIONS]",
        "```",
        "",
        "## Exit status",
        "",
        "| Status | Meaning |",
        "|---|---|",
        "| 0 | done |",
        "| 1 | not delivered, or a check failed |",
        "| 2 | wrong usage or set-up; nothing was sent |",
        "| 3 | kept in the ledger, to be delivered later |",
        "| 4 | unknown: the answer was lost after the mail was sent |",
        "| 130 | interrupted |",
        "",
        "## Completion",
        "",
        "In bash, and likewise with `zsh_source` and `fish_source`:",
        "",
        "```text",
        'eval "$(_ZENMAIL_COMPLETE=bash_source zenmail)"',
        "```",
    ]
    context = click.Context(app, info_name="zenmail")
    for name in app.list_commands(context):
        command = app.get_command(context, name)
        if command is not None:
            lines += ["", *_command(command, f"zenmail {name}", "##")]
    return "\n".join(lines) + "\n"


def _command(command: click.Command, path: str, heading: str) -> Iterator[str]:
    yield f"{heading} {path}"
    yield ""
    text, _, examples = (command.help or command.short_help or "").partition("\b")
    yield re.sub(r"<|>", lambda found: f"\\{found[0]}", _paragraphs(text))
    if examples.strip():
        yield ""
        yield "```shell"
        yield "\n".join(line.removeprefix("  ") for line in examples.strip().splitlines()[1:])
        yield "```"
    context = click.Context(command)
    options = [item for item in command.params if isinstance(item, click.Option)]
    if options:
        yield ""
        yield "| Option | Meaning |"
        yield "|---|---|"
        for option in options:
            names, meaning = option.get_help_record(context) or ("", "")
            yield f"| `{_cell(names)}` | {_cell(meaning)} |"
    if isinstance(command, click.Group):
        for name, part in sorted(command.commands.items()):
            yield ""
            yield from _command(part, f"{path} {name}", heading + "#")


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n") if part.strip())


PAGES = {"settings.md": settings, "command-line.md": command_line}


def main(arguments: list[str]) -> int:
    """Write the pages, or with --check say which of them are not current."""
    stale = []
    for name, write in PAGES.items():
        page = DOCS / name
        text = write()
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in arguments:
                page.write_text(text, encoding="utf-8")
    if "--check" in arguments and stale:
        print(f"{', '.join(stale)}: run python docs/scripts/generate.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
