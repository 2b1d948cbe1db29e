"""``zenmail demo``: a real pipeline with real alerts, without touching the user's ZenML."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from zenmail.cli.app import Failure

from .providers import Plan
from .registration import Registration

if TYPE_CHECKING:
    from rich.console import Console

    from .demo_sinks import Sink

__all__ = ["demo", "run_pipeline"]

_MAILS = 4
# Begins the lines on standard error that tell of the progress.
_PROGRESS = "@zenmail "
_HELP = """See zenmail work: run a real ZenML pipeline and look at the mails it sends.

The demo registers the flavor, a secret, an alerter and a stack in a ZenML store of its own. It
runs a pipeline that posts a line of text, posts its own HTML, succeeds with a success hook and
fails with a failure hook. It neither reads nor changes your ZenML configuration, and nothing
leaves this machine.

\b
Examples:
  zenmail demo
  zenmail demo --transport=smtp
  zenmail demo --transport=file --output=mails
"""


@click.command(short_help="See it work, without any set-up.", help=_HELP)
@click.option(
    "--transport",
    type=click.Choice(["console", "smtp", "file"]),
    default="console",
    show_default=True,
    help="smtp sends to a server started for the demo, with STARTTLS and a login; "
    "file leaves .eml files.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the mails, the pipeline and the store.  [default: a new temporary folder]",
)
def demo(transport: str, output: Path | None) -> None:
    """Run the pipeline in a separate process and show the mails."""
    from rich.console import Console

    from .demo_sinks import open_sink, show

    needed = ("sqlmodel", "trustme") if transport == "smtp" else ("sqlmodel",)
    if not all(map(importlib.util.find_spec, needed)):
        raise Failure(
            "The packages for a local ZenML store and mail server are not installed.",
            remedy='pip install "zenmail[local]"',
            exit_code=2,
        )
    output = (output or Path(tempfile.mkdtemp(prefix="zenmail-demo-"))).absolute()
    output.mkdir(parents=True, exist_ok=True)
    earlier = set(output.iterdir())
    console = Console(highlight=False, soft_wrap=True)
    started = time.monotonic()
    store, log, pipeline = (
        output / name for name in ("zenmail-demo-store", "zenml.log", "demo_pipeline.py")
    )
    shutil.rmtree(store, ignore_errors=True)  # an earlier demo's
    store.mkdir()
    shutil.copyfile(Path(__file__).with_name(pipeline.name), pipeline)
    with open_sink(transport, output) as sink:
        _run(console, output, store, log, sink)
        show(sink.received(), output)
        note = sink.note()
    written = sorted(set(output.iterdir()) - earlier)
    pages = [path for path in written if path.suffix == ".html"]
    kept = [*pages, *(path for path in written if path.suffix == ".eml")]
    console.print(
        f"\n{len(pages)} mails were sent in {time.monotonic() - started:.0f} s. {note}"
    )
    for path in [*kept, pipeline, log]:
        console.print(f"  {path}", markup=False)
    if len(pages) != _MAILS:
        raise Failure(
            f"The demo should have sent {_MAILS} mails.",
            remedy=f"Look at {log}.",
        )
    if not note:  # a server that has stopped by now
        again = (
            f"cd {quote(str(output))} && ZENML_CONFIG_PATH={quote(str(store))} "
            "zenml pipeline run demo_pipeline.zenmail_demo --stack demo"
        )
        console.print(f"\nRun it again, in the demo's store:\n  {again}", markup=False)
    console.print("\nNext: set it up for your own provider with [bold]zenmail register[/bold].")


def _environment(console: Console, project: Path, store: Path) -> dict[str, str]:
    """Return the environment without any configuration of ZenML."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ZENML_", "ZENMAIL_")) and name != "DISABLE_DATABASE_MIGRATION"
    }
    if console.is_terminal and not console.no_color:
        kept["FORCE_COLOR"] = "1"
    return {
        **kept,
        "COLUMNS": str(console.width),
        "PYTHONPATH": os.pathsep.join([str(project), *filter(None, [kept.get("PYTHONPATH")])]),
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        "PYTHONWARNINGS": "ignore",
        "ZENML_ANALYTICS_OPT_IN": "false",
        "ZENML_CONFIG_PATH": str(store),
        "ZENML_CUSTOM_SOURCE_ROOT": str(project),
        "ZENML_DISABLE_STEP_NAMES_IN_LOGS": "true",
        "ZENML_ENABLE_RICH_TRACEBACK": "false",
        "ZENML_LOGGING_COLORS_DISABLED": "true",
        "ZENML_REPOSITORY_PATH": str(store),
    }


def _run(console: Console, project: Path, store: Path, log: Path, sink: Sink) -> None:
    """Run the store's process and show its progress."""
    from rich.text import Text

    plan = {"configuration": sink.configuration, "secret": {"smtp_password": sink.password}}
    with (
        log.open("w", buffering=1, encoding="utf-8") as file,
        console.status("Starting ...") as status,
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from zenmail_zenml.cli.demo import run_pipeline; run_pipeline()",
            ],
            cwd=project,
            env=_environment(console, project, store),
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stderr is not None
        try:
            process.stdin.write(json.dumps(plan))
            process.stdin.close()
            for line in process.stderr:
                text = Text.from_ansi(line.rstrip("\n"))
                if line.startswith(_PROGRESS):
                    words = f"{line.removeprefix(_PROGRESS).strip()} ..."
                    status.update(words)
                    if not console.is_terminal:
                        console.print(words)
                    continue
                file.write(f"{text.plain}\n")
                if sink.prints:
                    console.print(text)
            process.wait()
        finally:
            process.kill()
    if process.returncode:
        tail = "\n".join(log.read_text(encoding="utf-8").splitlines()[-15:])
        raise Failure(f"The demo's pipeline failed to run:\n{tail}", remedy=f"Full log: {log}")


def run_pipeline() -> None:
    """Read a plan from standard input, register it and run the demo's pipeline.

    The plan is JSON: ``configuration`` of the alerter and ``secret``, values by key.
    """
    plan = Plan(**json.load(sys.stdin))
    _tell("Starting ZenML (the first start creates its database)")
    from zenml.client import Client

    client = Client()
    registration = Registration(
        client,
        plan,
        alerter="email_alerter",
        old_alerter=None,
        secret="email_credentials",  # noqa: S106 - a name
        stack="demo",
    )
    _tell("Registering flavor, secret, alerter and stack")
    for step in registration.steps():
        step.apply()
    _tell("Running the pipeline")
    demo_pipeline = importlib.import_module("demo_pipeline")  # the user's copy
    try:
        demo_pipeline.zenmail_demo()
    except Exception:  # the pipeline fails on purpose
        if not client.list_pipeline_runs(size=1).items:
            raise


def _tell(words: str) -> None:
    print(_PROGRESS + words, file=sys.stderr, flush=True)
