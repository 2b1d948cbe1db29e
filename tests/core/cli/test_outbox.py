"""`zenmail outbox`: the mails that wait."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import Result

from zenmail import Email, Ledger
from zenmail.ledger.claim import Fate
from zenmail.testing.smtp_server import Delay, SMTPServer

Run = Callable[..., Result]
Flags = Callable[..., list[str]]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A ledger with one mail that waits and one that failed."""
    box = Ledger(tmp_path / "ledger.db").outbox
    for subject, state in (("Waits", "waiting"), ("Failed", "failed")):
        email = Email(
            sender="a@example.com", to=["b@example.com"], subject=subject, text="Body"
        )
        fate = Fate(state, reason="451 Later\x1b[31m")  # type: ignore[arg-type]
        box.add(email, email.envelope, "at_most_once", fate)
    return tmp_path / "ledger.db"


def _names(ledger: Path) -> dict[str, str]:
    return {item.subject: item.name for item in Ledger(ledger).outbox.list()}


def test_list_names_each_mail_and_why(zenmail: Run, ledger: Path) -> None:
    """List shows subject, recipients, state and reason."""
    output = zenmail("outbox", "list", f"--ledger={ledger}").stdout
    for words in ("Waits", "Failed", "b@example.com", "451 Later", "2 mails"):
        assert words in output
    listed = json.loads(zenmail("outbox", "list", f"--ledger={ledger}", "--json").stdout)
    assert {item["state"] for item in listed} == {"waiting", "failed"}
    for item in listed:
        assert item["sender"] == "a@example.com"
        assert datetime.fromisoformat(item["created"]).tzinfo is not None
        assert isinstance(item["recipients"], list)


def test_show_prints_the_mail(zenmail: Run, ledger: Path) -> None:
    """Show prints the text; --raw prints what travels."""
    name = _names(ledger)["Waits"]
    assert "Body" in zenmail("outbox", "show", name, f"--ledger={ledger}").stdout
    raw = zenmail("outbox", "show", name, "--raw", f"--ledger={ledger}").stdout_bytes
    assert b"\r\n\r\n" in raw


def test_flush_sends_what_waits(
    zenmail: Run, server: SMTPServer, flags: Flags, ledger: Path
) -> None:
    """Flush sends the waiting mail and leaves the failed one alone."""
    result = zenmail("outbox", "flush", f"--ledger={ledger}", *flags(server))
    assert result.exit_code == 0, result.output
    assert [mail.message["Subject"] for mail in server.mails] == ["Waits"]
    assert [*_names(ledger)] == ["Failed"]


def test_flush_sends_the_failed_ones_when_told(
    zenmail: Run, server: SMTPServer, flags: Flags, ledger: Path
) -> None:
    """--failed sends those that were given up."""
    zenmail("outbox", "flush", "--failed", f"--ledger={ledger}", *flags(server))
    assert {mail.message["Subject"] for mail in server.mails} == {"Waits", "Failed"}


def test_flush_ends_with_1_when_something_stays(
    zenmail: Run, server: SMTPServer, flags: Flags, ledger: Path
) -> None:
    """A mail that cannot be sent stays, and the exit status says so."""
    server.on("mail", "451 4.3.0 Later")
    result = zenmail("outbox", "flush", f"--ledger={ledger}", *flags(server), "--deadline=1")
    assert result.exit_code == 1
    assert len(_names(ledger)) == 2


def test_work_drains_the_ledger_once(
    zenmail: Run, server: SMTPServer, flags: Flags, ledger: Path
) -> None:
    """--once sends what is due and ends; the log has a line for each mail, and its health."""
    result = zenmail("outbox", "work", "--once", f"--ledger={ledger}", *flags(server))
    assert result.exit_code == 0, result.output
    assert [mail.message["Subject"] for mail in server.mails] == ["Waits"]
    assert "delivered" in result.stderr
    assert "1 delivered, 0 failed, 0 waiting" in result.stderr
    assert "{" not in result.stderr


@pytest.mark.skipif(os.name == "nt", reason="needs SIGTERM")
def test_work_ends_cleanly_when_told(server: SMTPServer, flags: Flags, ledger: Path) -> None:
    """SIGTERM lets the mail under way finish; each line of the log is JSON."""
    server.on("body", Delay(0.5))
    command = [sys.executable, "-c", "from zenmail.cli import main; main()", "outbox", "work"]
    command += ["--json", "--rate=600/min", f"--ledger={ledger}", *flags(server)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not any(line.startswith(("DATA", "BDAT")) for line in server.lines()):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert [mail.message["Subject"] for mail in server.mails] == ["Waits"]
    lines = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
    assert [line["mail"]["outcome"] for line in lines if "mail" in line] == ["delivered"]
    assert lines[-1]["health"]["delivered"] == 1
    assert [*_names(ledger)] == ["Failed"]


@pytest.mark.parametrize("rate", ["0", "fast", "30/year", "-1/min", "٣/min"])
def test_a_rate_that_is_none(zenmail: Run, ledger: Path, rate: str) -> None:
    """A rate is a number, per minute unless it says otherwise."""
    result = zenmail("outbox", "work", "--once", f"--rate={rate}", f"--ledger={ledger}")
    assert result.exit_code == 2
    assert "30/min" in result.stderr


def test_drop_asks_first(zenmail: Run, ledger: Path) -> None:
    """Drop deletes after a yes, and nothing without one."""
    name = _names(ledger)["Waits"]
    assert zenmail("outbox", "drop", name, f"--ledger={ledger}", stdin="n\n").exit_code == 1
    assert len(_names(ledger)) == 2
    assert zenmail("outbox", "drop", name, f"--ledger={ledger}", stdin="y\n").exit_code == 0
    assert zenmail("outbox", "drop", "--failed", "--yes", f"--ledger={ledger}").exit_code == 0
    assert _names(ledger) == {}


def test_an_unknown_mail_is_a_users_error(zenmail: Run, ledger: Path) -> None:
    """A name that is not there ends with status 2 and one sentence."""
    result = zenmail("outbox", "show", "nothing", f"--ledger={ledger}")
    assert result.exit_code == 2
    assert "'nothing'" in result.stderr


def test_the_ledger_may_come_from_the_environment(
    zenmail: Run, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ZENMAIL_LEDGER names the ledger."""
    monkeypatch.setenv("ZENMAIL_LEDGER", str(ledger))
    assert "2 mails" in zenmail("outbox", "list").stdout
