from __future__ import annotations

import logging
import os
import pickle
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from email import message_from_string, policy
from typing import Any

import pytest
import trustme

from zenmail import (
    Deadline,
    Email,
    Mailer,
    MissingExtra,
    OptionsError,
    PermanentFailure,
    PluginHost,
    Receipt,
    SendRequest,
)

Stubber = pytest.importorskip("botocore.stub").Stubber


def make_email(**changes: Any) -> Email:
    """Return a mail."""
    values: dict[str, Any] = {
        "sender": "Alerts <alerts@example.com>",
        "to": ["oncall@example.com"],
        "subject": "Step failed",
        "text": "Accuracy fell.\n",
    }
    return Email(**{**values, **changes})


class StubbedSession:
    """What a boto3 session is to the transport; its clients answer from a script."""

    def __init__(self) -> None:
        from boto3.session import Session

        self._session = Session(
            aws_access_key_id="AKIACANARY0000000000",
            aws_secret_access_key="canary/aws+secret/4d5e",
            region_name="eu-west-1",
        )
        self._script: list[Callable[[Any], None]] = []
        self.clients = 0
        self.arguments: dict[str, Any] = {}

    def answers(self, **expected: Any) -> None:
        """Let the next call succeed, if it has these arguments."""
        self._script.append(
            lambda stubber: stubber.add_response(
                "send_email", {"MessageId": f"id-{len(self._script)}"}, expected or None
            )
        )

    def fails(self, code: str, message: str = "No.", status: int = 400) -> None:
        """Let the next call fail."""
        self._script.append(
            lambda stubber: stubber.add_client_error("send_email", code, message, status)
        )

    def client(self, service: str, **arguments: Any) -> Any:
        """Return a client with the script."""
        self.clients += 1
        self.arguments = arguments
        client = self._session.client(service, **arguments)
        stubber = Stubber(client)
        for step in self._script:
            step(stubber)
        stubber.activate()
        return client


@pytest.fixture
def session() -> StubbedSession:
    """Return a session whose clients answer from a script."""
    return StubbedSession()


def send(email: Email, *, attempts: int = 1, deadline: float = 30.0, **options: Any) -> Receipt:
    """Send a mail through SES."""
    with Mailer("ses", options=options, max_attempts=attempts, deadline=deadline) as mailer:
        return mailer.send(email)


def test_the_mail_arrives_as_it_is(ses: Any) -> None:
    """SES gets the envelope and the very bytes, without blind copies in them."""
    email = make_email(
        sender="Al\u00e9rts <alerts@example.com>", text="gr\u00fcn\n", bcc="hidden@example.com"
    )
    receipt = send(email, **ses.options)
    (message,) = ses.messages()
    assert message["source"] == "alerts@example.com"
    assert message["destinations"] == ["oncall@example.com", "hidden@example.com"]
    assert message["raw_data"] == email.as_bytes().decode("ascii")
    assert "hidden@" not in message["raw_data"]
    assert receipt.outcome == "delivered"
    assert receipt.accepted == email.envelope.recipients
    assert message["id"] in receipt.detail


def test_the_receipt_says_what_ses_changes(ses: Any) -> None:
    """SES replaces Message-ID and Date; the receipt names its own id, and says so."""
    receipt = send(make_email(), **ses.options)
    (message,) = ses.messages()
    (note,) = receipt.notes
    assert message["id"] in note
    assert "Message-ID" in note
    assert "Date" in note


def test_threads_keep_working(ses: Any) -> None:
    """The root of a conversation travels in References, which SES leaves alone."""
    send(make_email(thread="<run-7@example.com>"), **ses.options)
    parsed = message_from_string(ses.messages()[0]["raw_data"])
    assert parsed["References"] == "<run-7@example.com>"
    assert parsed["In-Reply-To"] == "<run-7@example.com>"


def test_more_than_fifty_recipients_are_split(ses: Any) -> None:
    """Each call names at most 50 recipients, and each recipient once."""
    people = [f"person{number}@example.com" for number in range(120)]
    receipt = send(make_email(to=(), bcc=people), **ses.options)
    messages = ses.messages()
    assert [len(message["destinations"]) for message in messages] == [50, 50, 20]
    assert [name for message in messages for name in message["destinations"]] == people
    assert receipt.accepted == tuple(people)
    assert all(message["id"] in receipt.detail for message in messages)


