"""The command group: help, errors, exit status, and commands of other packages."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint

import click
import pytest
from click.testing import Result

from zenmail.cli import app as app_module

Run = Callable[..., Result]


def _paths(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        return [path]
    context = click.Context(command)
    found = [path]
    for name in command.list_commands(context):
        part = command.get_command(context, name)
        assert part is not None
        found += _paths(part, (*path, name))
    return found


def test_every_command_has_help_with_a_short_line(zenmail: Run) -> None:
    """--help of each command works and says something, and so does -h."""
    for path in _paths(app_module.app):
        result = zenmail(*path, "--help")
        assert result.exit_code == 0, result.output
        assert result.output == zenmail(*path, "-h").output
        assert len(result.output.splitlines()) > 4


def test_help_imports_neither_zenml_nor_what_is_heavy() -> None:
    """`zenmail --help` stays quick: it loads no ZenML and no library of a transport."""
    script = (
        "import sys; from zenmail.cli.app import app; app(['--help'], standalone_mode=False); "
        "print(sorted({'zenml', 'boto3', 'jinja2', 'rich', 'sqlalchemy'} & {*sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert "demo" in done.stdout


def test_a_users_error_is_one_sentence_and_a_remedy(zenmail: Run) -> None:
    """An error of zenmail's ends with status 2 and without a traceback."""
    result = zenmail("transports", "pigeon")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("Error: No transport is called 'pigeon'")
    assert "Traceback" not in result.stderr


def test_a_missing_file_is_a_users_error(zenmail: Run) -> None:
    """A file that cannot be read is named; there is no traceback."""
    result = zenmail(
        "send", "--transport=console", "--sender-email=a@example.com",
        "--recipient-email=b@example.com",
        "--file=/nowhere/at/all",
    )  # fmt: skip
    assert result.exit_code == 2
    assert "/nowhere/at/all" in result.stderr


def test_an_interrupt_ends_quietly(zenmail: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends with status 130 and no traceback."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("zenmail.plugins.PluginHost.installed", interrupt)
    result = zenmail("transports")
    assert result.exit_code == 130
    assert result.stderr == "Interrupted.\n"


def test_an_unknown_command_is_wrong_usage(zenmail: Run) -> None:
    """A mistyped command ends with status 2."""
    assert zenmail("docter").exit_code == 2


def test_a_broken_package_does_not_break_help(
    zenmail: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that does not load is shown as such, and says why when it is called."""
    broken = EntryPoint("strange", "no_such_module_at_all:command", app_module.COMMANDS)
    monkeypatch.setattr(app_module, "entry_points", lambda **_: [broken])
    assert "(does not load)" in zenmail("--help").output
    result = zenmail("strange")
    assert result.exit_code == 2
    assert "no_such_module_at_all" in result.stderr


def test_the_version_is_the_distributions(zenmail: Run) -> None:
    """--version prints name and version."""
    from importlib.metadata import version

    assert zenmail("--version").output == f"zenmail, version {version('zenmail')}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_completion_for_the_usual_shells(shell: str) -> None:
    """The documented variable prints a completion script."""
    import shutil

    if shell == "bash" and shutil.which("bash") is None:
        pytest.skip("no bash here")
    done = subprocess.run(
        [sys.executable, "-c", "from zenmail.cli import main; main()"],
        env={"_ZENMAIL_COMPLETE": f"{shell}_source", "PATH": "/bin:/usr/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "zenmail" in done.stdout
