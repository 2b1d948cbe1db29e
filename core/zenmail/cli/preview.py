"""``zenmail preview``: what a mail looks like, without sending it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from ..errors import ConfigurationError
from .app import Failure

__all__ = ["preview"]


@click.command(
    short_help="See what a mail looks like.",
    help="""See what a mail looks like: write it as HTML, text and .eml, and open the HTML.

    KIND is one of the mails that ZenML runs sent, success by default. With --alert the mail
    is made from a JSON file that holds the fields of an alert. Nothing is sent.

    \b
    Examples:
      zenmail preview failure
      zenmail preview --list
      zenmail preview failure --templates=my_templates
      zenmail preview --alert=alert.json --output=preview --no-open
    """,
)
@click.argument("kind", required=False)
@click.option(
    "--alert",
    "source",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A JSON file with the fields of an alert: title, body, severity, facts and so on.",
)
@click.option(
    "--templates",
    metavar="FOLDER",
    help='Templates that go before zenmail\'s own: a folder, or "package:folder".',
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the files.  [default: a new temporary folder]",
)
@click.option("--list", "listed", is_flag=True, help="List the kinds.")
@click.option("--open/--no-open", "opened", default=True, help="Open the HTML in the browser.")
def preview(
    kind: str | None,
    source: Path | None,
    templates: str | None,
    output: Path | None,
    listed: bool,
    opened: bool,
) -> None:
    """Write an alert's mail into a folder and open it."""
    from ..composing import samples

    kinds = samples.sample_names()
    if listed:
        click.echo("\n".join(kinds))
        return
    if source is not None:
        if kind is not None:
            raise click.UsageError("Give KIND or --alert, not both.")
        from ..alert import Alert

        try:
            alert, name = Alert.model_validate_json(source.read_bytes()), source.stem
        except ConfigurationError as error:
            raise Failure(
                f"{source}: {error.message}",
                remedy='Write it like {"title": "Step failed", "severity": "error"}.',
                exit_code=2,
            ) from error
    else:
        name = kind or "success"
        if name not in kinds:
            raise Failure(
                f"Unknown kind {name!r}.",
                remedy=f"Choose from {', '.join(kinds)}.",
                exit_code=2,
            )
        alert = samples.sample(name)
    folder = (output or Path(tempfile.mkdtemp(prefix="zenmail-preview-"))).absolute()
    written = samples.preview(alert, folder, name=name, templates=templates)
    for path in written:
        if path is not None:
            click.echo(path)
    if opened and written.html is not None:
        click.launch(written.html.as_uri())