def test_many_names_in_the_headers_cost_nobody_the_mail(ses: Any) -> None:
    """A server that counts the headers' names, too, gets the mail without them."""
    people = [f"person{number}@example.com" for number in range(70)]
    receipt = send(make_email(to=people[:60], cc=people[60:]), **ses.options)
    assert receipt.outcome == "delivered"
    assert receipt.accepted == tuple(people)
    assert receipt.attempts == 1
    assert "names no recipient" in receipt.notes[0]
    messages = ses.messages()
    assert [name for message in messages for name in message["destinations"]] == people
    for message in messages:
        parsed = message_from_string(message["raw_data"])
        assert (parsed["To"], parsed["Cc"]) == ("undisclosed-recipients:;", None)


def test_too_many_recipients_for_good_are_refused(session: StubbedSession) -> None:
    """Without the names SES is asked once more, and no more often."""
    for _ in range(2):
        session.fails("BadRequestException", "Recipient count exceeds 50.")
    receipt = send(make_email(), session=session)
    assert (receipt.outcome, receipt.code) == ("refused", "ses-rejected")


def test_one_throttled_part_is_tried_again_alone(session: StubbedSession) -> None:
    """Those who have the mail get it once; the others get it in the second attempt."""
    people = [f"person{number}@example.com" for number in range(70)]
    session.answers()
    session.fails("TooManyRequestsException", status=429)
    session.answers()
    receipt = send(make_email(to=people), attempts=2, session=session)
    assert receipt.outcome == "delivered"
    assert receipt.attempts == 2
    assert receipt.accepted == tuple(people)


def test_one_refused_part_does_not_stop_the_others(session: StubbedSession) -> None:
    """Recipients behind a part that SES refuses get their mail."""
    people = [f"person{number}@example.com" for number in range(120)]
    session.answers()
    session.fails("MessageRejected", "Address blacklisted.")
    session.answers()
    receipt = send(make_email(to=people), session=session)
    assert receipt.outcome == "partial"
    assert receipt.accepted == (*people[:50], *people[100:])
    assert list(receipt.refused) == people[50:100]
    assert receipt.code == "ses-rejected"


def test_one_unverified_recipient_does_not_cost_the_others_their_mail(
    session: StubbedSession,
) -> None:
    """In the sandbox the recipients that SES names are refused, and the rest get the mail."""
    people = ["a@example.com", "b@example.com", "c@example.com"]
    session.fails(
        "MessageRejected",
        "Email address is not verified. The following identities failed the check in region "
        "EU-WEST-1: b@example.com, c@example.com",
    )
    session.answers(
        Content={"Raw": {"Data": (email := make_email(to=people)).as_bytes()}},
        Destination={"ToAddresses": ["a@example.com"]},
        FromEmailAddress="alerts@example.com",
    )
    receipt = send(email, session=session)
    assert receipt.accepted == ("a@example.com",)
    assert set(receipt.refused) == {"b@example.com", "c@example.com"}


def test_an_unverified_sender_is_not_tried_twice(session: StubbedSession) -> None:
    """When the sender is among the unknown identities, nobody gets the mail."""
    session.fails(
        "MessageRejected",
        "Email address is not verified. The following identities failed the check in region "
        "EU-WEST-1: alerts@example.com, oncall@example.com",
    )
    receipt = send(make_email(), session=session)
    assert receipt.outcome == "refused"
    assert "Verify the sender" in receipt.remedy


def test_configuration_set_and_tags_are_handed_over(session: StubbedSession) -> None:
    """Both reach SES under its own names."""
    email = make_email()
    session.answers(
        Content={"Raw": {"Data": email.as_bytes()}},
        Destination={"ToAddresses": ["oncall@example.com"]},
        FromEmailAddress="alerts@example.com",
        ConfigurationSetName="alerts",
        EmailTags=[{"Name": "team", "Value": "ml"}],
    )
    receipt = send(email, session=session, configuration_set="alerts", tags={"team": "ml"})
    assert receipt.outcome == "delivered"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("TooManyRequestsException", 429),
        ("ThrottlingException", 400),
        ("Throttling", 400),
        ("InternalFailure", 500),
        ("ServiceUnavailable", 503),
    ],
)
def test_what_may_heal_is_tried_again(session: StubbedSession, code: str, status: int) -> None:
    """Throttling and trouble at SES are temporary."""
    session.fails(code, status=status)
    session.answers()
    receipt = send(make_email(), attempts=2, session=session)
    assert receipt.outcome == "delivered"
    assert receipt.attempts == 2


