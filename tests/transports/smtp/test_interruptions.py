"""The fault matrix inside a flight: 421 or a close at each reply, hangs, idle connections."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from zenmail import DeliveryError, Email, Mailer, Receipt, Retry, UnknownOutcome
from zenmail.testing.smtp_server import Action, Authority, Drop, Hang, Phase, SMTPServer
from zenmail_transports.smtp import wire

Start = Callable[..., SMTPServer]
pytestmark = pytest.mark.once

MODES = {
    "chunk": ("PIPELINING", "CHUNKING"),
    "chunk-lockstep": ("CHUNKING",),
    "pipeline": ("PIPELINING",),
    "lockstep": (),
}
BREAKS: dict[str, Action] = {
    "421": Drop(after="421 4.7.0 Too many errors"),
    "close": Drop(),
    "reset": Drop(reset=True),
}
# Where in the dialogue: the phase, and the recipient whose turn it is.
PLACES: list[tuple[Phase, str]] = [
    ("mail", ""),
    ("rcpt", "alice"),
    ("rcpt", "bob"),
    ("rcpt", "carol"),
    ("data", ""),
    ("bdat", ""),
]
PASSWORD = "canary-password-7f3a"


def outcomes(call: Callable[[], Receipt], everybody: tuple[str, ...]) -> dict[str, str]:
    """Return what became of each recipient, by what a transport says."""
    try:
        receipt = call()
    except UnknownOutcome:
        return dict.fromkeys(everybody, "unknown")
    except DeliveryError as error:
        return dict.fromkeys(everybody, type(error).__name__)
    return {
        **dict.fromkeys(receipt.accepted, "accepted"),
        **dict.fromkeys(receipt.refused, "refused"),
        **dict.fromkeys(receipt.deferred, "deferred"),
        **dict.fromkeys(receipt.unknown, "unknown"),
    }


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("warm", [False, True])
def test_break_at_each_reply(
    start: Start, client: Any, email: Email, mode: str, warm: bool
) -> None:
    """Everybody is named; what was not taken is in doubt in no case that can be told."""
    everybody = email.envelope.recipients
    server = start(extensions=MODES[mode])
    # Exim's "drop" hangs up on a recipient that it has refused.
    breaks = {**BREAKS, "drop": Drop(after="550 5.7.1 Go away")}
    for (phase, whom), name, known in itertools.product(PLACES, breaks, [True, False]):
        if phase == ("data" if mode.startswith("chunk") else "bdat"):
            continue
        client.transport.close_transport()
        client.transport = type(client.transport)()
        server.forget()
        if warm:
            assert client.send(server, email).accepted == everybody
        server.mails.clear()
        server.on(phase, breaks[name], matching=whom)
        if not known:
            server.on("rcpt", "550 5.1.1 Unknown", matching="bob")
        connections = server.connections
        found = outcomes(lambda: client.send(server, email), everybody)
        cell = (phase, whom, name, known, found)
        assert set(found) == set(everybody), cell
        assert server.mails == [], cell
        if not (warm and mode == "chunk" and name != "421"):
            assert "unknown" not in found.values(), cell
        assert server.connections <= connections + 1, cell


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", BREAKS)
def test_break_once_through_the_mailer(
    start: Start, email: Email, mode: str, name: str
) -> None:
    """A break that passes costs nobody the mail, and nobody has it twice."""
    places = [
        place
        for place in PLACES
        if place[0] != ("data" if mode.startswith("chunk") else "bdat")
    ]
    servers = [start(extensions=MODES[mode]) for _ in places]

    def check(server: SMTPServer, place: tuple[Phase, str]) -> None:
        phase, whom = place
        server.on(phase, BREAKS[name], matching=whom, times=1)
        with Mailer("smtp", options=server.options(), deadline=20.0) as mailer:
            receipt = mailer.send(email)
        assert receipt.outcome == "delivered", (phase, whom, receipt)
        taken = [address for mail in server.mails for address in mail.recipients]
        assert sorted(taken) == sorted(email.envelope.recipients), (phase, whom)

    with ThreadPoolExecutor(len(servers)) as pool:  # they wait before they try again
        list(pool.map(check, servers, places))


def test_the_refused_are_not_asked_about_again(start: Start, email: Email) -> None:
    """A server that closes after too many unknown recipients lets the others through later.

    As Postfix does (smtpd_hard_error_limit).
    """
    server = start(extensions=MODES["chunk"])
    server.on("rcpt", "550 5.1.1 Unknown", matching="alice", times=1)
    server.on("rcpt", BREAKS["421"], matching="bob", times=1)
    with Mailer("smtp", options=server.options(), deadline=20.0) as mailer:
        receipt = mailer.send(email)
    assert set(receipt.refused) == {"alice@example.com"}
    assert receipt.accepted == ("bob@example.com", "carol@example.com")
    assert receipt.outcome == "partial"
    assert "5.1.1" in receipt.detail
    assert sum("alice" in line for line in server.lines()) == 1


def test_at_least_once_tries_those_again_whose_reply_was_lost(
    start: Start, email: Email
) -> None:
    """Who was not answered for is in doubt like who was, and gets the mail again."""
    server = start(extensions=MODES["chunk"])
    with Mailer(
        "smtp", options=server.options(), deadline=20.0, retry=Retry(policy="at_least_once")
    ) as mailer:
        mailer.send(email)
        server.mails.clear()
        server.on("rcpt", Drop(), matching="bob", times=1)
        receipt = mailer.send(email)
    assert receipt.outcome == "delivered"
    assert [mail.recipients for mail in server.mails] == [[*email.envelope.recipients]]


def test_hang_at_each_phase_twice(
    authority: Authority, email: Email, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two connections that hang before the mail's end leave time for a third, in any phase."""
    phases: tuple[Phase, ...] = (
        *("connect", "banner", "ehlo", "starttls", "handshake", "auth"),
        *("mail", "rcpt", "data", "bdat"),
    )

    def run(mode: str, phase: Phase) -> tuple[str, int]:
        server = SMTPServer(
            tls=authority.context(), users={"u": PASSWORD}, extensions=MODES[mode]
        )
        server.ca_file = authority.ca_file
        try:
            server.on(phase, Hang(), times=2)
            options = server.options(username="u", password=PASSWORD)
            with Mailer("smtp", options=options, deadline=12.0) as mailer:
                return mailer.send(email).outcome, len(server.mails)
        finally:
            server.close()

    cells = [
        (mode, phase)
        for mode in MODES
        for phase in phases
        if phase != ("data" if mode.startswith("chunk") else "bdat")
    ]
    with ThreadPoolExecutor(len(cells)) as pool:  # they wait
        found = list(pool.map(lambda cell: run(*cell), cells))
    with capsys.disabled():
        print(f"\nhang twice, {len(cells)} cells: {found.count(('delivered', 1))} delivered")
    assert {
        cell: outcome
        for cell, outcome in zip(cells, found, strict=True)
        if outcome != ("delivered", 1)
    } == {}


