from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from zenmail import DeadlineExceeded, Email, TemporaryFailure
from zenmail.testing.smtp_server import Delay, Drop, Hang, SMTPServer
from zenmail_transports.smtp import relay

Start = Callable[..., SMTPServer]
PASSWORD, WRONG = "canary-password-7f3a", "canary-wrong-password-0c6e"


def test_connection_is_kept(start: Start, client: Any, email: Email) -> None:
    """Mails one after the other share a connection and its login."""
    server = start(security="starttls", users={"u": PASSWORD})
    for _ in range(5):
        client.send(server, email, username="u", password=PASSWORD)
    assert server.connections == 1
    assert server.logins == ["u"]
    assert len(server.mails) == 5


def test_other_credentials_get_another_connection(
    start: Start, client: Any, email: Email
) -> None:
    """A connection is never used for other options than those it was opened with."""
    server = start(security="starttls", users={"u": PASSWORD, "v": WRONG})
    client.send(server, email, username="u", password=PASSWORD)
    client.send(server, email, username="v", password=WRONG)
    client.send(server, email, username="u", password=PASSWORD)
    assert [mail.username for mail in server.mails] == ["u", "v", "u"]
    assert server.connections == 2


@pytest.mark.parametrize("mode", [("PIPELINING", "CHUNKING"), ("PIPELINING",), ()])
@pytest.mark.parametrize("security", ["none", "starttls"])
def test_dead_connection_is_replaced(
    start: Start, client: Any, email: Email, mode: Any, security: str
) -> None:
    """A kept connection that the server closed is replaced; no mail is lost or doubled."""
    server = start(security=security, extensions=mode)
    for count in range(1, 4):
        receipt = client.send(server, email)
        assert receipt.accepted == email.envelope.recipients
        assert len(server.mails) == count
        server.drop_connections()
        time.sleep(0.05)
    assert server.connections == 3


def test_farewell_is_noticed(start: Start, client: Any, email: Email) -> None:
    """A 421 that waits in a kept connection is not taken for the answer to a mail."""
    server = start(extensions=("PIPELINING", "CHUNKING"))
    client.send(server, email)
    server.on("mail", "421 4.4.2 Timeout, closing", times=1)
    assert client.send(server, email).accepted
    assert len(server.mails) == 2
    assert server.connections == 2