@pytest.mark.parametrize(
    ("code", "ours", "remedy"),
    [
        ("MailFromDomainNotVerifiedException", "ses-mail-from", "MAIL FROM"),
        ("MessageRejected", "ses-rejected", "sandbox"),
        ("AccountSuspendedException", "ses-suspended", "AWS support"),
        ("SendingPausedException", "ses-paused", "send again"),
        ("LimitExceededException", "ses-limit", "higher limits"),
        ("NotFoundException", "ses-not-found", "configuration set"),
        ("BadRequestException", "ses-refused", "API reference"),
        ("AccessDeniedException", "ses-permission", "ses:SendRawEmail"),
        ("UnrecognizedClientException", "ses-credentials", "access key"),
        ("InvalidClientTokenId", "ses-credentials", "access key"),
        ("SignatureDoesNotMatch", "ses-credentials", "secret"),
        ("ExpiredTokenException", "ses-credentials", "session token"),
        ("SomethingNew", "ses-refused", "API reference"),
    ],
)
def test_what_another_try_would_repeat_is_permanent(
    session: StubbedSession, code: str, ours: str, remedy: str
) -> None:
    """Every other answer is final, and the receipt says what to do about it."""
    session.fails(code)
    receipt = send(make_email(), attempts=3, session=session)
    assert receipt.outcome == "refused"
    assert receipt.attempts == 1
    assert receipt.code == ours
    assert remedy in receipt.remedy
    assert code in receipt.detail


def test_a_mail_that_is_too_long_is_shortened(session: StubbedSession) -> None:
    """The host learns from SES how much it takes, and sends a mail that fits."""
    session.fails(
        "BadRequestException", "Message length is more than 40000 bytes long: '60000'."
    )
    session.answers()
    email = make_email(attachments=[("model.bin", bytes(40_000))])
    receipt = send(email, session=session)
    assert receipt.outcome == "delivered"
    assert any("40,000" in note for note in receipt.notes)


def test_a_text_that_quotes_the_request_is_left_out(session: StubbedSession) -> None:
    """What SES says of a wrong signature may hold the session token; it is not repeated."""
    token, email = "canary-session-8a9b/+==", make_email()
    session.fails("SignatureDoesNotMatch", f"The String was 'x-amz-security-token:{token}'")
    transport = PluginHost().transport("ses")
    options = transport.parse_options({"session": session})
    with pytest.raises(PermanentFailure) as caught:
        transport.send(SendRequest(email, email.envelope, options, Deadline.after(10)))
    transport.close()
    assert token not in "".join(traceback.format_exception(caught.value))


def test_addresses_that_need_smtputf8_are_refused_one_by_one(ses: Any) -> None:
    """SES has no SMTPUTF8: such recipients are refused, and only named in the headers."""
    email = make_email(to=["j\u00f8rgen@example.com", "oncall@example.com"])
    receipt = send(email, **ses.options)
    assert receipt.accepted == ("oncall@example.com",)
    assert list(receipt.refused) == ["j\u00f8rgen@example.com"]
    raw = ses.messages()[0]["raw_data"]
    assert raw.isascii()
    shown = message_from_string(raw, policy=policy.default)["To"]
    assert [address.addr_spec for address in shown.addresses] == ["oncall@example.com"]
    assert shown.groups[0].display_name == "j\u00f8rgen@example.com"
    alone = send(make_email(to="j\u00f8rgen@example.com"), **ses.options)
    assert alone.outcome == "refused"
    sender = send(make_email(sender="j\u00f8rgen@example.com"), **ses.options)
    assert sender.outcome == "refused"
    assert len(ses.messages()) == 1


def test_an_international_domain_is_no_obstacle(ses: Any) -> None:
    """A domain travels as its A-label."""
    receipt = send(make_email(to="oncall@b\u00fccher.example"), **ses.options)
    assert receipt.accepted == ("oncall@xn--bcher-kva.example",)


