from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from zenmail import Attachment, Email, Mailer, OptionsError, Receipt


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have forced colours."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def make_email(**changes: Any) -> Email:
    """Return a mail."""
    values: dict[str, Any] = {
        "sender": "Alerts <alerts@example.com>",
        "to": ["oncall@example.com"],
        "subject": "Step failed",
        "text": "Accuracy fell.\n",
    }
    return Email(**{**values, **changes})


def send(email: Email, **options: Any) -> Receipt:
    """Send a mail to the console."""
    with Mailer("console", options=options) as mailer:
        return mailer.send(email)


def test_a_mail_is_readable(capsys: pytest.CaptureFixture[str]) -> None:
    """Envelope, headers, text and attachments by name and size are printed."""
    email = make_email(
        cc="team@example.com",
        attachments=[Attachment(filename="metrics.csv", content=b"x" * 2500)],
        headers={"X-ZenML-Run": "run-7"},
    )
    receipt = send(email)
    shown = capsys.readouterr().out
    for expected in (
        "Envelope: alerts@example.com -> oncall@example.com, team@example.com",
        "From: Alerts <alerts@example.com>",
        "To: oncall@example.com",
        "Cc: team@example.com",
        "Subject: Step failed",
        f"Message-ID: {email.message_id}",
        "X-ZenML-Run: run-7",
        "Accuracy fell.",
        "Attachment: metrics.csv (text/csv, 2.5 kB)",
    ):
        assert expected in shown.splitlines()
    assert receipt.outcome == "delivered"
    assert receipt.accepted == email.envelope.recipients


def test_blind_copies_stand_in_the_envelope_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """No header that is printed names a Bcc recipient."""
    send(make_email(bcc="hidden@example.com"))
    lines = [line for line in capsys.readouterr().out.splitlines() if "hidden@" in line]
    assert len(lines) == 1
    assert lines[0].startswith("Envelope: ")
    assert "bcc" not in lines[0].lower()


def test_brackets_colours_and_long_lines_are_printed_as_they_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Text that looks like markup, and lines wider than the terminal, stay verbatim."""
    line = "[red]0[/red] :smile: " + "x" * 300
    send(make_email(subject="[bold]A[/bold]", text=line))
    shown = capsys.readouterr().out
    assert line in shown.splitlines()
    assert "Subject: [bold]A[/bold]" in shown
    assert "\x1b" not in shown


def test_html_goes_to_a_file_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each mail's HTML has its own private file, inline pictures included, and is named."""
    email = make_email(
        html='<img src="cid:logo" alt="Logo">',
        attachments=[Attachment(filename="l.png", content=b"\x89PNG", content_id="logo")],
    )
    folder = tmp_path / "new" / "html"
    receipts = [send(email, html_folder=str(folder)) for _ in range(2)]
    files = sorted(folder.iterdir())
    shown = capsys.readouterr().out
    assert len(files) == 2
    for file in files:
        assert f"HTML part: {file}" in shown
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.read_text("utf-8") == (
            '<img src="data:image/png;base64,iVBORw==" alt="Logo">'
        )
    assert any(str(files[0]) in note for receipt in receipts for note in receipt.notes)


def test_the_html_folder_is_no_link(tmp_path: Path) -> None:
    """A link in place of the folder is refused, and nothing is written behind it."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    receipt = send(make_email(html="<p>x</p>"), html_folder=str(tmp_path / "link"))
    assert receipt.outcome == "refused"
    assert receipt.code == "folder-unsafe"
    assert not list((tmp_path / "real").iterdir())


def test_stderr_takes_the_mail(capsys: pytest.CaptureFixture[str]) -> None:
    """``stream="stderr"`` leaves stdout to the program."""
    send(make_email(), stream="stderr")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Subject: Step failed" in captured.err


@pytest.mark.parametrize(
    "environment",
    [
        {"LANG": "C", "LC_ALL": "C"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "cp1252"},
    ],
)
def test_terminals_that_do_not_speak_utf8(environment: dict[str, str]) -> None:
    """A character that the terminal cannot show is written as an escape, never an error."""
    program = (
        "from zenmail import Email, Mailer\n"
        r"email = Email(sender='a@example.com', to='b@example.com', subject='\u4f60 \u2192',"
        r" text='g\u00fcn\u2713')"
        "\n"
        "receipt = Mailer('console').send(email)\n"
        "assert receipt.delivered, receipt\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONUTF8": "0", **environment},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"Subject: " in done.stdout
    assert b"\x1b" not in done.stdout


class Slow(io.StringIO):
    """A stream that counts how often it is written to."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        return len(text)


def test_mails_of_several_threads_do_not_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each mail reaches the stream in one piece."""
    stream = Slow()
    monkeypatch.setattr(sys, "stdout", stream)
    with Mailer("console") as mailer:
        threads = [
            threading.Thread(
                target=mailer.send, args=(make_email(text=f"body {number}\n" * 50),)
            )
            for number in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(stream.writes) == 8
    for text in stream.writes:
        assert len({line for line in text.splitlines() if line.startswith("body ")}) == 1
        assert text.count("Subject: ") == 1


def test_a_closed_terminal_is_a_failure_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that is gone does not come back: nobody waits for it, and it says what to do."""
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr(sys, "stdout", stream)
    with Mailer("console") as mailer:
        receipt = mailer.send(make_email())
    assert (receipt.outcome, receipt.attempts) == ("refused", 1)
    assert receipt.code == "console-closed"
    assert receipt.remedy


def test_a_broken_pipe_ends_neither_the_process_nor_its_output() -> None:
    """As in ``python run.py | head``, with words of the program before the mail."""
    program = (
        "import os, sys\n"
        "from zenmail import Email, Mailer\n"
        "reader, writer = os.pipe()\n"
        "sys.stderr = open(writer, 'w')\n"
        "os.close(reader)\n"
        "sys.stderr.write('words before it')\n"
        "mailer = Mailer('console', options={'stream': 'stderr'}, deadline=0.5)\n"
        "email = Email(sender='a@example.com', to=['b@example.com'], subject='s', text='t')\n"
        "print(mailer.send(email).outcome, flush=True)\n"
        "os._exit(0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout == "deferred\n", done


def test_unknown_options_are_refused() -> None:
    """A misspelt option is named, beside those that exist."""
    with pytest.raises(OptionsError, match=r"'html_foldr' is not an option.*html_folder"):
        Mailer("console", options={"html_foldr": "x"})
