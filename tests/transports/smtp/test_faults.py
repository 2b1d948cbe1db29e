"""The fault matrix: every fault in every phase, and the dialogue cut at every byte."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, get_args

import pytest

from zenmail import (
    Deadline,
    DeliveryError,
    Email,
    Mailer,
    PermanentFailure,
    Receipt,
    Retry,
    SendRequest,
    TemporaryFailure,
    UnknownOutcome,
)
from zenmail.testing.smtp_server import (
    Action,
    Authority,
    Cut,
    Drip,
    Drop,
    Endless,
    Hang,
    Phase,
    Send,
    SMTPServer,
)
from zenmail_transports.smtp import SMTPOptions, SMTPTransport

Start = Callable[..., SMTPServer]
pytestmark = pytest.mark.once

PASSWORD = "canary-password-7f3a"
NIGHTLY = os.environ.get("ZENMAIL_HYPOTHESIS_PROFILE") == "nightly"
MODES = {
    "chunk": ("PIPELINING", "CHUNKING", "SIZE 1000000"),
    "pipeline": ("PIPELINING",),
    "lockstep": (),
}
PHASES = tuple(phase for phase in get_args(Phase) if phase not in ("rset", "noop"))
FAULTS: dict[str, Action] = {
    "drop": Drop(),
    "reset": Drop(reset=True),
    "half": Drop(after="250-half a reply"),
    "hang": Hang(),
    "4xx": "451 4.3.0 Not now",
    "5xx": "554 5.3.0 Never",
    "421": "421 4.3.2 Shutting down",
    "malformed": Send(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "binary": Send(bytes(range(256))),
    "wrong": Send(b"354 what\r\n"),
    "mixed": Send(b"250-one\r\n550 two\r\n"),
    "drip": Drip(0.2),
    "endless": Endless(b"220-still here\r\n", 0.01),
    "flood": Endless(b"220-still here\r\n" * 1000),
    "long line": Endless(b"2" * 65536),
}
PATIENT = 8.0
HURRIED = 0.7
SLOW = frozenset({"hang", "drip", "endless"})


@dataclass(frozen=True)
class Cell:
    """What became of one mail to a server with one fault."""

    mode: str
    phase: Phase
    fault: str
    verdict: str
    copies: int
    overtime: float
    leaks: int

    @property
    def false_success(self) -> bool:
        return self.verdict == "accepted" and self.copies != 1

    @property
    def false_failure(self) -> bool:
        return self.verdict in ("temporary", "permanent") and self.copies > 0


def verdict(send: Callable[[], Receipt]) -> str:
    """Name what a transport says of a mail to one recipient."""
    try:
        receipt = send()
    except TemporaryFailure:
        return "temporary"
    except PermanentFailure:
        return "permanent"
    except UnknownOutcome:
        return "unknown"
    if receipt.accepted:
        return "accepted"
    return "permanent" if receipt.refused else "temporary"


def leaks(server: SMTPServer) -> int:
    """Count the lines in clear that hold credentials or begin a mail."""
    return sum(
        line.text.upper().startswith((b"AUTH ", b"MAIL ", b"RCPT "))
        for line in list(server.transcript)
        if line.speaker == "C" and not line.encrypted
    )


@pytest.fixture
def alert() -> Email:
    """A mail to one recipient."""
    return Email(sender="a@example.com", to=["b@example.com"], subject="x", text="y")


def test_fault_matrix(
    authority: Authority, alert: Email, capsys: pytest.CaptureFixture[str]
) -> None:
    """No fault makes a false success, a hang, a copy or a leak of credentials."""

    def run(mode: str, phase: Phase, fault: str) -> Cell:
        server = SMTPServer(
            tls=authority.context(), users={"u": PASSWORD}, extensions=MODES[mode]
        )
        server.ca_file = authority.ca_file
        transport = SMTPTransport()
        seconds = HURRIED if fault in SLOW else PATIENT
        if fault in SLOW and phase in ("dot", "quit"):
            # By then the mail has gone through, which takes its time on a slow machine.
            seconds = 3.0
        try:
            server.on(phase, FAULTS[fault])
            values = server.options(username="u", password=PASSWORD)
            options = SMTPOptions.parse(values, transport="smtp")
            # The clock starts with the dialogue; other cells share the processor.
            started = time.monotonic()
            request = SendRequest(alert, alert.envelope, options, Deadline.after(seconds))
            found = verdict(lambda: transport.send_email(request))
            overtime = time.monotonic() - started - seconds
            transport.close_transport()
            return Cell(mode, phase, fault, found, len(server.mails), overtime, leaks(server))
        finally:
            transport.close_transport()
            server.close()

    with ThreadPoolExecutor(8) as pool:
        cells = [
            future.result()
            for future in [
                pool.submit(run, mode, phase, fault)
                for mode in MODES
                for phase in PHASES
                if phase != ("data" if mode == "chunk" else "bdat")
                for fault in FAULTS
            ]
        ]
    with capsys.disabled():
        print("\n" + table(cells))
    assert [cell for cell in cells if cell.false_success] == []
    assert [cell for cell in cells if cell.false_failure] == []
    assert [cell for cell in cells if cell.copies > 1] == []
    assert [cell for cell in cells if cell.overtime > 1.0] == []
    assert [cell for cell in cells if cell.leaks] == []
    for cell in cells:
        if cell.phase == "quit":
            assert cell.verdict == "accepted", cell
        elif cell.phase not in ("connect", "handshake"):
            if cell.fault in ("4xx", "421"):
                assert cell.verdict == "temporary", cell
            if cell.fault == "5xx":
                assert cell.verdict == "permanent", cell
        if cell.phase == "dot" and cell.fault in ("drop", "hang", "malformed", "half"):
            assert cell.verdict == "unknown", cell


def table(cells: list[Cell]) -> str:
    """Return the matrix as text: phases down, faults across, a letter for each mode."""
    letters = {"accepted": "+", "temporary": "t", "permanent": "p", "unknown": "?"}
    rows = {(cell.phase, cell.fault, cell.mode): letters[cell.verdict] for cell in cells}
    lines = [
        f"fault matrix, {len(cells)} cells; for each of {', '.join(MODES)}: "
        "+ accepted, t temporary, p permanent, ? unknown",
        " " * 10 + "".join(f"{fault:>10}" for fault in FAULTS),
    ]
    for phase in PHASES:
        marks = [
            "".join(rows.get((phase, fault, mode), " ") for mode in MODES) for fault in FAULTS
        ]
        lines.append(f"{phase:<10}" + "".join(f"{mark:>10}" for mark in marks))
    bad = {
        "false successes": sum(cell.false_success for cell in cells),
        "false failures": sum(cell.false_failure for cell in cells),
        "copies": sum(cell.copies > 1 for cell in cells),
        "hangs": sum(cell.overtime > 1.0 for cell in cells),
        "leaks": sum(cell.leaks for cell in cells),
    }
    lines.append(", ".join(f"{count} {name}" for name, count in bad.items()))
    return "\n".join(lines)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("side", ["sent", "received"])
@pytest.mark.parametrize("security", ["none", "starttls"])
def test_cut_at_every_byte(
    start: Start,
    alert: Email,
    security: str,
    side: str,
    mode: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Cut after any byte of either side, a mail is never called delivered when it is not.

    Nor is it called undelivered when it is; and sent again, it is there exactly once.
    Nothing of the login or the mail is ever in clear when there is to be TLS.
    """
    server = start(security=security, users={"u": PASSWORD}, extensions=MODES[mode])
    values = server.options(
        username="u", password=PASSWORD, allow_insecure_login=security == "none"
    )
    options = SMTPOptions.parse(values, transport="smtp")

    def send(transport: SMTPTransport) -> str:
        request = SendRequest(alert, alert.envelope, options, Deadline.after(20.0))
        return verdict(lambda: transport.send_email(request))

    # A handshake takes its time; its own bytes are not counted.
    step = 1 if security == "none" or NIGHTLY else 3
    found: Counter[tuple[str, int]] = Counter()
    offset, uncut = 0, 0
    while uncut < 3:
        server.forget()
        server.mails.clear()
        server.on("connect", Cut(**{side: offset}), times=1)
        transport = SMTPTransport()
        said = send(transport)
        copies = len(server.mails)
        found[said, copies] += 1
        assert (said, copies) in {
            ("accepted", 1),
            ("temporary", 0),
            ("unknown", 0),
            ("unknown", 1),
        }, f"{said} with {copies} copies when cut after {offset} bytes {side}"
        if said == "temporary":
            assert send(transport) == "accepted", offset
            assert len(server.mails) == 1
        transport.close_transport()
        uncut = uncut + 1 if said == "accepted" else 0
        offset += step
    with capsys.disabled():
        counts = ", ".join(f"{said}/{copies}: {n}" for (said, copies), n in found.items())
        print(
            f"\ncut after {found.total()} of {offset} bytes {side} ({security}, {mode}), "
            f"verdict/copies: {counts}"
        )
    assert found["unknown", 1] + found["unknown", 0] > 0
    assert security == "none" or leaks(server) == 0


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fault", ["drop", "4xx", "421"])
@pytest.mark.parametrize("phase", ["banner", "mail", "dot"])
def test_passing_faults_are_ridden_out(
    start: Start, alert: Email, mode: str, phase: Phase, fault: str
) -> None:
    """Through the host, a fault that passes costs neither the mail nor a second copy."""
    server = start(extensions=MODES[mode])
    server.on(phase, FAULTS[fault], times=1)
    with Mailer("smtp", options=server.options(), deadline=PATIENT) as mailer:
        receipt = mailer.send(alert)
    if receipt.outcome == "unknown":
        # Nobody can know: the whole mail was on its way when the connection broke.
        assert phase == "dot" or mode == "chunk"
        assert len(server.mails) <= 1
    else:
        assert receipt.outcome == "delivered"
        assert len(server.mails) == 1


