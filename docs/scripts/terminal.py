"""Record doctor's output from real runs: ``python docs/scripts/terminal.py``."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from zenmail.testing import SMTPServer

IMAGES = Path(__file__).resolve().parents[1] / "images"
PASSWORD = "s3cret"  # noqa: S105 - of the server below


def record(name: str, *arguments: str) -> None:
    """Run doctor in colour and draw what it printed."""
    shown = ["zenmail", "doctor", *arguments]
    code = (
        "import click.utils; click.utils.should_strip_ansi = lambda *_: False; "
        "from zenmail.cli.app import app; app()"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code, *shown[1:]],
        env={**os.environ, "ZENMAIL_PASSWORD": PASSWORD},
        capture_output=True,
        text=True,
        check=False,
    )
    console = Console(record=True, width=124, file=io.StringIO(), force_terminal=True)
    console.print(f"$ {' '.join(shown)}", highlight=False)
    console.print(Text.from_ansi(done.stdout), highlight=False)
    svg = console.export_svg(title="zenmail doctor")
    # Fonts would be fetched from another company's server.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    (IMAGES / f"{name}.svg").write_text(
        "\n".join(line.rstrip() for line in svg.splitlines()) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    with SMTPServer(users={"alerts": PASSWORD}) as server:
        record(
            "doctor-failed",
            "--smtp-server=localhost",
            f"--smtp-port={server.port}",
            "--smtp-username=alerts",
            "--sender-email=alerts@example.com",
            "--recipient-email=team@example.com",
        )
