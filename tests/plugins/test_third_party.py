"""Somebody else's transport: built, installed with pip, selected by name, and tested."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parent / "zenmail-webhook"


def run(environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python where the project is installed."""
    return subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, check=False
    )


def test_it_is_listed_with_its_distribution(webhook: dict[str, str]) -> None:
    """``zenmail transports`` says who offers it."""
    done = run(webhook, "-c", "from zenmail.cli import main; main()", "transports", "--json")
    assert done.returncode == 0, done.stderr
    assert "zenmail-webhook" in json.dumps(json.loads(done.stdout))


def test_it_passes_the_conformance_suite(webhook: dict[str, str], tmp_path: Path) -> None:
    """Its own tests, most of which are zenmail's suite, pass on the installed project."""
    shutil.copytree(PROJECT / "tests", tmp_path / "tests")
    done = run(
        webhook, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", "-q", "-ra",
        "--rootdir", str(tmp_path), str(tmp_path / "tests"),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "failed" not in done.stdout


def test_who_does_not_select_it_does_not_import_it(webhook: dict[str, str]) -> None:
    """Its module stays out of a process that sends by another transport."""
    program = (
        "import sys\n"
        "from zenmail import Email, Mailer\n"
        "email = Email(sender='a@example.com', to='b@example.com', subject='s')\n"
        "assert Mailer('console').send(email).delivered\n"
        "assert 'zenmail_webhook' not in sys.modules\n"
        "Mailer('webhook', options={'url': 'http://localhost', 'token': 't'})\n"
        "assert 'zenmail_webhook' in sys.modules\n"
    )
    done = run(webhook, "-c", program)
    assert done.returncode == 0, done.stderr
