"""`zenmail doctor` against servers that are set up in the wrong way."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

from click.testing import Result

from zenmail.testing.smtp_server import SMTPServer

Run = Callable[..., Result]
Flags = Callable[..., list[str]]
WRONG = "canary-wrong-password-0c6e"


def _failed(result: Result) -> dict[str, Any]:
    """Return the phase that failed; it is one, and all behind it were left out."""
    assert result.exit_code == 1, result.output
    found = json.loads(result.stdout)
    assert found["ok"] is False
    failed: list[dict[str, Any]] = [
        check for check in found["checks"] if check["status"] == "failed"
    ]
    assert len(failed) == 1
    behind = found["checks"][found["checks"].index(failed[0]) + 1 :]
    assert {check["status"] for check in behind} <= {"skipped"}
    assert found["advice"] == failed[0]["remedy"]
    return failed[0]


def test_everything_passes_and_nothing_is_sent(
    zenmail: Run, server: SMTPServer, flags: Flags
) -> None:
    """A working set-up passes every phase, each with its time, and no mail arrives."""
    result = zenmail("doctor", "--json", *flags(server))
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    names = [check["name"] for check in found["checks"]]
    assert names == [
        "configuration", "dns", "tcp", "starttls", "ehlo", "login", "sender", "recipients",
    ]  # fmt: skip
    assert found["ok"] is True
    assert all(check["seconds"] > 0 for check in found["checks"])
    assert server.mails == []


def test_the_report_is_readable(zenmail: Run, server: SMTPServer, flags: Flags) -> None:
    """Without --json there is a line for each phase and a sentence at the end."""
    result = zenmail("doctor", *flags(server))
    assert "ok      login" in result.stdout
    assert "Everything passed.\nNo mail was sent" in result.stdout


def test_send_sends_one_mail(zenmail: Run, server: SMTPServer, flags: Flags) -> None:
    """--send mails a test when all phases passed."""
    result = zenmail("doctor", "--send", *flags(server))
    assert result.exit_code == 0, result.output
    assert [mail.recipients for mail in server.mails] == [["you@example.com"]]
    assert "Test mail" in server.mails[0].message["Subject"]


def test_send_sends_nothing_when_a_phase_fails(
    zenmail: Run, server: SMTPServer, flags: Flags
) -> None:
    """--send keeps the test mail back when a phase fails."""
    result = zenmail("doctor", "--send", *flags(server, password=WRONG))
    assert result.exit_code == 1
    assert server.mails == []


def test_send_needs_a_recipient(zenmail: Run, server: SMTPServer, flags: Flags) -> None:
    """--send without anybody to send to is a failed configuration, not a silent pass."""
    failed = _failed(zenmail("doctor", "--send", "--json", *flags(server, to=None)))
    assert failed["name"] == "configuration"
    assert "--recipient-email" in failed["remedy"]


def test_wrong_host(zenmail: Run, server: SMTPServer, flags: Flags) -> None:
    """A name that does not exist fails at dns and is named."""
    failed = _failed(zenmail("doctor", "--json", *flags(server, host="mail.invalid")))
    assert failed["name"] == "dns"
    assert failed["code"] == "dns"
    assert "mail.invalid" in failed["detail"]
    assert "typing mistake" in failed["remedy"]


def test_closed_port(zenmail: Run, server: SMTPServer, flags: Flags) -> None:
    """A port that nobody listens on fails at tcp and is named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
    failed = _failed(zenmail("doctor", "--json", *flags(server, port=port)))
    assert failed["name"] == "tcp"
    assert failed["code"] == "connect"
    assert port in failed["detail"]
    assert "587" in failed["remedy"]


def test_tls_on_the_starttls_port(zenmail: Run, server: SMTPServer, flags: Flags) -> None:
    """Implicit TLS on a port that begins in clear fails at tls; the remedy is STARTTLS."""
    failed = _failed(zenmail("doctor", "--json", *flags(server, security="tls")))
    assert failed["name"] == "tls"
    assert "starttls" in failed["remedy"]


def test_starttls_on_the_tls_port(zenmail: Run, flags: Flags) -> None:
    """STARTTLS on a port that begins with TLS fails in time; the remedy is tls."""
    with SMTPServer(security="tls", users={"u": "canary-password-7f3a"}) as server:
        result = zenmail("doctor", "--json", *flags(server), "--deadline=2")
    failed = _failed(result)
    assert "tls" in failed["remedy"]


def test_private_authority(zenmail: Run, server: SMTPServer, flags: Flags) -> None:
    """A certificate of an authority that nobody was told to trust fails; the flag heals it."""
    failed = _failed(zenmail("doctor", "--json", *flags(server, ca_file=None)))
    assert failed["name"] == "starttls"
    assert "--smtp-ca-file" in failed["remedy"]


def test_wrong_password(zenmail: Run, server: SMTPServer, flags: Flags) -> None:
    """A wrong password fails at login, and stands nowhere in the report."""
    result = zenmail("doctor", "--json", *flags(server, password=WRONG))
    failed = _failed(result)
    assert failed["name"] == "login"
    assert "password" in failed["remedy"]
    assert WRONG not in result.output


def test_microsoft_with_a_password(zenmail: Run, server: SMTPServer, flags: Flags) -> None:
    """Microsoft's 535 5.7.139 means that passwords are off; the remedy is OAuth."""
    server.on(
        "auth", "535 5.7.139 Authentication unsuccessful, basic authentication is disabled."
    )
    failed = _failed(zenmail("doctor", "--json", *flags(server)))
    assert failed["name"] == "login"
    assert "oauth" in failed["remedy"]
    assert "zenmail[oauth]" in failed["remedy"]


def test_sender_not_allowed(zenmail: Run, server: SMTPServer, flags: Flags) -> None:
    """A sender that the login may not use fails at sender."""
    server.on("mail", "550 5.7.60 Client does not have permissions to send as this sender")
    failed = _failed(zenmail("doctor", "--json", *flags(server)))
    assert failed["name"] == "sender"
    assert failed["code"] == "sender-refused"
    assert "send as this sender" in failed["remedy"]


def test_recipient_refused(zenmail: Run, server: SMTPServer, flags: Flags) -> None:
    """A recipient that the server refuses fails at recipients and is named."""
    server.on("rcpt", "550 5.1.1 No such user", matching="nobody@")
    failed = _failed(zenmail("doctor", "--json", *flags(server, to="nobody@example.com")))
    assert failed["name"] == "recipients"
    assert "nobody@example.com" in failed["detail"]
    assert failed["remedy"]


def test_transport_not_installed(zenmail: Run) -> None:
    """A transport that is not installed fails at configuration; those that are, are named."""
    failed = _failed(zenmail("doctor", "--json", "--transport=pigeon"))
    assert failed["name"] == "configuration"
    assert "smtp" in failed["detail"]
    assert "nstall" in failed["remedy"]


def test_unknown_option(zenmail: Run) -> None:
    """An option that the transport does not have fails at configuration and is named."""
    failed = _failed(zenmail("doctor", "--json", "--smtp-server=localhost", "-o", "hots=x"))
    assert failed["name"] == "configuration"
    assert "'hots'" in failed["detail"]


def test_a_transport_that_cannot_check_itself(zenmail: Run) -> None:
    """It passes as skipped, and the report says how to find out."""
    result = zenmail("doctor", "--transport=console")
    assert result.exit_code == 0
    assert "--send" in result.stdout


def test_alerter_and_transport_exclude_each_other(zenmail: Run) -> None:
    """Naming both is wrong usage."""
    assert zenmail("doctor", "email_alerter", "--smtp-server=localhost").exit_code == 2