def test_one_client_serves_many_mails(session: StubbedSession) -> None:
    """Clients are costly; the same options use the same one, also from several threads."""
    for _ in range(12):
        session.answers()
    with Mailer("ses", options={"session": session}) as mailer:
        threads = [threading.Thread(target=mailer.send, args=(make_email(),)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        receipts = [mailer.send(make_email()) for _ in range(4)]
    assert session.clients == 1
    assert all(receipt.delivered for receipt in receipts)


def test_botocore_neither_retries_nor_outlasts_the_deadline(session: StubbedSession) -> None:
    """Its retries are off, and its time-outs together are shorter than the deadline."""
    session.answers()
    send(make_email(), session=session, deadline=20.0)
    config = session.arguments["config"]
    assert config.retries["total_max_attempts"] == 1
    assert config.connect_timeout + config.read_timeout <= 20.0


class Listener:
    """A port on loopback that treats each connection as it is told."""

    def __init__(self, treat: Callable[[socket.socket], None]) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._treat = treat
        self.connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port."""
        return int(self._socket.getsockname()[1])

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections.append(connection)
            self._treat(connection)

    def close(self) -> None:
        """Stop listening, and hang up."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in self.connections:
            connection.close()
        self._thread.join()


@pytest.fixture
def listen() -> Iterator[Callable[[Callable[[socket.socket], None]], Listener]]:
    """Return what opens a port."""
    opened: list[Listener] = []

    def start(treat: Callable[[socket.socket], None]) -> Listener:
        opened.append(Listener(treat))
        return opened[-1]

    yield start
    for listener in opened:
        listener.close()
    # Those that the host gave up on end now, and not in the midst of another test.
    for thread in threading.enumerate():
        if thread.name == "zenmail-watched":
            thread.join(20)


KEYS: dict[str, Any] = {"region": "eu-west-1", "access_key_id": "A", "secret_access_key": "S"}


def test_an_answer_that_never_comes_is_an_unknown_outcome(listen: Any) -> None:
    """Once the mail is on its way it may have been sent: it is not sent again."""
    server = listen(lambda connection: None)
    started = time.monotonic()
    endpoint = f"http://127.0.0.1:{server.port}"
    receipt = send(make_email(), attempts=3, deadline=5.0, endpoint_url=endpoint, **KEYS)
    assert receipt.outcome == "unknown"
    assert receipt.attempts == 1
    assert len(server.connections) == 1
    assert time.monotonic() - started < 15


def test_a_dripping_answer_does_not_outlast_the_deadline(listen: Any) -> None:
    """The host gives up on a server that sends a byte now and then."""
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        try:
            while not stop.wait(0.1):
                connection.sendall(b"H")
        except OSError:
            pass

    server = listen(drip)
    started = time.monotonic()
    receipt = send(make_email(), deadline=1.5,
                   endpoint_url=f"http://127.0.0.1:{server.port}", **KEYS)  # fmt: skip
    seconds = time.monotonic() - started
    stop.set()
    assert receipt.outcome == "unknown"
    assert seconds < 10


def test_a_connection_that_breaks_after_the_mail_is_an_unknown_outcome(listen: Any) -> None:
    """A server that hangs up in place of answering may have taken the mail."""

    def hang_up(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.close()

    server = listen(hang_up)
    receipt = send(make_email(), attempts=3,
                   endpoint_url=f"http://127.0.0.1:{server.port}", **KEYS)  # fmt: skip
    assert receipt.outcome == "unknown"
    assert receipt.code == "ses-answer-lost"


def test_a_port_that_nobody_listens_on_is_temporary() -> None:
    """What was not sent is tried again."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    receipt = send(make_email(), attempts=2, endpoint_url=f"http://127.0.0.1:{port}", **KEYS)
    assert receipt.outcome == "deferred"
    assert receipt.attempts == 2
    assert receipt.code == "ses-unreachable"


def test_a_certificate_that_nobody_vouches_for_is_permanent(listen: Any) -> None:
    """Another try would meet the same certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)

    def shake_hands(connection: socket.socket) -> None:
        with pytest.raises(OSError):  # noqa: PT011 - which one differs by version
            context.wrap_socket(connection, server_side=True)

    server = listen(shake_hands)
    receipt = send(make_email(), attempts=2,
                   endpoint_url=f"https://localhost:{server.port}", **KEYS)  # fmt: skip
    assert receipt.outcome == "refused"
    assert receipt.code == "ses-tls"


@pytest.fixture
def no_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Take away whatever AWS configuration this machine has."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.usefixtures("no_aws")
@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, "ses-region"),
        ({"region": "eu-west-1"}, "ses-credentials"),
        ({"profile": "nobody"}, "ses-credentials"),
        ({"region": "not a region"}, "ses-region"),
    ],
)
def test_what_is_missing_is_named(options: dict[str, Any], code: str) -> None:
    """No region, no credentials, no such profile: one final answer with a remedy."""
    receipt = send(make_email(), attempts=3, **options)
    assert receipt.outcome == "refused"
    assert receipt.attempts == 1
    assert receipt.code == code
    assert receipt.remedy


