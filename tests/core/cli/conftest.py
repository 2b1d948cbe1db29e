from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result

from zenmail.cli.app import app
from zenmail.cli.mailer_options import SMTP_SETTINGS
from zenmail.testing.smtp_server import SMTPServer


@pytest.fixture
def zenmail() -> Callable[..., Result]:
    """Run the command line inside this process."""

    def run(*arguments: str, stdin: str = "") -> Result:
        return CliRunner().invoke(app, arguments, input=stdin, prog_name="zenmail")

    return run


@pytest.fixture
def server(canaries: dict[str, str]) -> Iterator[SMTPServer]:
    """A server that wants STARTTLS and the login of the user u."""
    with SMTPServer(users={"u": canaries["password"]}) as running:
        yield running


@pytest.fixture
def flags(canaries: dict[str, str]) -> Callable[..., list[str]]:
    """Options of the command line that reach a server; None leaves one out.

    They go by the names of the SMTP transport's options, and sender and to.
    """

    def build(server: SMTPServer, **changes: str | None) -> list[str]:
        values = {
            "host": "localhost",
            "port": str(server.port),
            "username": "u",
            "password": canaries["password"],
            "ca_file": str(server.ca_file),
            "sender": "alerts@example.com",
            "to": "you@example.com",
        } | changes
        settings = {**SMTP_SETTINGS, "sender": "sender_email", "to": "recipient_email"}
        return [
            f"--{settings.get(name, name).replace('_', '-')}={value}"
            for name, value in values.items()
            if value is not None
        ]

    return build
