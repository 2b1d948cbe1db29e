"""How failures of SES are sorted, on a stubbed client and on a port of one's own."""

from __future__ import annotations

import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme

from zenmail import (
    Deadline,
    PermanentFailure,
    PluginHost,
    SendRequest,
)

pytest.importorskip("boto3")

pytestmark = pytest.mark.extras


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
def test_what_may_heal_is_tried_again(
    session: Any, code: str, status: int, make_email: Any, send: Any
) -> None:
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
        ("SendingPausedException", "ses-paused", "sending on again"),
        ("LimitExceededException", "ses-limit", "higher limits"),
        ("NotFoundException", "ses-not-found", "configuration_set"),
        ("BadRequestException", "ses-refused", "API reference"),
        ("AccessDeniedException", "ses-permission", "ses:SendRawEmail"),
        ("UnrecognizedClientException", "ses-credentials", "access_key_id"),
        ("InvalidClientTokenId", "ses-credentials", "access_key_id"),
        ("SignatureDoesNotMatch", "ses-credentials", "secret"),
        ("ExpiredTokenException", "ses-credentials", "session_token"),
        ("SomethingNew", "ses-refused", "API reference"),
    ],
)
def test_what_another_try_would_repeat_is_permanent(
    session: Any, code: str, ours: str, remedy: str, make_email: Any, send: Any
) -> None:
    """Every other answer is final, and the receipt says what to do about it."""
    session.fails(code)
    receipt = send(make_email(), attempts=3, session=session)
    assert receipt.outcome == "refused"
    assert receipt.attempts == 1
    assert receipt.code == ours
    assert remedy in receipt.remedy
    assert code in receipt.detail


def test_a_mail_that_is_too_long_is_shortened(session: Any, make_email: Any, send: Any) -> None:
    """The host learns from SES how much it takes, and sends a mail that fits."""
    session.fails(
        "BadRequestException", "Message length is more than 40000 bytes long: '60000'."
    )
    session.answers()
    email = make_email(attachments=[("model.bin", bytes(40_000))])
    receipt = send(email, session=session)
    assert receipt.outcome == "delivered"
    assert any("40,000" in note for note in receipt.notes)


def test_a_text_that_quotes_the_request_is_left_out(session: Any, make_email: Any) -> None:
    """What SES says of a wrong signature may hold the session token; it is not repeated."""
    token, email = "canary-session-8a9b/+==", make_email()
    session.fails("SignatureDoesNotMatch", f"The String was 'x-amz-security-token:{token}'")
    transport = PluginHost().transport("ses")
    options = transport.parse_options({"session": session})
    with pytest.raises(PermanentFailure) as caught:
        transport.send(SendRequest(email, email.envelope, options, Deadline.after(10)))
    transport.close()
    assert token not in "".join(traceback.format_exception(caught.value))


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
        if thread.name == "zenmail-call":
            thread.join(20)


KEYS: dict[str, Any] = {"region": "eu-west-1", "access_key_id": "A", "secret_access_key": "S"}


def test_an_answer_that_never_comes_is_an_unknown_outcome(
    listen: Any, make_email: Any, send: Any
) -> None:
    """Once the mail is on its way it may have been sent: it is not sent again."""
    server = listen(lambda connection: None)
    started = time.monotonic()
    endpoint = f"http://127.0.0.1:{server.port}"
    receipt = send(make_email(), attempts=3, deadline=5.0, endpoint_url=endpoint, **KEYS)
    assert receipt.outcome == "unknown"
    assert receipt.attempts == 1
    assert len(server.connections) == 1
    assert time.monotonic() - started < 15


def test_a_dripping_answer_does_not_outlast_the_deadline(
    listen: Any, make_email: Any, send: Any
) -> None:
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


def test_a_connection_that_breaks_after_the_mail_is_an_unknown_outcome(
    listen: Any, make_email: Any, send: Any
) -> None:
    """A server that hangs up in place of answering may have taken the mail."""

    def hang_up(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.close()

    server = listen(hang_up)
    receipt = send(make_email(), attempts=3,
                   endpoint_url=f"http://127.0.0.1:{server.port}", **KEYS)  # fmt: skip
    assert receipt.outcome == "unknown"
    assert receipt.code == "ses-answer-lost"


def test_a_port_that_nobody_listens_on_is_temporary(make_email: Any, send: Any) -> None:
    """What was not sent is tried again."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    receipt = send(make_email(), attempts=2, endpoint_url=f"http://127.0.0.1:{port}", **KEYS)
    assert receipt.outcome == "deferred"
    assert receipt.attempts == 2
    assert receipt.code == "ses-unreachable"


def test_a_certificate_that_nobody_vouches_for_is_permanent(
    listen: Any, make_email: Any, send: Any
) -> None:
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
