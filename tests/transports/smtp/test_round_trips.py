from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from zenmail import Email
from zenmail.testing.smtp_server import SMTPServer

Start = Callable[..., SMTPServer]
PASSWORD = "canary-password-7f3a"
# Long enough that a flight in several packets is counted once.
SETTLE = 0.1


@pytest.mark.parametrize(
    ("extensions", "cold", "warm"),
    [
        # Cold: greeting, EHLO, STARTTLS, TLS, EHLO, AUTH, the envelope and the mail.
        (("PIPELINING", "CHUNKING"), 8, 1),
        (("PIPELINING",), 8, 2),
        ((), 12, 6),
    ],
)
def test_round_trips_of_an_alert(
    start: Start, client: Any, email: Email, extensions: Any, cold: int, warm: int
) -> None:
    """A warm alert takes 1 round trip with CHUNKING and 2 with PIPELINING."""
    login = {"username": "u", "password": PASSWORD}
    server = start(
        security="starttls", users={"u": PASSWORD}, extensions=extensions, settle=SETTLE
    )
    client.send(server, email, **login)
    assert server.round_trips == [cold]
    client.send(server, email, **login)
    client.send(server, email, **login)
    assert server.round_trips == [cold + 2 * warm]


def test_round_trips_do_not_grow_with_recipients(
    start: Start, client: Any, email: Email
) -> None:
    """Two hundred recipients take one flight like three."""
    server = start(extensions=("PIPELINING", "CHUNKING"), settle=SETTLE)
    client.send(server, email)
    before = server.round_trips[0]
    client.send(server, email, recipients=[f"u{number}@example.com" for number in range(200)])
    assert server.round_trips[0] - before == 1


@pytest.mark.parametrize(
    ("options", "missing"),
    [({"chunking": "off"}, "BDAT"), ({"pipelining": "off"}, "nothing at all")],
)
def test_extensions_can_be_switched_off(
    start: Start, client: Any, email: Email, options: dict[str, str], missing: str
) -> None:
    """chunking='off' uses DATA; pipelining='off' one command at a time."""
    server = start(extensions=("PIPELINING", "CHUNKING"), settle=SETTLE)
    client.send(server, email, **options)
    assert not any(line.startswith(missing) for line in server.lines())
    assert server.round_trips[0] == (4 if "chunking" in options else 8)


def test_quit_is_not_waited_for(start: Start, client: Any, email: Email) -> None:
    """A server that does not answer QUIT, or answers 500, changes nothing."""
    from zenmail.testing.smtp_server import Hang

    server = start()
    server.on("quit", Hang(), times=1)
    server.on("quit", "500 5.5.1 What?")
    for _ in range(2):
        assert client.send(server, email).accepted
        client.transport.close_transport()
    assert server.connections == 2
