"""`zenmail doctor`, `send` and `outbox` on an alerter that ZenML keeps."""

from __future__ import annotations

import json
import site
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from zenmail.testing.smtp_server import SMTPServer

pytestmark = [pytest.mark.zenml, pytest.mark.once]

Run = Callable[..., Result]


def _failed(result: Result) -> dict[str, Any]:
    assert result.exit_code == 1, result.output
    checks: list[dict[str, Any]] = json.loads(result.stdout)["checks"]
    (failed,) = [check for check in checks if check["status"] == "failed"]
    return failed


def test_doctor_reads_the_alerter(zenmail: Run, alerter: Any, server: SMTPServer) -> None:
    """By name: alerter and secret are read, and every phase passes without a mail."""
    result = zenmail("doctor", alerter.name, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    names = [check["name"] for check in found["checks"]]
    # Where the tests run from the source, doctor warns of it.
    assert [name for name in names if name != "packages"] == [
        "alerter", "secret", "configuration", "dns", "tcp", "starttls", "ehlo", "login",
        "sender", "recipients",
    ]  # fmt: skip
    assert found["alerter"] == alerter.name
    assert server.logins
    assert server.mails == []


def test_doctor_without_a_name_takes_the_active_stacks(
    zenmail: Run, alerter: Any, server: SMTPServer
) -> None:
    """Without a name it is the active stack's; --send mails a test to its recipient."""
    result = zenmail("doctor", "--send")
    assert result.exit_code == 0, result.output
    assert alerter.name in result.stdout
    assert server.mails[0].recipients == ["default@example.com"]


def test_a_missing_secret_is_named(zenmail: Run, register: Callable[..., Any]) -> None:
    """A secret that is gone fails at secret; the remedy makes it."""
    alerter = register(smtp_server="localhost", password="{{gone.smtp_password}}")
    failed = _failed(zenmail("doctor", alerter.name, "--json"))
    assert failed["name"] == "secret"
    assert "'gone'" in failed["detail"]
    assert "zenml secret create gone" in failed["remedy"]


def test_a_missing_key_is_named(zenmail: Run, register: Callable[..., Any]) -> None:
    """A secret without the key fails at secret, too."""
    alerter = register(smtp_server="localhost", password="{{email_credentials.pasword}}")
    failed = _failed(zenmail("doctor", alerter.name, "--json"))
    assert failed["name"] == "secret"
    assert "'pasword'" in failed["detail"]


def test_a_secret_in_options_written_as_json_is_read(
    zenmail: Run, register: Callable[..., Any], server: SMTPServer
) -> None:
    """Doctor logs in with it as the alerter does."""
    options = {
        "host": "localhost",
        "port": server.port,
        "username": "relay-account",
        "password": "{{email_credentials.smtp_password}}",
        "ca_file": str(server.ca_file),
    }
    alerter = register(transport_options=json.dumps(options))
    result = zenmail("doctor", alerter.name)
    assert result.exit_code == 0, result.output
    assert "Read from ZenML's store." in result.stdout
    assert server.logins


def test_the_commands_are_the_alerters(
    zenmail: Run, register: Callable[..., Any], server: SMTPServer
) -> None:
    """A password in a secret is changed there, and other settings, by their names, here."""
    common = {"smtp_server": "localhost", "smtp_port": str(server.port)}
    untrusted = register(**common)
    printed = zenmail("doctor", untrusted.name).stdout
    assert "What to do: Set smtp_ca_file to the certificate" in printed
    assert f"zenml alerter update {untrusted.name} --smtp_ca_file=FILE" in printed
    with SMTPServer(users={"u": "another"}) as other:
        refused = register(
            smtp_server="localhost",
            smtp_port=str(other.port),
            smtp_ca_file=str(other.ca_file),
            smtp_username="u",
            password="{{email_credentials.smtp_password}}",
        )
        printed = zenmail("doctor", "--alerter", refused.name).stdout
    assert "zenml secret update email_credentials --smtp_password=PASSWORD" in printed


def test_all_prints_a_table(zenmail: Run, register: Callable[..., Any], alerter: Any) -> None:
    """--all checks every alerter, one line each, and fails if one of them does."""
    broken = register(smtp_server="mail.invalid")
    result = zenmail("doctor", "--all")
    assert result.exit_code == 1
    rows = {line.split()[0]: line for line in result.stdout.splitlines() if line.strip()}
    assert rows[alerter.name].endswith("ok")
    assert "FAILED  dns: " in rows[broken.name]
    found = {
        item["alerter"]: item["ok"]
        for item in json.loads(zenmail("doctor", "--all", "--json").stdout)
    }
    assert found[alerter.name] is True
    assert found[broken.name] is False


@pytest.mark.parametrize("installed", [True, False])
def test_doctor_warns_of_a_zenmail_below_the_source_root(
    zenmail: Run, alerter: Any, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    """It says so where ZenML would import zenmail as the user's code, and passes."""
    from zenml.client import Client

    import zenmail_zenml

    folder = Path(zenmail_zenml.__file__).parents[1]
    monkeypatch.setattr(Client, "find_repository", lambda *_, **__: folder)
    monkeypatch.setattr(site, "getsitepackages", lambda: [str(folder)] if installed else [])
    monkeypatch.setattr(site, "getusersitepackages", lambda: "/nowhere")
    result = zenmail("doctor", alerter.name)
    assert result.exit_code == 0, result.output
    assert ("below ZenML's source root" in result.stdout) is not installed


def test_an_unknown_alerter_is_a_users_error(zenmail: Run, alerter: Any) -> None:
    """A name that ZenML does not know ends with status 2 and lists those that it does."""
    result = zenmail("doctor", "no-such-alerter")
    assert result.exit_code == 2
    assert alerter.name in result.stderr


def test_all_alerters_are_listed_however_many(zenmail: Run, register: Any) -> None:
    """The one that is meant is among those named, though others fill ZenML's first page."""
    names = [register(smtp_server="localhost").name for _ in range(21)]
    result = zenmail("doctor", "no-such-alerter")
    assert all(name in result.stderr for name in names)


def test_a_stack_without_alerter_is_a_users_error(zenmail: Run) -> None:
    """Without a name and without an alerter in the stack, the remedy is register."""
    result = zenmail("doctor")
    assert result.exit_code == 2
    assert "zenmail register" in result.stderr


def test_send_goes_through_the_alerter(zenmail: Run, alerter: Any, server: SMTPServer) -> None:
    """Send takes server, login and recipient from the alerter."""
    result = zenmail("send", f"--alerter={alerter.name}", "--subject=Hello", "Text")
    assert result.exit_code == 0, result.output
    assert server.mails[0].username
    assert server.mails[0].recipients == ["default@example.com"]


def test_outbox_of_the_alerter(
    zenmail: Run, register: Callable[..., Any], server: SMTPServer, tmp_path: Path
) -> None:
    """A mail that is not delivered waits in the alerter's ledger, and flush sends it."""
    configuration = {
        "smtp_server": "localhost",
        "smtp_port": str(server.port),
        "smtp_username": "relay-account",
        "password": "{{email_credentials.smtp_password}}",
        "smtp_ca_file": str(server.ca_file),
        "ledger": str(tmp_path / "ledger.db"),
        "deadline": "1.5",
    }
    alerter = register(**configuration)
    server.on("rcpt", "451 4.3.0 Later")
    assert zenmail("send", f"--alerter={alerter.name}", "Text").exit_code == 3
    assert "1 mail in" in zenmail("outbox", "list", f"--alerter={alerter.name}").stdout
    server.forget()
    result = zenmail("outbox", "flush", f"--alerter={alerter.name}")
    assert result.exit_code == 0, result.output
    assert len(server.mails) == 1


def test_the_ledger_of_a_local_store_needs_no_setting(zenmail: Run, alerter: Any) -> None:
    """Where ZenML's store is local, so is the ledger, beside its configuration."""
    from zenml.config.global_config import GlobalConfiguration

    result = zenmail("outbox", "list", f"--alerter={alerter.name}")
    assert result.exit_code == 0, result.output
    place = Path(GlobalConfiguration().config_directory) / "zenmail.db"
    assert str(place) in result.stdout
    assert place.is_file()


def test_an_alerter_without_ledger_is_a_users_error(
    zenmail: Run, register: Callable[..., Any]
) -> None:
    """Outbox on an alerter that has none says how to get one."""
    alerter = register(smtp_server="localhost", ledger="off")
    result = zenmail("outbox", "list", f"--alerter={alerter.name}")
    assert result.exit_code == 2
    assert "--ledger" in result.stderr
