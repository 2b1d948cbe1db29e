"""What `zenmail doctor` prints about broken set-ups: the cause, and a command to run."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from click.testing import Result

from zenmail.testing.smtp_server import Authority, Drop, SMTPServer

pytest.importorskip("trustme")

Run = Callable[..., Result]
Flags = Callable[..., list[str]]
Print = Callable[..., str]


@pytest.fixture
def printed(zenmail: Run, flags: Flags) -> Print:
    """Return what doctor prints about a failed set-up; it is in good form."""

    def run(server: SMTPServer, **changes: str | None) -> str:
        result = zenmail("doctor", *flags(server, **changes))
        assert result.exit_code == 1, result.output
        assert ".." not in result.stdout.replace("...", "")
        assert "Traceback" not in result.output
        assert "canary" not in result.output
        assert result.stdout.count("FAILED") == 1
        return str(result.stdout)

    return run


def _advised(text: str) -> tuple[str, list[str]]:
    """Return the advice and the flags printed below it."""
    advice = text.partition("What to do: ")[2].splitlines()
    return advice[0], [line.strip() for line in advice[1:]]


def test_unknown_host(printed: Print, server: SMTPServer) -> None:
    """1. A name that does not exist."""
    text = printed(server, host="mail.invalid")
    assert "dns failed (dns): The name 'mail.invalid' cannot be looked up" in text
    advice, commands = _advised(text)
    assert advice.startswith("Check --smtp-server for a typing mistake")
    assert commands == ["--smtp-server=HOST"]


def test_closed_port(printed: Print, server: SMTPServer) -> None:
    """2. A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
    text = printed(server, port=port)
    assert f"localhost:{port} refused the connection." in text
    advice, commands = _advised(text)
    assert advice.startswith("Check that the server runs")
    assert commands == []


def test_reset_at_connect(printed: Print, server: SMTPServer) -> None:
    """3. A connection that is cut off before the greeting: a firewall or a proxy."""
    server.on("connect", Drop(reset=True), times=None)
    advice, commands = _advised(printed(server))
    assert "firewall" in advice
    assert "proxy" in advice
    assert commands == []


def test_reset_at_the_handshake(printed: Print, server: SMTPServer) -> None:
    """4. A connection that is cut off during the TLS handshake."""
    server.on("handshake", Drop(reset=True), times=None)
    text = printed(server)
    assert "during the TLS handshake" in text
    assert "inspects TLS" in _advised(text)[0]


def test_tls_on_a_starttls_port(printed: Print, server: SMTPServer) -> None:
    """5. Implicit TLS where the server begins in clear."""
    advice, commands = _advised(printed(server, security="tls"))
    assert "set --smtp-security to 'starttls'" in advice
    assert commands == ["--smtp-security=starttls"]


@pytest.mark.parametrize("security", ["starttls", "none"])
def test_starttls_on_a_tls_port(zenmail: Run, flags: Flags, security: str) -> None:
    """6. A port that begins with TLS is found long before the deadline."""
    with SMTPServer(security="tls") as server:
        anonymous = flags(server, security=security, username=None, password=None)
        result = zenmail("doctor", *anonymous, "--deadline=600")
    assert result.exit_code == 1
    cause = f"Port {server.port} expects TLS from the first byte"
    assert f"{cause}, but --smtp-security is '{security}'." in result.stdout
    assert _advised(result.stdout)[1] == ["--smtp-security=tls"]


def test_unknown_authority(printed: Print, server: SMTPServer) -> None:
    """7. A certificate of a private authority."""
    text = printed(server, ca_file=None)
    assert "is not trusted: " in text
    advice, commands = _advised(text)
    assert advice == "Set --smtp-ca-file to the certificate of the authority that signed it."
    assert commands == ["--smtp-ca-file=FILE"]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_wrong_name(printed: Print, tmp_path: Path, security: str) -> None:
    """8. A certificate for other names, which are shown; the command has the first."""
    authority = Authority(tmp_path)
    context = authority.context("*.example.com", "mail.example.com")
    with SMTPServer(security=security, tls=context) as server:  # type: ignore[arg-type]
        text = printed(server, ca_file=str(authority.ca_file), security=security)
    assert "The certificate is for *.example.com, mail.example.com, and valid from" in text
    assert _advised(text)[1] == ["--smtp-server=mail.example.com"]


def test_expired_certificate(printed: Print, tmp_path: Path) -> None:
    """9. A certificate that has expired, with its dates."""
    authority = Authority(tmp_path)
    now = datetime.now(timezone.utc)
    context = authority.context(
        not_before=now - timedelta(days=9), not_after=now - timedelta(days=2)
    )
    with SMTPServer(tls=context) as server:
        text = printed(server, ca_file=str(authority.ca_file))
    dates = re.findall(
        r"[A-Z][a-z]{2} [ \d]\d [\d:]{8} \d{4} GMT", text.partition("valid from")[2]
    )
    years = [datetime.strptime(date, "%b %d %H:%M:%S %Y GMT") for date in dates[:2]]
    assert years[1] - years[0] == timedelta(days=7)
    assert "renewed" in _advised(text)[0]


def test_wrong_password(printed: Print, server: SMTPServer) -> None:
    """10. A password that the server rejects."""
    text = printed(server, password="wrong-one-0c6e")
    assert "login failed (auth-refused)" in text
    assert "wrong-one" not in text
    advice, commands = _advised(text)
    assert advice.startswith("Check --smtp-username and --password.")
    assert commands == ["--password"]


def test_login_missing(printed: Print, server: SMTPServer) -> None:
    """11. A server that wants a login, and none is set."""
    text = printed(server, username=None, password=None)
    assert _advised(text)[1] == ["--smtp-username=USERNAME", "--password"]


def test_login_in_clear(printed: Print) -> None:
    """12. A login over a connection without encryption is not even tried."""
    with SMTPServer(security="none", users={"u": "p"}) as server:
        text = printed(server, security="none", ca_file=None)
    assert "use 'starttls' or 'tls'" in text


def test_sender_refused(printed: Print, server: SMTPServer) -> None:
    """13. A sender that the login may not use."""
    server.on("mail", "550 5.7.60 Client does not have permissions to send as this sender")
    assert "sender failed (sender-refused)" in printed(server)


def test_recipient_refused(printed: Print, server: SMTPServer) -> None:
    """14. A recipient that does not exist is named."""
    server.on("rcpt", "550 5.1.1 No such user", matching="nobody@")
    assert "nobody@example.com" in printed(server, to="nobody@example.com")


def test_an_address_is_not_said_to_be_itself(
    zenmail: Run, server: SMTPServer, flags: Flags
) -> None:
    """A host that is an IP address is called one."""
    text = zenmail("doctor", *flags(server, host="127.0.0.1")).stdout
    assert "127.0.0.1 is an IP address." in text
    assert "127.0.0.1 is 127.0.0.1" not in text


def test_phases_are_printed_as_they_end(
    zenmail: Run, server: SMTPServer, flags: Flags, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the time the server is asked about the sender, the login has been printed."""
    import click

    printed: list[str] = []
    seen: list[bool] = []
    echo = click.echo

    def spy(message: str = "", **more: object) -> None:
        printed.append(str(message))
        if "ok      ehlo" in click.unstyle(str(message)):
            seen.append(bool(server.logins))
        echo(message, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(click, "echo", spy)
    assert zenmail("doctor", *flags(server)).exit_code == 0
    assert server.logins
    assert seen == [False]
