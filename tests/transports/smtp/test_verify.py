from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from zenmail import Check, Deadline, Email, Envelope, VerifyRequest
from zenmail.testing.smtp_server import Authority, Hang, SMTPServer
from zenmail_transports.smtp import SMTPOptions

Start = Callable[..., SMTPServer]
PASSWORD, TOKEN = "canary-password-7f3a", "canary-token-91bc"
NAMES = ["dns", "tcp", "starttls", "ehlo", "login", "sender", "recipients"]


@pytest.fixture
def verify(client: Any, email: Email) -> Callable[..., dict[str, Check]]:
    """Verify a server; return its checks by name, in order."""

    def run(
        server: SMTPServer,
        *,
        envelope: Envelope | None = email.envelope,
        seconds: float = 10.0,
        **options: Any,
    ) -> dict[str, Check]:
        request = VerifyRequest(
            envelope,
            SMTPOptions.parse(server.options(**options), transport="smtp"),
            Deadline.after(seconds),
            client.fetch_token,
        )
        return {check.name: check for check in client.transport.verify_transport(request)}

    return run


def test_everything_passes(start: Start, verify: Any) -> None:
    """A good set-up passes every phase, shows what was seen, and sends nothing."""
    server = start(security="starttls", users={"u": PASSWORD})
    checks = verify(server, username="u", password=PASSWORD)
    assert list(checks) == NAMES
    assert {check.status for check in checks.values()} == {"passed"}
    assert "127.0.0.1" in checks["dns"].detail
    assert "expires" in checks["starttls"].detail
    assert "localhost" in checks["starttls"].detail
    for word in ("SIZE 35882577", "AUTH PLAIN LOGIN", "PIPELINING", "CHUNKING", "SMTPUTF8"):
        assert word in checks["ehlo"].detail
    assert "PLAIN" in checks["login"].detail
    assert not server.mails
    assert "RSET" in server.lines()


def test_implicit_tls_and_token(start: Start, client: Any, verify: Any) -> None:
    """Implicit TLS and OAuth are checked as they are used."""
    server = start(security="tls", tokens={TOKEN})
    client.tokens = [TOKEN]
    checks = verify(server, username="u@example.com", oauth="example")
    assert checks["tls"].status == "passed"
    assert "XOAUTH2" in checks["login"].detail


def test_nothing_to_check_is_skipped(start: Start, verify: Any) -> None:
    """Without TLS, login and mail those phases are skipped, each with its reason."""
    checks = verify(start(), envelope=None)
    assert [name for name, check in checks.items() if check.status == "skipped"] == [
        "tls",
        "login",
        "sender",
        "recipients",
    ]
    assert all(check.detail for check in checks.values())


@pytest.mark.parametrize(
    ("phase", "failing"),
    [
        ("banner", "starttls"),
        ("starttls", "starttls"),
        ("auth", "login"),
        ("mail", "sender"),
        ("rcpt", "recipients"),
    ],
)
def test_first_failure_skips_the_rest(
    start: Start, verify: Any, phase: Any, failing: str
) -> None:
    """The first failure has a detail and a remedy; what comes after it is skipped."""
    server = start(security="starttls", users={"u": PASSWORD})
    server.on(phase, "550 5.7.1 Go away")
    checks = verify(server, username="u", password=PASSWORD)
    position = NAMES.index(failing)
    assert [check.status for check in checks.values()] == (
        ["passed"] * position + ["failed"] + ["skipped"] * (len(NAMES) - position - 1)
    )
    assert "550 5.7.1 Go away" in checks[failing].detail
    assert checks[failing].remedy


def test_hang_ends_before_the_deadline(start: Start, verify: Any) -> None:
    """A phase that hangs fails in time."""
    server = start(security="starttls")
    server.on("banner", Hang())
    started = time.monotonic()
    checks = verify(server, seconds=2.0)
    seconds = time.monotonic() - started
    assert checks["starttls"].status == "failed"
    assert "in time" in checks["starttls"].detail
    # It ended, and not at once.
    assert 0.5 <= seconds < 20


def test_wrong_certificate(start: Start, verify: Any, authority: Authority) -> None:
    """A certificate for another name fails the TLS phase with what to change."""
    server = start(security="starttls", tls=authority.context("mail.example.org"))
    checks = verify(server)
    assert checks["starttls"].status == "failed"
    assert "host" in checks["starttls"].remedy


def test_missing_ca_file(start: Start, verify: Any) -> None:
    """A missing ca_file is a failed check, not an exception."""
    checks = verify(start(security="starttls"), ca_file="/nonexistent/ca.pem")
    assert checks["starttls"].status == "failed"
    assert "/nonexistent/ca.pem" in checks["starttls"].detail


def test_one_bad_recipient_is_named(start: Start, verify: Any) -> None:
    """Each recipient is asked about, and those refused are named."""
    server = start()
    server.on("rcpt", "550 5.1.1 Unknown", matching="bob@")
    checks = verify(server)
    assert checks["recipients"].detail == "bob@example.com: 550 5.1.1 Unknown"
    assert sum(line.startswith("RCPT") for line in server.lines()) == 3