@pytest.mark.parametrize("action", [Hang(), Drop(), "421 4.4.2 Idle for too long"])
def test_connection_that_a_firewall_forgot(
    start: Start, client: Any, email: Email, action: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a long pause the server is asked first, so its silence costs no mail."""
    monkeypatch.setattr(relay, "_CAUTION_AFTER", 0.0)
    monkeypatch.setattr(relay, "_PATIENCE", 0.2)
    server = start(extensions=("PIPELINING", "CHUNKING"))
    client.send(server, email)
    server.on("noop", action, times=1)
    assert client.send(server, email).accepted
    assert len(server.mails) == 2
    assert server.connections == 2
    monkeypatch.setattr(relay, "_PATIENCE", 10.0)
    assert client.send(server, email).accepted
    assert server.connections == 2
    assert server.lines().count("NOOP") == 2


def test_connections_that_a_firewall_forgot_are_given_up_together(
    start: Start, client: Any, email: Email, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The silence of one idle connection is enough to replace all that were idle as long."""
    server = start(extensions=("PIPELINING", "CHUNKING"))
    server.on("mail", Delay(2.0), times=4)
    threads = [threading.Thread(target=client.send, args=(server, email)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.connections == 4
    monkeypatch.setattr(relay, "_CAUTION_AFTER", 0.0)
    monkeypatch.setattr(relay, "_PATIENCE", 0.2)
    server.on("noop", Hang())
    assert client.send(server, email).accepted
    assert server.connections == 5
    assert server.lines().count("NOOP") == 1


def test_limits_of_a_connection(start: Start, client: Any, email: Email) -> None:
    """max_mails and max_idle end a connection's use."""
    server = start()
    for _ in range(5):
        client.send(server, email, max_mails=2)
    assert server.connections == 3
    other = start()
    for _ in range(2):
        client.send(other, email, max_idle=0)
        time.sleep(0.01)
    assert other.connections == 2


def test_close_and_go_on(start: Start, client: Any, email: Email) -> None:
    """close_transport says QUIT and closes; the transport can be used again."""
    server = start()
    client.send(server, email)
    client.transport.close_transport()
    client.transport.close_transport()
    assert client.send(server, email).accepted
    assert server.connections == 2
    # Nobody waits for the answer to QUIT: the server may read it later.
    give_up = time.monotonic() + 10
    while "QUIT" not in server.lines(connection=0):
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_fifty_threads(start: Start, client: Any, email: Email) -> None:
    """Fifty threads share a few connections; each mail arrives once and whole."""
    server = start(security="starttls", users={"u": PASSWORD})
    mails = [email.replace(subject=f"mail {number}", message_id="") for number in range(50)]
    login = {"username": "u", "password": PASSWORD}
    failures: list[BaseException] = []

    def send(mail: Email) -> None:
        try:
            for _ in range(3):
                client.send(server, mail, **login, connections=4, seconds=60)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=send, args=(mail,)) for mail in mails]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert server.connections <= 4
    assert sorted(mail.content for mail in server.mails) == sorted(
        mail.as_bytes() for mail in mails for _ in range(3)
    )


def test_all_connections_in_use(start: Start, client: Any, email: Email) -> None:
    """Who gets no connection by the deadline is told so, and the slot comes back."""
    server = start()
    server.on("mail", Delay(3.0), times=1)
    thread = threading.Thread(
        target=client.send, args=(server, email), kwargs={"connections": 1}
    )
    thread.start()
    while not any(line.startswith("MAIL") for line in server.lines()):
        time.sleep(0.01)
    with pytest.raises(DeadlineExceeded, match="connections were in use"):
        client.send(server, email, connections=1, seconds=0.2)
    thread.join()
    assert client.send(server, email, connections=1).accepted
    assert server.connections == 1


def test_failed_connections_take_no_slot(start: Start, client: Any, email: Email) -> None:
    """A connection that does not come about, or breaks, leaves room for the next."""
    server = start(extensions=())
    server.on("banner", Drop(), times=5)
    server.on("mail", Drop(), times=5)
    for _ in range(10):
        with pytest.raises(TemporaryFailure):
            client.send(server, email, connections=1, seconds=5)
    assert client.send(server, email, connections=1, seconds=5).accepted


class Stop(Exception):
    """What ZenML raises from a signal handler."""


def test_signal_in_the_middle(start: Start, client: Any, email: Email) -> None:
    """An exception out of a signal handler leaves no half-used connection behind."""
    import signal

    server = start(extensions=("PIPELINING", "CHUNKING"))
    client.send(server, email)
    server.on("dot", Hang(), times=1)

    def handler(*_: object) -> None:
        raise Stop

    def interrupt() -> None:
        while not any(line.startswith("BDAT") for line in server.lines(connection=1)):
            time.sleep(0.01)
        time.sleep(0.5)  # until the client waits for the answer
        os.kill(os.getpid(), signal.SIGALRM)

    before = signal.signal(signal.SIGALRM, handler)
    interrupter = threading.Thread(target=interrupt)
    try:
        interrupter.start()
        with pytest.raises(Stop):
            client.send(server, email, connections=1)
    finally:
        interrupter.join()
        signal.signal(signal.SIGALRM, before)
    assert client.send(server, email, connections=1).accepted
    assert server.connections == 3


PROGRAM = """
    import os, sys, threading
    from zenmail import Deadline, Email, SendRequest
    from zenmail_transports.smtp import SMTPOptions, SMTPTransport

    options = SMTPOptions(host="localhost", port=int(sys.argv[1]), ca_file=sys.argv[2],
                          username="u", password="canary-password-7f3a")
    transport = SMTPTransport()

    def send(subject):
        email = Email(sender="a@example.com", to=["b@example.com"], subject=subject, text="x")
        request = SendRequest(email, email.envelope, options, Deadline.after(20))
        assert transport.send_email(request).accepted
"""


def run(server: SMTPServer, program: str) -> str:
    """Run a program that has ``send``; return what it wrote to either stream."""
    text = textwrap.dedent(PROGRAM) + textwrap.dedent(program)
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-X",
            "dev",
            "-c",
            text,
            str(server.port),
            str(server.ca_file),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "end", ["", "transport.close_transport()", "del transport", "sys.exit(0)"]
)
def test_exit_with_open_connections(start: Start, end: str) -> None:
    """A process that ends with connections open ends quietly and without a wait."""
    server = start(security="starttls", users={"u": PASSWORD})
    server.on("quit", Hang())
    assert run(server, f"send('one')\n{end}\n") == ""
    assert len(server.mails) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork(start: Start) -> None:
    """Parent and child each keep to connections of their own, before and after a fork."""
    server = start(security="starttls", users={"u": PASSWORD})
    output = run(
        server,
        """
        send("before")
        children = []
        for number in range(3):
            pid = os.fork()
            if not pid:
                send(f"child {number}")
                send(f"child {number} again")
                sys.exit(0)
            children.append(pid)
        send("parent")
        for pid in children:
            assert os.waitpid(pid, 0)[1] == 0
        send("after")
        """,
    )
    assert output == ""
    subjects: dict[int, list[str]] = {}
    for mail in server.mails:
        subjects.setdefault(mail.connection, []).append(str(mail.message["subject"]))
    assert sorted(subjects.values()) == [
        ["before", "parent", "after"],
        ["child 0", "child 0 again"],
        ["child 1", "child 1 again"],
        ["child 2", "child 2 again"],
    ]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_while_another_thread_sends(start: Start) -> None:
    """A fork while other threads hold locks and connections does not block the child."""
    server = start(security="starttls", users={"u": PASSWORD})
    output = run(
        server,
        """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads, 3.12

        stop = threading.Event()
        def busy():
            while not stop.is_set():
                send("thread")
        threads = [threading.Thread(target=busy) for _ in range(4)]
        for thread in threads:
            thread.start()
        failed = []
        for _ in range(10):
            pid = os.fork()
            if not pid:
                send("child")
                os._exit(0)
            if os.waitpid(pid, 0)[1]:
                failed.append(pid)
        stop.set()
        for thread in threads:
            thread.join()
        assert not failed
        """,
    )
    assert output == ""
    assert sum(str(mail.message["subject"]) == "child" for mail in server.mails) == 10
