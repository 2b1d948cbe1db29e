"""The command group: finds commands by name and turns errors into one sentence.

Exit status of every command:

```
0   done
1   not delivered, or a check failed
2   wrong usage or set-up; no mail was sent
3   kept in the ledger, to be delivered later
4   unknown: the mail was sent, but the server never confirmed it
130 interrupted
```
"""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import EntryPoint, entry_points, version
from typing import IO, Any

import click

from ..errors import ConfigurationError, ZenmailError

__all__ = ["COMMANDS", "Failure", "app"]

COMMANDS = "zenmail.commands"
"""Entry-point group of commands from other packages; each names a click command."""

_BUILT_IN = ("doctor", "outbox", "preview", "send", "transports")


class Failure(click.ClickException):
    """An error shown to the user as a sentence and a remedy, without a traceback."""

    exit_code: int  # type: ignore[misc]  # click declares it as the class's

    def __init__(self, message: str, *, remedy: str = "", exit_code: int = 1) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.exit_code = exit_code  # pyright: ignore[reportIncompatibleVariableOverride]

    @classmethod
    def of(cls, error: ZenmailError) -> Failure:
        """Return the failure to show for an error."""
        origin = f"{error.transport}: " if error.transport else ""
        return cls(
            f"{origin}{error.message}",
            remedy=error.remedy,
            exit_code=2 if isinstance(error, ConfigurationError) else 1,
        )

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the sentence, and below it what to do."""
        stream = file or sys.stderr
        label = click.style("Error:", fg="red", bold=True)
        click.echo(f"{label} {self.message}", file=stream)
        if self.remedy:
            click.echo(f"       {self.remedy}", file=stream)


class _Commands(click.Group):
    """The built-in commands and those of other packages, imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*_BUILT_IN, *_contributed()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _BUILT_IN:
            module = importlib.import_module(f".{cmd_name}", __package__)
            command: object = getattr(module, cmd_name)
        else:
            entry_point = _contributed().get(cmd_name)
            command = entry_point and _load(entry_point)
        return command if isinstance(command, click.Command) else None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            raise click.exceptions.Exit(130) from None
        except ZenmailError as error:
            raise Failure.of(error) from error
        except OSError as error:
            if error.filename is None:
                raise
            raise Failure(f"{error.filename}: {error.strerror}.", exit_code=2) from error


def _contributed() -> dict[str, EntryPoint]:
    return {item.name: item for item in entry_points(group=COMMANDS)}


def _load(entry_point: EntryPoint) -> object:
    try:
        return entry_point.load()
    except Exception as error:
        reason = f"The package that provides {entry_point.name!r} does not load: {error}"

    def fail() -> None:
        raise Failure(reason, remedy="Update or uninstall that package.", exit_code=2)

    return click.Command(entry_point.name, callback=fail, short_help="(does not load)")


_HELP = """Send a ZenML pipeline's alerts by e-mail.

\b
See it work, without any set-up:     zenmail demo
Set it up for your provider:         zenmail register
Find out why no mail arrives:        zenmail doctor
"""


@click.group(
    cls=_Commands,
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96},
)
@click.version_option(version("zenmail"), prog_name="zenmail")
def app() -> None:
    """Group the commands."""
