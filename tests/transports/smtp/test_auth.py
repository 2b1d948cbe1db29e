from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from zenmail import DeadlineExceeded, Email, Mailer, PermanentFailure, TemporaryFailure
from zenmail.testing.smtp_server import SMTPServer

pytestmark = pytest.mark.extras

Start = Callable[..., SMTPServer]
PASSWORD, WRONG = "canary-password-7f3a", "canary-wrong-password-0c6e"
USERS = {"u": PASSWORD}
UNICODE = "canary pässwörd \U0001f511 with spaces"
TOKEN, REVOKED = "canary-token-91bc", "canary-token-revoked-f04a"
CLIENT_SECRET = "canary-client~secret.6a90"


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_password_mechanisms(start: Start, client: Any, email: Email, mechanism: str) -> None:
    """Each mechanism logs in with any password, UTF-8 included."""
    server = start(security="starttls", users={"jörg": UNICODE}, mechanisms=[mechanism])
    client.send(server, email, username="jörg", password=UNICODE)
    assert server.logins == ["jörg"]
    assert server.mails[0].username == "jörg"


def test_plain_is_preferred(start: Start, client: Any, email: Email) -> None:
    """PLAIN takes one round trip and goes first; CRAM-MD5 is the last resort."""
    server = start(security="tls", users=USERS, mechanisms=["CRAM-MD5", "LOGIN", "PLAIN"])
    client.send(server, email, username="u", password=PASSWORD)
    (login,) = [line for line in server.lines() if line.startswith("AUTH")]
    assert login.startswith("AUTH PLAIN ")


def test_next_mechanism_when_one_is_not_known_after_all(
    start: Start, client: Any, email: Email
) -> None:
    """504 means another mechanism; 535 never does, for it counts towards a lock-out."""
    server = start(security="tls", users=USERS)
    server.on("auth", "504 5.5.4 Unrecognized", matching="PLAIN")
    client.send(server, email, username="u", password=PASSWORD)
    assert server.logins == ["u"]
    server = start(security="tls", users=USERS)
    with pytest.raises(PermanentFailure):
        client.send(server, email, username="u", password=WRONG)
    assert sum(line.startswith("AUTH") for line in server.lines()) == 1


def test_wrong_password(start: Start, client: Any, email: Email) -> None:
    """A wrong password is permanent, has advice, and stands in no error."""
    server = start(security="starttls", users=USERS)
    with pytest.raises(PermanentFailure, match="535") as caught:
        client.send(server, email, username="u", password=WRONG)
    assert caught.value.code == "auth-refused"
    assert "password" in caught.value.remedy
    assert WRONG not in repr(caught.value) + str(caught.value)
    assert not server.mails


def test_login_that_fails_for_now(start: Start, client: Any, email: Email) -> None:
    """454 to AUTH is temporary."""
    server = start(security="starttls", users=USERS)
    server.on("auth", "454 4.7.0 Temporary authentication failure", times=1)
    with pytest.raises(TemporaryFailure):
        client.send(server, email, username="u", password=PASSWORD)
    assert client.send(server, email, username="u", password=PASSWORD).accepted


@pytest.mark.parametrize(
    ("mechanisms", "remedy"),
    [([], "relay"), (["XOAUTH2"], "oauth"), (["GSSAPI", "NTLM"], "PLAIN")],
)
def test_no_mechanism_in_common(
    start: Start, client: Any, email: Email, mechanisms: list[str], remedy: str
) -> None:
    """Where no login fits, no credentials are sent, and the error says what would fit."""
    server = start(security="starttls", mechanisms=mechanisms)
    with pytest.raises(PermanentFailure) as caught:
        client.send(server, email, username="u", password=PASSWORD)
    assert caught.value.code == "auth-missing"
    assert remedy in caught.value.remedy
    assert not any(line.startswith("AUTH") for line in server.lines())


def test_relay_without_login(start: Start, client: Any, email: Email) -> None:
    """A relay that asks for no login gets none."""
    server = start(security="starttls", mechanisms=["PLAIN"])
    client.send(server, email)
    assert not any(line.startswith("AUTH") for line in server.lines())


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_token_mechanisms(start: Start, client: Any, email: Email, mechanism: str) -> None:
    """A token logs in; it is asked of the source by the options, with secrets hidden."""
    server = start(security="starttls", tokens={TOKEN}, mechanisms=[mechanism])
    client.tokens = [TOKEN]
    client.send(
        server,
        email,
        username="a,b=c@example.com",
        oauth="example",
        oauth_options={"client_id": "id", "client_secret": CLIENT_SECRET},
    )
    assert server.logins == ["a,b=c@example.com"]
    (request,) = client.token_requests
    assert request.account == "a,b=c@example.com"
    assert request.options["client_id"] == "id"
    assert request.options["client_secret"].get_secret_value() == CLIENT_SECRET


