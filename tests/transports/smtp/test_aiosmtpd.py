"""Against aiosmtpd, a server that is not ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from zenmail import Email, Mailer, PermanentFailure
from zenmail.testing.smtp_server import Authority

pytestmark = [
    pytest.mark.filterwarnings("ignore:Session.login_data:DeprecationWarning"),
    # It does not see that a login over implicit TLS is encrypted.
    pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS"),
]

PASSWORD = "canary pässwörd \U0001f511 with spaces"


class Inbox:
    """Keeps the mails."""

    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if address.startswith("nobody@"):
            return "550 5.1.1 No such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any
    ) -> str:
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 OK"


class OnAnyPort(Controller):
    """Looks up which port it was given before it is used."""

    server: Any

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@pytest.fixture
def inbox() -> Inbox:
    """What the server received."""
    return Inbox()


@pytest.fixture(params=["starttls", "tls"])
def options(
    request: pytest.FixtureRequest, inbox: Inbox, authority: Authority
) -> Iterator[dict[str, Any]]:
    """The transport's options for an aiosmtpd that wants TLS and a login."""

    def authenticate(
        server: Any, session: Any, envelope: Any, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        return AuthResult(
            success=(data.login, data.password) == (b"apikey", PASSWORD.encode()),
            handled=False,
        )

    starttls = request.param == "starttls"
    context = authority.context()
    controller = OnAnyPort(
        inbox,
        hostname="127.0.0.1",
        port=0,
        ssl_context=None if starttls else context,
        tls_context=context if starttls else None,
        require_starttls=starttls,
        auth_require_tls=starttls,
        authenticator=authenticate,
        auth_required=True,
    )
    controller.start()
    yield {
        "host": "localhost",
        "port": controller.port,
        "security": request.param,
        "ca_file": str(authority.ca_file),
        "username": "apikey",
        "password": PASSWORD,
    }
    controller.stop()


def test_delivery(inbox: Inbox, options: dict[str, Any], email: Email) -> None:
    """TLS, login, three mails over one connection, and one refused recipient."""
    with Mailer("smtp", options=options) as mailer:
        for _ in range(2):
            assert mailer.send(email).outcome == "delivered"
        receipt = mailer.send(email.replace(cc=["nobody@example.com"]))
    assert receipt.outcome == "partial"
    assert list(receipt.refused) == ["nobody@example.com"]
    assert len(inbox.mails) == 3
    sender, recipients, content = inbox.mails[0]
    assert sender == "alerts@example.com"
    assert recipients == list(email.envelope.recipients)
    assert content == email.as_bytes()


def test_wrong_password(
    inbox: Inbox, options: dict[str, Any], email: Email, client: Any
) -> None:
    """A wrong password is refused for good."""
    with pytest.raises(PermanentFailure, match="535"):
        client.send(None, email, **{**options, "password": "canary-wrong-password-0c6e"})
    assert not inbox.mails


def test_verify(inbox: Inbox, options: dict[str, Any], email: Email) -> None:
    """Every phase passes, and no mail is sent."""
    with Mailer("smtp", options=options) as mailer:
        checks = mailer.verify(email)["smtp"]
    assert {check.status for check in checks} == {"passed"}
    assert not inbox.mails
