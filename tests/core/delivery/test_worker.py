from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from zenmail import (
    Alert,
    ConfigurationError,
    Deadline,
    Email,
    Ledger,
    PluginHost,
    Receipt,
    TemporaryFailure,
    Worker,
)
from zenmail.delivery import spooler
from zenmail.delivery.secrecy import Secrecy
from zenmail.ledger.claim import Fate

Make = Callable[..., Any]
TO: dict[str, Any] = {"sender": "a@example.com", "to": "b@example.com"}


@pytest.fixture
def location(tmp_path: Path) -> Path:
    """Return the place of a ledger."""
    return tmp_path / "ledger.db"


def queue(mailer_of: Make, scripted: Make, email: Email, location: Path, count: int) -> Any:
    """Queue some mails; return the transport of the mailer that did."""
    one = scripted()
    mailer = mailer_of(one, ledger=location, delivery="queue")
    for number in range(count):
        receipt = mailer.send(email.replace(message_id=f"<{number}@example.com>"))
        assert (receipt.outcome, receipt.ok) == ("spooled", True)
        assert Ledger(location).outbox.show(receipt.spooled).tries == 0
        receipt.raise_for_outcome()
    return one


def test_queued_mails_are_sent_by_a_worker(
    scripted: Make, mailer_of: Make, email: Email, location: Path
) -> None:
    """A post only writes the mail down; a worker sends it as it was, and all of them."""
    posted = queue(mailer_of, scripted, email, location, 25)
    one = scripted()
    assert Worker(mailer_of(one, ledger=location)).drain() == 25
    assert posted.requests == []
    names = [request.email.message_id for request in one.requests]
    assert names == [f"<{number}@example.com>" for number in range(25)]
    assert one.requests[0].email.date == email.date
    assert Ledger(location).outbox.list() == []


def test_queueing_needs_a_ledger(scripted: Make, mailer_of: Make) -> None:
    """Without a ledger there is nowhere to queue, which is said when the mailer is made."""
    with pytest.raises(ConfigurationError, match="needs a ledger"):
        mailer_of(scripted(), delivery="queue")


def test_a_ledger_that_fails_stops_no_queued_mail(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """A mail that cannot be queued is sent at once, and the receipt says so."""
    one = scripted()
    receipt = mailer_of(one, ledger=tmp_path, delivery="queue").send(email)
    assert receipt.delivered
    assert "could not be recorded" in receipt.notes[0]
    assert len(one.requests) == 1


def test_connections_work_at_the_same_time_and_send_each_mail_once(
    scripted: Make, mailer_of: Make, email: Email, location: Path
) -> None:
    """Four connections of two workers send four mails at a time, and none twice."""
    queue(mailer_of, scripted, email, location, 80)
    together = threading.Barrier(4)

    def answer(request: Any) -> Receipt:
        together.wait(20)
        return Receipt(accepted=request.envelope.recipients)

    one = scripted(answer)
    workers = [Worker(mailer_of(one, ledger=location), connections=2) for _ in range(2)]
    sent: list[int] = []
    threads = [
        threading.Thread(target=lambda worker=worker: sent.append(worker.drain()))
        for worker in workers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(sent) == 80
    assert len({request.email.message_id for request in one.requests}) == 80


@pytest.mark.parametrize(
    ("seconds_for_each", "batches"),
    [(0.0, [1, 4, 16, 50, 29]), (0.09, [1, 4] + [5] * 19), (2.0, [1] * 100)],
)
def test_a_connection_claims_what_it_sends_in_half_a_second(
    email: Email, monkeypatch: pytest.MonkeyPatch, seconds_for_each: float, batches: list[int]
) -> None:
    """Mails that one connection holds keep no other waiting, however slow the server is."""
    now = 0.0
    sent: list[int] = []

    def resend(deliveries: Sequence[Any]) -> list[Receipt]:
        nonlocal now
        now += seconds_for_each * len(deliveries)
        sent.append(len(deliveries))
        return [Receipt(accepted=one.envelope.recipients) for one in deliveries]

    monkeypatch.setattr(spooler, "time", SimpleNamespace(monotonic=lambda: now))
    outbox = Ledger(":memory:").outbox
    for _ in range(100):
        outbox.add(email, email.envelope, "at_most_once", Fate("waiting"))
    one = spooler.Spooler(outbox, Secrecy([], PluginHost()))
    flushed = one.flush(resend, lambda: Deadline.after(30), seconds=30, at_once=50)
    assert len([*flushed]) == 100
    assert sent == batches


def test_a_worker_stops_when_nothing_can_be_delivered(
    scripted: Make, mailer_of: Make, email: Email, location: Path
) -> None:
    """Two failures in a row end a look; all others can be claimed by somebody else at once."""
    queue(mailer_of, scripted, email, location, 5)
    broken = scripted(TemporaryFailure("no server"))
    assert Worker(mailer_of(broken, ledger=location)).drain() == 0
    assert len(broken.requests) == 2
    assert Worker(mailer_of(scripted(), ledger=location)).drain() == 3
    assert len(Ledger(location).outbox.list()) == 2


def test_a_worker_that_is_stopped_finishes_what_it_sends(
    scripted: Make, mailer_of: Make, email: Email, location: Path
) -> None:
    """The mail under way is delivered; the others are left, and nobody has to wait for them."""
    queue(mailer_of, scripted, email, location, 5)
    stop = threading.Event()

    def answer(request: Any) -> Receipt:
        stop.set()
        return Receipt(accepted=request.envelope.recipients)

    worker = Worker(mailer_of(scripted(answer), ledger=location))
    worker.run(stop)
    assert worker.delivered == 1
    assert [item.state for item in Ledger(location).outbox.list()] == ["waiting"] * 4


def test_the_rate_is_kept(
    scripted: Make, mailer_of: Make, email: Email, location: Path
) -> None:
    """At 1,200 mails a minute, five mails over two connections take four intervals."""
    queue(mailer_of, scripted, email, location, 5)
    started = time.monotonic()
    worker = Worker(mailer_of(scripted(), ledger=location), connections=2, rate=1200)
    assert worker.drain() == 5
    assert time.monotonic() - started >= 4 * 0.05
    for wrong in ({"rate": 0}, {"connections": 0}):
        with pytest.raises(ConfigurationError):
            Worker(mailer_of(scripted()), **wrong)


def test_digests_of_several_machines_go_through_a_worker(
    scripted: Make, mailer_of: Make, location: Path
) -> None:
    """A digest goes when the run's end is reported, or it is quiet; no poster connects."""
    posted = scripted()
    machines = [
        mailer_of(posted, ledger=Ledger(location), delivery="queue", alerts_per_run=1)
        for _ in range(3)
    ]
    for number in range(9):
        for thread in ("ended", "quiet"):
            alert = Alert(title=f"Step {number} failed", severity="error", thread=thread)
            machines[number % 3].send_alert(alert, **TO)
    (receipt,) = machines[1].finish_thread("ended")
    assert receipt.ok
    one = scripted()
    worker = Worker(mailer_of(one, ledger=location))
    assert worker.drain() == 3
    ledger = Ledger(location)
    ledger._engine.run(
        lambda transaction: transaction.execute(
            "UPDATE storms SET last_alert = last_alert - 301"
        )
    )
    assert worker.drain() == 1
    assert worker.drain() == 0
    assert posted.requests == []
    subjects = [request.email.subject for request in one.requests]
    assert [subject for subject in subjects if "more" in subject] == [
        "8 more failures, 1 different error"
    ] * 2