@pytest.mark.parametrize(
    "options",
    [
        {"regoin": "eu-west-1"},
        {"access_key_id": "A"},
        {"secret_access_key": "S"},
        {"endpoint_url": "localhost:4566"},
        {"endpoint_url": "https://user:canary-password-7f3a@localhost:4566"},
        {"tags": "team=ml"},
    ],
)
def test_unusable_options_are_refused(options: dict[str, Any]) -> None:
    """Half a key, a misspelt name: refused when the mailer is made."""
    with pytest.raises(OptionsError):
        Mailer("ses", options=options)


def test_without_boto3_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error holds the command that installs what is missing."""
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(MissingExtra, match=r'pip install "zenmail\[ses\]"'):
        Mailer("ses")


def test_boto3_is_imported_for_the_first_mail(ses: Any) -> None:
    """Choosing the transport costs nothing; only sending does."""
    program = (
        "import sys, zenmail\n"
        f"mailer = zenmail.Mailer('ses', options={ses.options!r})\n"
        "assert not {'boto3', 'botocore'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_no_secret_is_shown_or_logged(ses: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Neither repr nor log, not even botocore's own at level DEBUG, holds a key or token."""
    caplog.set_level(logging.DEBUG)
    secrets = {
        "access_key_id": "AKIACANARY0000000000",
        "secret_access_key": "canary/aws+secret/4d5e",
        "session_token": "canary-session-8a9b/+==",
    }
    options = {**ses.options, **secrets}
    with Mailer("ses", options=options) as mailer:
        receipt = mailer.send(make_email())
        written = [repr(mailer._routes), repr(receipt), str(pickle.dumps(receipt))]
    assert receipt.delivered
    assert "Sending http request" in caplog.text
    for secret in secrets.values():
        assert all(secret not in text for text in (*written, caplog.text))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own(session: StubbedSession) -> None:
    """A child that inherits the mailer makes a client of its own; its parent keeps its one."""
    for _ in range(3):
        session.answers()
    with Mailer("ses", options={"session": session}) as mailer:
        assert mailer.send(make_email()).delivered
        child = os.fork()
        if child == 0:
            delivered = mailer.send(make_email()).delivered
            os._exit(0 if delivered and session.clients == 2 else 1)
        _, status = os.waitpid(child, 0)
        assert status == 0
        assert mailer.send(make_email()).delivered
    assert session.clients == 1


class Account:
    """A session whose client knows of an account and of identities."""

    def __init__(self, account: Any, verified: tuple[str, ...]) -> None:
        self._account = account
        self._verified = verified

    def client(self, *_: Any, **__: Any) -> Account:
        """Return itself."""
        return self

    def get_account(self) -> Any:
        """Return the account, or fail."""
        return self._account if isinstance(self._account, dict) else self._fail(self._account)

    def get_email_identity(self, *, EmailIdentity: str) -> Any:  # noqa: N803
        """Return what is known of an identity."""
        if EmailIdentity not in self._verified:
            self._fail("NotFoundException")
        return {"VerifiedForSendingStatus": True}

    def _fail(self, code: str) -> None:
        from botocore.exceptions import ClientError

        raise ClientError({"Error": {"Code": code, "Message": "No."}}, "Operation")

    def close(self) -> None:
        """Do nothing."""


QUOTA = {"Max24HourSend": 200.0, "MaxSendRate": 1.0, "SentLast24Hours": 12.0}


@pytest.mark.parametrize(
    ("account", "verified", "statuses", "word"),
    [
        ({"SendQuota": QUOTA, "ProductionAccessEnabled": True}, ("example.com",),
         ["passed", "passed"], "12 of 200"),
        ({"SendQuota": QUOTA, "ProductionAccessEnabled": False}, ("alerts@example.com",),
         ["passed", "passed"], "sandbox"),
        ({"SendQuota": QUOTA, "SendingEnabled": False}, (), ["failed", "failed"], "paused"),
        ("AccessDeniedException", ("example.com",), ["skipped", "passed"], "ses:GetAccount"),
        ("InvalidClientTokenId", (), ["failed", "skipped"], "InvalidClientTokenId"),
    ],
)  # fmt: skip
def test_verify_asks_for_account_and_sender(
    account: Any, verified: tuple[str, ...], statuses: list[str], word: str
) -> None:
    """Quota, sandbox, pauses and the sender's identity are told without a mail."""
    with Mailer("ses", options={"session": Account(account, verified)}) as mailer:
        checks = mailer.verify(make_email())["ses"]
    assert [check.status for check in checks] == statuses
    assert word in checks[0].detail
    assert all(check.remedy for check in checks if check.status == "failed")
