from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from zenmail import Deadline
from zenmail_transports.smtp.wire import Lost, Wire


class Slow:
    """A socket whose send() takes longer than it should."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def send(self, data: Any) -> int:
        """Send, and return late."""
        sent = self._socket.send(data)
        time.sleep(0.3)
        return sent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


class Script:
    """A server that answers after some time on a clock of its own, and its socket.

    It counts how often the client looked whether the answer is there, and how often it
    fell asleep to be woken by it.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.takes = 0.0
        self.looks = self.sleeps = 0
        self._due = 0.0
        self._asleep = False

    def monotonic(self) -> float:
        """Return the time."""
        return self.now

    def send(self, data: Any) -> int:
        """Take a command."""
        self._due = self.now + self.takes
        return len(data)

    def recv(self, _: int) -> bytes:
        """Give the answer, if it is due; time passes with each look."""
        if self._asleep:
            self.now = max(self.now, self._due)
        elif self.now < self._due:
            self.looks += 1
            self.now += 10e-6
            raise BlockingIOError
        return b"250 fine\r\n"

    def settimeout(self, _: float) -> None:
        """Fall asleep."""
        self.sleeps += 1
        self._asleep = True

    def setblocking(self, _: bool) -> None:
        """Be awake."""
        self._asleep = False

    def setsockopt(self, *_: int) -> None:
        """Take no notice."""

    def waits(self, wire: Wire, *, takes: float) -> tuple[int, int]:
        """Exchange one command; return how often the client looked and slept."""
        self.takes, self.looks, self.sleeps = takes, 0, 0
        assert wire.exchange([b"NOOP\r\n"], 1, "it", Deadline.after(60))[0].code == 250
        return self.looks, self.sleeps


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """Return a scripted server whose clock is the wire's, on a machine with two processors."""
    script = Script()
    monkeypatch.setattr("zenmail_transports.smtp.wire.time", script)
    monkeypatch.setattr("zenmail_transports.smtp.wire._processors", lambda: 2)
    return script


def test_a_prompt_server_is_looked_to_awake(script: Script) -> None:
    """As long as answers come at once, the client does not fall asleep for them."""
    wire = Wire(script, "localhost", 25)  # type: ignore[arg-type]
    assert script.waits(wire, takes=50e-6) == (0, 1), "nothing is known of the server yet"
    assert script.waits(wire, takes=50e-6) == (5, 0)
    assert script.waits(wire, takes=0.0) == (0, 0)


def test_a_slow_server_is_waited_for_asleep(script: Script) -> None:
    """One answer that is late ends the looking after some turns, and for the next ones."""
    wire = Wire(script, "localhost", 25)  # type: ignore[arg-type]
    script.waits(wire, takes=50e-6)
    looks, sleeps = script.waits(wire, takes=0.02)
    assert 0 < looks <= 25
    assert sleeps == 1
    assert script.waits(wire, takes=0.02) == (0, 1)
    assert script.waits(wire, takes=50e-6) == (0, 1)
    assert script.waits(wire, takes=50e-6) == (5, 0), "it is prompt again"


def test_one_processor_is_left_to_the_server(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where client and server share a processor, looking would only hold the answer up."""
    monkeypatch.setattr("zenmail_transports.smtp.wire._processors", lambda: 1)
    wire = Wire(script, "localhost", 25)  # type: ignore[arg-type]
    assert [script.waits(wire, takes=50e-6) for _ in range(3)] == [(0, 1)] * 3


def test_a_prompt_server_does_not_outlive_the_deadline() -> None:
    """However fast the bytes come, the deadline is asked before each look."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    with theirs:
        theirs.sendall(b"250 fine\r\n")
        wire = Wire(ours, "localhost", 25)
        with pytest.raises(Lost) as lost:
            wire.exchange((), 1, "it", Deadline.after(0))
        assert lost.value.failure.code == "deadline"
        wire.close()


def test_all_that_was_sent_counts_as_sent() -> None:
    """A deadline that passes while the last bytes go out does not make them unsent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    with theirs:
        wire = Wire(ours, "localhost", 25)
        wire._socket = Slow(ours)  # type: ignore[assignment]
        with pytest.raises(Lost) as lost:
            wire.exchange([b"the mail"], 1, "the mail", Deadline.after(0.1))
        assert lost.value.sent
        assert theirs.recv(100) == b"the mail"
        wire.close()


@pytest.mark.parametrize(
    ("beyond", "fine"), [(b"", True), (b"550 no\r\n", False), (b"421 bye\r\n", True)]
)
def test_a_reply_too_many_leaves_open_which_is_whose(beyond: bytes, fine: bool) -> None:
    """Of several commands' replies none may be left over, unless the server says goodbye."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    with theirs:
        wire = Wire(ours, "localhost", 25)
        theirs.sendall(b"250 one\r\n250 two\r\n" + beyond)
        # It reads what has come at once, so all of it has to have come.
        while len(ours.recv(100, socket.MSG_PEEK)) < 18 + len(beyond):
            time.sleep(0.01)
        if fine:
            replies = wire.exchange([b"MAIL\r\n", b"RCPT\r\n"], 2, "it", Deadline.after(10))
            assert [reply.lines for reply in replies] == [("one",), ("two",)]
        else:
            with pytest.raises(Lost, match="more data than expected") as lost:
                wire.exchange([b"MAIL\r\n", b"RCPT\r\n"], 2, "it", Deadline.after(10))
            assert lost.value.sent
        wire.close()