def test_at_least_once_sends_again(start: Start, alert: Email) -> None:
    """With at_least_once a mail whose answer is lost goes out again, with the same id."""
    server = start(extensions=MODES["pipeline"])
    server.on("dot", Drop(), times=1)
    with Mailer(
        "smtp", options=server.options(), deadline=PATIENT, retry=Retry(policy="at_least_once")
    ) as mailer:
        receipt = mailer.send(alert)
    assert receipt.outcome == "delivered"
    assert [mail.message["message-id"] for mail in server.mails] == [alert.message_id] * 2


def test_name_that_does_not_exist(client: Any, alert: Email) -> None:
    """A name that cannot be looked up is temporary, and its error says what to check."""
    with pytest.raises(TemporaryFailure) as caught:
        client.send(None, alert, host="no-such-host.invalid", seconds=20)
    assert caught.value.code in ("dns", "deadline")
    assert caught.value.remedy


def test_name_server_that_hangs(
    client: Any, alert: Email, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that does not answer is left behind at the deadline."""
    import socket
    import threading

    release = threading.Event()

    def hang(*_: Any, **__: Any) -> Any:
        release.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    started = time.monotonic()
    with pytest.raises(TemporaryFailure, match="name server"):
        client.send(None, alert, host="mail.example.com", seconds=0.3)
    # The look-up itself takes ten.
    assert time.monotonic() - started < 8
    release.set()


def test_connection_refused(start: Start, client: Any, alert: Email) -> None:
    """A closed port is temporary, and its error names the usual ports."""
    server = start()
    request = client.request(server, alert)
    server.close()
    with pytest.raises(TemporaryFailure, match="refused the connection") as caught:
        client.transport.send_email(request)
    assert "587" in caught.value.remedy


def test_second_address_is_tried(
    start: Start, client: Any, alert: Email, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host's addresses are all tried: the one that refuses and the one that is silent."""
    import socket

    server = start()
    kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        refusing = closed.getsockname()
    # RFC 5737: nobody is at this address.
    found = [
        (*kind, refusing),
        (*kind, ("192.0.2.1", 25)),
        (*kind, ("127.0.0.1", server.port)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert client.send(server, alert).accepted


@pytest.mark.parametrize("fault", ["hang", "drop", "421", "malformed"])
def test_address_that_does_not_serve_leaves_the_others(
    start: Start, client: Any, alert: Email, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """A server that takes connections and is of no use is left for the next address."""
    import socket

    useless, server = start(), start()
    useless.on("banner", FAULTS[fault])
    kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    found = [(*kind, ("127.0.0.1", one.port)) for one in (useless, server)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: list(found))
    assert client.send(server, alert, seconds=4).accepted
    assert len(server.mails) == 1


def test_first_server_that_spoke_is_quoted(
    start: Start, client: Any, alert: Email, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When no address serves, the error is what the first one said, not that one is closed."""
    import socket

    busy, closed = start(), start()
    busy.on("banner", FAULTS["421"])
    kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    found = [(*kind, ("127.0.0.1", one.port)) for one in (busy, closed)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: list(found))
    request = client.request(busy, alert)
    closed.close()
    with pytest.raises(TemporaryFailure, match="421"):
        client.transport.send_email(request)


def test_hostile_server_costs_no_memory(start: Start, client: Any, alert: Email) -> None:
    """A banner of megabytes is given up on long before it is in memory."""
    import tracemalloc

    server = start()
    server.on("banner", Endless(b"220-" + b"x" * 1_000_000 + b"\r\n"))
    tracemalloc.start()
    try:
        with pytest.raises(DeliveryError):
            client.send(server, alert)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The server's own megabyte is in the same process.
    assert peak < 6_000_000
