"""The pytest plugin, as every project has it that zenmail is installed beside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_plugin_imports_little() -> None:
    """Pytest loads the plugin in every project; it brings in no transport and no ZenML."""
    program = (
        "import sys, zenmail.testing.pytest_plugin, zenmail.testing\n"
        "heavy = {'zenml', 'boto3', 'msal', 'aiosmtpd', 'trustme', 'rich', 'jinja2',\n"
        "    'zenmail.testing.conformance', 'zenmail.testing.smtp_server',\n"
        "    'zenmail_transports'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "assert zenmail.testing.TransportConformance and zenmail.testing.SMTPServer\n"
        "assert not hasattr(zenmail.testing, 'nothing')\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_fixture_is_there_for_everybody(tmp_path: Path) -> None:
    """A project that does nothing but install zenmail has ``captured_mail``."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text(
        "from zenmail import Email, Mailer\n"
        "def test_it(captured_mail):\n"
        "    email = Email(sender='a@example.com', to='b@example.com', subject='Hi')\n"
        "    Mailer('console').send(email)\n"
        "    captured_mail.assert_sent(subject='Hi', count=1)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