def test_token_is_kept_until_it_is_about_to_expire(
    start: Start, client: Any, email: Email
) -> None:
    """One token serves many connections; one that ends within a minute is renewed."""
    server = start(security="starttls", tokens={TOKEN})
    client.tokens = [TOKEN]
    options = {"username": "a@example.com", "oauth": "example"}
    for _ in range(3):
        client.send(server, email, **options)
        client.transport.close_transport()
    assert len(client.token_requests) == 1
    client.token_lifetime = 30.0
    other = start(security="starttls", tokens={TOKEN})
    for _ in range(2):
        client.send(other, email, **options)
        client.transport.close_transport()
    assert len(client.token_requests) == 3


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_refused_token_is_renewed_once(
    start: Start, client: Any, email: Email, mechanism: str
) -> None:
    """A refused token is asked for anew, once, past every cache; then it is an error."""
    server = start(security="starttls", tokens={TOKEN}, mechanisms=[mechanism])
    options = {"username": "a@example.com", "oauth": "example"}
    client.tokens = [REVOKED, TOKEN]
    assert client.send(server, email, **options).accepted
    assert [request.refresh for request in client.token_requests] == [False, True]
    client.token_requests.clear()
    client.tokens = [REVOKED]
    other = start(security="starttls", tokens={TOKEN}, mechanisms=[mechanism])
    with pytest.raises(PermanentFailure, match="535"):
        client.send(other, email, **options)
    assert len(client.token_requests) == 2
    assert not other.mails


def test_token_source_that_hangs(start: Start, client: Any, email: Email) -> None:
    """A token source that does not answer is left behind at the deadline."""
    import threading

    server = start(security="starttls", tokens={TOKEN})
    release = threading.Event()

    def hang(source: str, request: Any) -> Any:
        release.wait(10)
        raise TimeoutError

    client.fetch_token = hang
    with pytest.raises(DeadlineExceeded, match="token source"):
        client.send(server, email, username="a@x.example", oauth="example", seconds=1.5)
    release.set()


def test_fips_machine_with_cram_md5_alone(
    start: Start, email: Email, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where MD5 is forbidden, a server with CRAM-MD5 alone is one refusal in words."""
    import hmac

    def forbidden(*_: Any, **__: Any) -> Any:
        raise ValueError("[digital envelope routines] unsupported")

    server = start(security="tls", users=USERS, mechanisms=["CRAM-MD5"])
    monkeypatch.setattr(hmac, "new", forbidden)
    options = server.options(username="u", password=PASSWORD)
    with Mailer("smtp", options=options, deadline=10.0) as mailer:
        receipt = mailer.send(email)
    assert (receipt.outcome, receipt.attempts, server.connections) == ("refused", 1, 1)
    assert "FIPS" in receipt.detail
    assert not any(line.startswith("AUTH") for line in server.lines())


@pytest.mark.parametrize(
    ("reply", "phase"),
    [
        ("550 5.7.233 Your tenant exceeded its daily limit", "dot"),
        ("554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException", "dot"),
        ("550 5.7.1 Daily SMTP relay limit exceeded for customer", "rcpt"),
        ("451 Authentication failed: Maximum credits exceeded", "auth"),
        ("554 5.2.2 mailbox full; STOREDRV.Submission", "dot"),
    ],
)
def test_a_used_up_quota_is_kept_told_and_tried_once(
    start: Start, email: Email, tmp_path: Any, reply: str, phase: Any
) -> None:
    """The account's limit is no refusal of the mail: the outbox keeps it for later."""
    server = start(security="tls", users=USERS)
    server.on(phase, reply)
    options = server.options(username="u", password=PASSWORD)
    with Mailer(
        "smtp", options=options, deadline=10.0, ledger=tmp_path / "alerts.db"
    ) as mailer:
        receipt = mailer.send(email)
        assert (receipt.outcome, receipt.code, receipt.attempts) == ("spooled", "quota", 1)
        assert "wait" in receipt.remedy
        server.forget()
        assert [item.outcome for item in mailer.flush()] == ["delivered"]
    assert len(server.mails) == 1
