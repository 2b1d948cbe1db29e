from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from zenmail import AccessToken, Deadline, Email, Receipt, SendRequest, TokenRequest
from zenmail.testing.smtp_server import Authority, SMTPServer
from zenmail_transports.smtp import SMTPOptions, SMTPTransport

CHUNKING = ("PIPELINING", "CHUNKING", "SIZE 10000000", "SMTPUTF8", "8BITMIME")


class Client:
    """A transport, and what a test needs to send one mail after the other with it."""

    def __init__(self) -> None:
        self.transport = SMTPTransport()
        self.tokens: list[str] = []
        self.token_requests: list[TokenRequest] = []
        self.token_lifetime = 3600.0

    def fetch_token(self, source: str, request: TokenRequest) -> AccessToken:
        """Hand out the tokens of the list, the last one again and again."""
        import time

        from pydantic import SecretStr

        self.token_requests.append(request)
        token = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
        return AccessToken(SecretStr(token), time.time() + self.token_lifetime)

    def request(
        self,
        server: SMTPServer | None,
        email: Email,
        *,
        seconds: float = 10.0,
        recipients: Iterable[str] | None = None,
        **options: Any,
    ) -> SendRequest[SMTPOptions]:
        """Return the request to send a mail to the server."""
        values = server.options(**options) if server is not None else options
        envelope = email.envelope
        if recipients is not None:
            envelope = envelope.to(recipients)
        return SendRequest(
            email,
            envelope,
            SMTPOptions.parse(values, transport="smtp"),
            Deadline.after(seconds),
            self.fetch_token,
        )

    def send(self, server: SMTPServer | None, email: Email, **more: Any) -> Receipt:
        """Send a mail to the server."""
        return self.transport.send_email(self.request(server, email, **more))


@pytest.fixture
def client() -> Iterator[Client]:
    """A transport that is closed at the end."""
    found = Client()
    yield found
    found.transport.close_transport()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One certificate authority for all tests: making one takes time."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def start(authority: Authority) -> Iterator[Callable[..., SMTPServer]]:
    """Start SMTP servers, which are closed at the end; their CA is ``authority``."""
    servers: list[SMTPServer] = []

    def begin(**options: Any) -> SMTPServer:
        security = options.setdefault("security", "none")
        if security != "none":
            options.setdefault("tls", authority.context())
        server = SMTPServer(**options)
        if security != "none":
            server.ca_file = authority.ca_file
        servers.append(server)
        return server

    yield begin
    for server in servers:
        server.close()


@pytest.fixture
def email() -> Email:
    """A mail to three recipients, with a line that starts with a dot."""
    return Email(
        sender="Alerts <alerts@example.com>",
        to=["alice@example.com", "bob@example.com"],
        bcc=["carol@example.com"],
        subject="Step failed",
        text="first\n.second\n..\nlast",
    )
