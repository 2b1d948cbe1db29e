"""The ``zenmail`` command: one file for each of its commands."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line; the exit status is described in `zenmail.cli.app`."""
    from .app import app

    app(prog_name="zenmail")
