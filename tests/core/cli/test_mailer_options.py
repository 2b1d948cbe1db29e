"""Options of the command line: which transport, with what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from zenmail import PluginHost
from zenmail.testing.smtp_server import SMTPServer

Run = Callable[..., Result]
Flags = Callable[..., list[str]]


def test_password_from_the_environment(
    zenmail: Run, server: SMTPServer, flags: Flags, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ZENMAIL_PASSWORD keeps the password out of the process list."""
    monkeypatch.setenv("ZENMAIL_PASSWORD", "canary-password-7f3a")
    result = zenmail("send", *flags(server, password=None), "Hello")
    assert result.exit_code == 0, result.output
    assert server.logins == ["u"]


def test_a_password_for_others_in_the_environment_stops_nothing(
    zenmail: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transport that has no password is given none; one that is typed is refused."""
    monkeypatch.setenv("ZENMAIL_PASSWORD", "canary-password-7f3a")
    typed = ["--transport=file", "-o", f"folder={tmp_path}", "--sender-email=a@example.com"]
    result = zenmail("send", *typed, "--recipient-email=b@example.com", "Hello")
    assert result.exit_code == 0, result.output
    assert list(tmp_path.glob("*.eml"))
    result = zenmail("send", *typed, "--recipient-email=b@example.com", "--password=x", "Hello")
    assert result.exit_code == 2
    assert "'password' is not an option" in result.output


def test_password_from_a_file(
    zenmail: Run, server: SMTPServer, flags: Flags, tmp_path: Path
) -> None:
    """-o KEY=@FILE reads an option's value from a file."""
    secret = tmp_path / "secret"
    secret.write_text("canary-password-7f3a\n")
    result = zenmail("send", *flags(server, password=None), "-o", f"password=@{secret}", "Hi")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    "name", ["host", "port", "security", "username", "password", "ca_file"]
)
def test_help_is_the_description_of_the_option(zenmail: Run, name: str) -> None:
    """The transport smtp describes its options; the command line repeats that."""
    field = PluginHost().transport("smtp").options_type.model_fields[name]
    assert field.description
    assert field.description in " ".join(zenmail("send", "--help").stdout.split())


def test_a_password_on_the_command_line_is_warned_of(
    zenmail: Run, server: SMTPServer, flags: Flags, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shell's history shows it; from the environment or a prompt, nothing is said."""
    result = zenmail("send", *flags(server, password="canary-password-7f3a"), "Hello")
    assert "--password VALUE can be seen" in result.output
    assert "canary-password" not in result.output
    monkeypatch.setenv("ZENMAIL_PASSWORD", "canary-password-7f3a")
    result = zenmail("send", *flags(server, password=None), "Hello")
    assert "can be seen" not in result.output