@pytest.mark.parametrize("action", [Hang(), Drop(), Drop(reset=True)])
def test_idle_loss(start: Start, email: Email, action: Action) -> None:
    """A connection that was forgotten while it was idle costs no mail and makes no doubt."""
    servers = [start(extensions=extensions) for extensions in MODES.values()]

    def check(server: SMTPServer) -> None:
        with Mailer("smtp", options=server.options(), deadline=20.0) as mailer:
            assert mailer.send(email).delivered
            time.sleep(0.7)
            server.on("noop", action, times=1)
            started = time.monotonic()
            receipt = mailer.send(email)
        assert (receipt.outcome, receipt.attempts) == ("delivered", 1)
        assert time.monotonic() - started < 10
        assert len(server.mails) == 2

    with ThreadPoolExecutor(len(servers)) as pool:  # they wait
        list(pool.map(check, servers))


def test_a_deferral_stays_one_when_the_deadline_cuts_the_last_try(
    start: Start, email: Email
) -> None:
    """What the server has put off is never in doubt for a retry that was cut short."""
    servers = [start(extensions=extensions) for extensions in MODES.values()]

    def check(server: SMTPServer) -> None:
        with Mailer("smtp", options=server.options(), deadline=4.0) as mailer:
            assert mailer.send(email).delivered
            server.on("rcpt", "451 4.7.1 Greylisted", times=3)
            server.on("rcpt", Hang())
            receipt = mailer.send(email)
        assert receipt.outcome == "deferred"
        assert set(receipt.deferred) == set(email.envelope.recipients)
        assert len(server.mails) == 1

    with ThreadPoolExecutor(len(servers)) as pool:  # they wait
        list(pool.map(check, servers))


def test_421_behind_another_reply_is_heard(start: Start, client: Any, email: Email) -> None:
    """A server that says goodbye unasked speaks SMTP, and is quoted."""
    replies: dict[Phase, str] = {"banner": "220 hi", "mail": "250 ok", "ehlo": "250 hi"}
    for phase, reply in replies.items():
        server = start(extensions=())
        server.on(phase, f"{reply}\n421 4.3.2 Too many connections")
        with pytest.raises(DeliveryError, match=r"421 4\.3\.2 Too many connections") as caught:
            client.send(server, email)
        assert "does not speak" not in str(caught.value)


@pytest.fixture
def slow_writer() -> Iterator[int]:
    """Serve SMTP on a port as Haraka does: each reply is written alone, with Nagle on."""

    def talk(sock: socket.socket) -> None:
        with suppress(OSError), sock, sock.makefile("rb") as lines:
            sock.sendall(b"220 hi\r\n")
            body = False
            for line in lines:
                if body and line != b".\r\n":
                    continue
                verb = b"DOT" if body else line[:4].upper()
                body = verb == b"DATA"
                if verb == b"EHLO":
                    sock.sendall(b"250-hi\r\n")
                    sock.sendall(b"250 PIPELINING\r\n")
                else:
                    sock.sendall(b"354 go\r\n" if body else b"250 ok\r\n")

    def serve() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(sock,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="Linux has TCP_QUICKACK")
def test_replies_one_by_one_are_acknowledged_at_once(
    slow_writer: int, client: Any, email: Email, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that writes reply by reply does not wait for delayed acknowledgements."""

    def seconds() -> float:
        options = {"host": "127.0.0.1", "port": slow_writer, "security": "none"}
        assert client.send(None, email, **options).accepted
        started = time.monotonic()
        for _ in range(20):
            client.send(None, email, **options)
        return time.monotonic() - started

    quick = min(seconds() for _ in range(2))
    monkeypatch.setattr(wire, "_QUICKACK", None)
    assert quick < seconds() / 2
