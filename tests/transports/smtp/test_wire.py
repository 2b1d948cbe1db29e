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
