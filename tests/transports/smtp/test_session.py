from __future__ import annotations

import gc
import socket
import ssl
import time
import warnings
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from zenmail import Deadline, Email, OptionsError, PermanentFailure, TemporaryFailure
from zenmail.testing.smtp_server import Authority, Drop, Inject, SMTPServer
from zenmail_transports.smtp.auth import Credentials
from zenmail_transports.smtp.dialogue import greet
from zenmail_transports.smtp.reach import resolve
from zenmail_transports.smtp.session import Session

Start = Callable[..., SMTPServer]
PASSWORD = "canary-password-7f3a"
LOGIN = {"username": "u", "password": PASSWORD}
USERS = {"u": PASSWORD}


def assert_nothing_leaked(server: SMTPServer) -> None:
    """No credential and no mail went over a connection without verified TLS."""
    clear = [line.text for line in server.transcript if not line.encrypted]
    assert not any(
        text.upper().startswith(b"AUTH")
        for text in clear
        if text[:1].isalpha() and not text.startswith(b"250")
    )
    assert not server.mails
    assert not server.logins


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_verified_and_encrypted(start: Start, client: Any, email: Email, security: str) -> None:
    """Login and mail are encrypted, and EHLO is said again after STARTTLS."""
    server = start(security=security, users=USERS)
    client.send(server, email, **LOGIN)
    assert server.mails[0].encrypted
    clear = [line.text.split()[0] for line in server.transcript if not line.encrypted]
    assert not {b"AUTH", b"MAIL", b"RCPT"} & set(clear)
    encrypted = [line.text for line in server.transcript if line.encrypted]
    assert sum(text.startswith(b"EHLO") for text in encrypted) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("flaw", ["unknown", "wrong-name", "expired", "not-yet"])
def test_certificates_that_are_not_trusted(
    start: Start,
    client: Any,
    email: Email,
    authority: Authority,
    tmp_path: Path,
    security: str,
    flaw: str,
) -> None:
    """A certificate by a stranger, for another, or out of its time ends it at once."""
    now = datetime.now(timezone.utc)
    day = timedelta(days=1)
    contexts: dict[str, Callable[[], ssl.SSLContext]] = {
        "unknown": lambda: Authority(tmp_path).context(),
        "wrong-name": lambda: authority.context("mail.example.org"),
        "expired": lambda: authority.context(
            "localhost", not_before=now - 2 * day, not_after=now - day
        ),
        "not-yet": lambda: authority.context(
            "localhost", not_before=now + day, not_after=now + 2 * day
        ),
    }
    server = start(security=security, users=USERS, tls=contexts[flaw]())
    with pytest.raises(PermanentFailure) as caught:
        client.send(server, email, **LOGIN)
    assert caught.value.code == "certificate"
    assert caught.value.remedy
    assert_nothing_leaked(server)


def test_address_instead_of_a_name(start: Start, client: Any, email: Email) -> None:
    """A certificate that holds the IP address is good for the address."""
    server = start(security="starttls", users=USERS)
    client.send(server, email, host="127.0.0.1", **LOGIN)
    assert len(server.mails) == 1


def test_stripped_starttls(start: Start, client: Any, email: Email) -> None:
    """When STARTTLS is not offered nothing is sent, in clear least of all."""
    server = start(security="none", users=USERS)
    with pytest.raises(PermanentFailure) as caught:
        client.send(server, email, security="starttls", **LOGIN)
    assert caught.value.code == "starttls-missing"
    assert_nothing_leaked(server)


@pytest.mark.parametrize("reply", ["502 5.5.1 No", "454 4.7.0 TLS not available"])
def test_refused_starttls(start: Start, client: Any, email: Email, reply: str) -> None:
    """A server that offers STARTTLS and refuses it gets nothing."""
    server = start(security="starttls", users=USERS)
    server.on("starttls", reply)
    expected = PermanentFailure if reply.startswith("5") else TemporaryFailure
    with pytest.raises(expected):
        client.send(server, email, **LOGIN)
    assert_nothing_leaked(server)


def test_injected_plaintext(start: Start, client: Any, email: Email) -> None:
    """What comes in clear behind the answer to STARTTLS is never taken for the server's."""
    server = start(security="starttls", users=USERS)
    server.on("starttls", Inject(b"250-evil.example\r\n250 AUTH PLAIN\r\n"))
    with pytest.raises(PermanentFailure) as caught:
        client.send(server, email, **LOGIN)
    assert caught.value.code == "starttls-injection"
    assert_nothing_leaked(server)


def test_handshake_broken_off(start: Start, client: Any, email: Email) -> None:
    """A handshake that breaks off is temporary and sends nothing."""
    for security in ("starttls", "tls"):
        server = start(security=security, users=USERS)
        server.on("handshake", Drop())
        with pytest.raises(TemporaryFailure):
            client.send(server, email, **LOGIN)
        assert_nothing_leaked(server)


def test_port_and_security_that_do_not_fit(start: Start, client: Any, email: Email) -> None:
    """TLS to a port that starts in clear is explained by the two ports' numbers."""
    server = start(security="starttls", users=USERS)
    with pytest.raises(PermanentFailure) as caught:
        client.send(server, email, security="tls", **LOGIN)
    assert "587" in caught.value.remedy
    assert "465" in caught.value.remedy
    assert_nothing_leaked(server)


