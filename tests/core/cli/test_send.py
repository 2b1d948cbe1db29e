"""`zenmail send`: one mail, and an exit status that says what became of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from zenmail.testing.smtp_server import Drop, SMTPServer

Run = Callable[..., Result]
Flags = Callable[..., list[str]]


def test_text_arrives(zenmail: Run, server: SMTPServer, flags: Flags) -> None:
    """The text is the body and --subject the subject."""
    result = zenmail("send", *flags(server), "--subject=Night run", "All *good*.")
    assert result.exit_code == 0, result.output
    message = server.mails[0].message
    assert "Night run" in message["Subject"]
    body = message.get_body(("plain",))
    assert body is not None
    assert "good" in body.get_content()
    assert message["Message-ID"] in result.output


def test_standard_input_and_attachments(
    zenmail: Run, server: SMTPServer, flags: Flags, tmp_path: Path
) -> None:
    """Without a text it is read from standard input; files travel along."""
    (tmp_path / "loss.csv").write_text("epoch,loss\n1,0.5\n")
    result = zenmail(
        "send", *flags(server), "--plain", f"--attach={tmp_path / 'loss.csv'}",
        stdin="caf\u00e9 & <tags>\n",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    message = server.mails[0].message
    body = message.get_body(("plain",))
    assert body is not None
    assert "caf\u00e9 & <tags>" in body.get_content()
    assert [part.get_filename() for part in message.iter_attachments()] == ["loss.csv"]


@pytest.mark.parametrize(
    ("reply", "status", "outcome"),
    [("550 5.1.1 No such user", 1, "refused"), ("451 4.3.0 Later", 1, "deferred")],
)
def test_status_when_it_is_not_delivered(
    zenmail: Run, server: SMTPServer, flags: Flags, reply: str, status: int, outcome: str
) -> None:
    """A mail that is not delivered ends with status 1, the reason on standard error."""
    server.on("rcpt", reply)
    result = zenmail("send", *flags(server), "--deadline=2", "Hello")
    assert result.exit_code == status
    assert outcome in result.stderr
    assert reply[4:] in result.stderr
    assert "Message-ID" not in result.stdout


def test_status_when_nobody_knows(zenmail: Run, server: SMTPServer, flags: Flags) -> None:
    """A connection lost after the mail was sent ends with status 4."""
    server.on("dot", Drop())
    result = zenmail("send", *flags(server), "Hello")
    assert result.exit_code == 4, result.output


def test_json_is_the_receipt(zenmail: Run, server: SMTPServer, flags: Flags) -> None:
    """--json prints the whole receipt."""
    result = zenmail("send", *flags(server), "--json", "Hello")
    receipt = json.loads(result.stdout)
    assert receipt["outcome"] == "delivered"
    assert receipt["accepted"] == ["you@example.com"]


def test_a_dry_run_sends_nothing(zenmail: Run, server: SMTPServer, flags: Flags) -> None:
    """--dry-run ends with status 0 and no connection."""
    result = zenmail("send", *flags(server), "--dry-run", "Hello")
    assert result.exit_code == 0
    assert server.connections == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--transport=console", "Hello"], "--sender-email"),
        (
            [
                "--transport=console",
                "--sender-email=a",
                "--recipient-email=b@example.com",
                "Hello",
            ],
            "not a mail address",
        ),
        (["--transport=console", "-o", "stream", "Hello"], "KEY=VALUE"),
        (["--transport=console", "-o", "stream={", "Hello"], "looks like JSON"),
        (["--transport=console", "--file=x", "Hello"], "not both"),
        (["--transport=console", "--alerter=x", "Hello"], "not both"),
        (
            [
                "--transport=smtp",
                "--sender-email=a@example.com",
                "--recipient-email=b@example.com",
                "x",
            ],
            "'--smtp-server' is required",
        ),
        (
            [
                "--smtp-server=x",
                "--smtp-port=0",
                "--sender-email=a@example.com",
                "--recipient-email=b@example.com",
                "x",
            ],
            "port",
        ),
    ],
)
def test_wrong_usage_is_one_sentence(zenmail: Run, arguments: list[str], says: str) -> None:
    """Wrong usage ends with status 2 and says what to change."""
    result = zenmail("send", *arguments)
    assert result.exit_code == 2, result.output
    assert says in result.stderr
    assert "Traceback" not in result.stderr