def test_password_in_clear_only_when_allowed(start: Start, client: Any, email: Email) -> None:
    """allow_insecure_login, and nothing else, sends a password without TLS."""
    server = start(security="none", users=USERS)
    with pytest.raises(OptionsError, match="allow_insecure_login"):
        client.send(server, email, **LOGIN)
    assert server.connections == 0
    client.send(server, email, allow_insecure_login=True, **LOGIN)
    assert server.logins == ["u"]


def test_private_authority_without_key_usage(
    start: Start, client: Any, email: Email, tmp_path: Path
) -> None:
    """A private CA without the key usage extension works as ca_file on every Python."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = datetime.now(timezone.utc)

    def issue(
        subject: str, issuer: str, key: Any, signer: Any, extension: x509.ExtensionType
    ) -> x509.Certificate:
        builder = x509.CertificateBuilder(
            x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]),
            x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]),
            key.public_key(),
            x509.random_serial_number(),
            now - timedelta(days=1),
            now + timedelta(days=1),
        )
        return builder.add_extension(extension, critical=True).sign(signer, hashes.SHA256())

    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca = issue("Old CA", "Old CA", ca_key, ca_key, x509.BasicConstraints(True, None))
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    leaf = issue("localhost", "Old CA", key, ca_key, names)
    pem = serialization.Encoding.PEM
    (tmp_path / "ca.pem").write_bytes(ca.public_bytes(pem))
    (tmp_path / "leaf.pem").write_bytes(
        leaf.public_bytes(pem)
        + key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "leaf.pem")
    server = start(security="starttls", tls=context)
    client.send(server, email, ca_file=str(tmp_path / "ca.pem"))
    assert server.mails[0].encrypted


def test_ca_file_that_does_not_exist(start: Start, client: Any, email: Email) -> None:
    """A missing or broken ca_file is told when mail is sent, and no connection is made."""
    server = start(security="starttls")
    request = client.request(server, email, ca_file="/nonexistent/ca.pem")
    with pytest.raises(OptionsError, match=r"ca_file: '/nonexistent/ca.pem' cannot be read"):
        client.transport.send_email(request)
    with pytest.raises(OptionsError, match="contains no readable PEM certificate"):
        client.send(server, email, ca_file=__file__)
    assert server.connections == 0


def test_context_is_built_once(
    start: Start, client: Any, email: Email, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The TLS context, which takes long to build, serves every connection."""
    built: list[ssl.SSLContext] = []
    original = ssl.create_default_context

    def build(**more: Any) -> ssl.SSLContext:
        built.append(original(**more))
        return built[-1]

    monkeypatch.setattr(ssl, "create_default_context", build)
    server = start(security="starttls")
    for _ in range(3):
        client.send(server, email)
        client.transport.close_transport()
    assert server.connections == 3
    assert len(built) == 1


def test_reset_before_the_handshake(
    start: Start, client: Any, email: Email, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reset between the answer to STARTTLS and the handshake leaves no socket open."""
    original = ssl.SSLContext.wrap_socket

    def wrap(context: ssl.SSLContext, sock: socket.socket, **more: Any) -> ssl.SSLSocket:
        # The server is in the same process, and is left alone.
        while not more.get("server_side") and is_connected(sock):
            time.sleep(0.001)
        return original(context, sock, **more)

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", wrap)
    server = start(security="starttls")
    server.on("handshake", Drop(reset=True))
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(TemporaryFailure, match="during the TLS handshake") as failure:
            client.send(server, email)
        assert failure.value.code == "tls"
        del failure
        gc.collect()
    # Other threads of this process may warn of what is theirs.
    assert [str(item.message) for item in caught if item.category is ResourceWarning] == []


def is_connected(sock: socket.socket) -> bool:
    """Whether the other end has not reset the connection."""
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def test_client_certificate(
    start: Start, client: Any, email: Email, authority: Authority, tmp_path: Path
) -> None:
    """A server that asks for a client certificate gets the one that is set."""
    certificate = authority._ca.issue_cert("client.example.com")
    path = tmp_path / "client.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(str(path))
    context = authority.context()
    context.verify_mode = ssl.CERT_REQUIRED
    authority._ca.configure_trust(context)
    server = start(security="starttls", tls=context)
    client.send(server, email, client_cert_file=str(path))
    assert len(server.mails) == 1
    with pytest.raises((PermanentFailure, TemporaryFailure)):
        client.send(server, email)
    assert len(server.mails) == 1


def test_no_way_to_log_in_without_tls(start: Start, client: Any, email: Email) -> None:
    """Even a session that was never encrypted does not send credentials."""
    server = start(security="none", users=USERS)
    options = client.request(server, email, security="starttls", **LOGIN).options
    deadline = Deadline.after(10)
    addresses = resolve("localhost", server.port, deadline)
    session = Session.dial(options, addresses, deadline)
    try:
        session.converse(greet(), deadline)
        session.introduce(deadline)
        with pytest.raises(PermanentFailure, match="not encrypted"):
            session.log_in(Credentials("u", SecretStr(PASSWORD)), deadline)
    finally:
        session.close()
    assert not any(line.startswith("AUTH") for line in server.lines())
