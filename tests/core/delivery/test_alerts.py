from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zenmail import Alert, Mailer, SendRequest, TemporaryFailure
from zenmail.ledger import storms

Make = Callable[..., Any]
TO: dict[str, Any] = {"sender": "a@example.com", "to": "b@example.com"}
RUNS = ("run-1", "run-2", "run-3")


def use_all_the_time(request: SendRequest[Any]) -> Any:
    """Fail only when the deadline has passed, as with a server that has stopped."""
    time.sleep(request.deadline.remaining())
    raise TemporaryFailure("busy")


def hold_back_in(mailer: Mailer, runs: tuple[str, ...]) -> None:
    """Send one alert of each run, and have two to four more held back."""
    for run in runs:
        for number in range(2 + int(run[-1])):
            alert = Alert(title=f"Step {number} failed", severity="error", thread=run)
            mailer.send_alert(alert, **TO)


def test_a_send_and_the_digests_that_are_overdue_have_one_deadline(
    scripted: Make, mailer_of: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Digests that are sent in a send's spare time end by the deadline of that send."""
    settings = {"alerts_per_run": 1, "deadline": 0.6, "ledger": tmp_path / "ledger.db"}
    hold_back_in(mailer_of(scripted("ok"), **settings), RUNS)
    monkeypatch.setattr(storms, "_QUIET", 0.0)
    one = scripted("ok", use_all_the_time)
    mailer_of(one, **settings).send_alert(Alert(title="Failed", thread="run-4"), **TO)
    sent, *digests = [request.deadline.expires_at for request in one.requests]
    assert digests
    assert max(digests) <= sent


def test_closing_has_one_deadline_however_many_digests_are_due(
    scripted: Make, mailer_of: Make, tmp_path: Path
) -> None:
    """The digests share the time of close; none starts its time afresh."""
    one = scripted("ok")
    mailer = mailer_of(one, alerts_per_run=1, deadline=0.6, ledger=tmp_path / "ledger.db")
    hold_back_in(mailer, RUNS)
    one.answers, one.requests[:] = [use_all_the_time], []
    mailer.close()
    deadlines = [request.deadline.expires_at for request in one.requests]
    assert deadlines
    assert max(deadlines) - min(deadlines) < 0.6


def test_each_digest_that_is_closed_with_gets_a_share(
    scripted: Make, mailer_of: Make, tmp_path: Path
) -> None:
    """A server that stops during the first digest leaves time to try the others."""
    one = scripted("ok")
    mailer = mailer_of(one, alerts_per_run=1, deadline=2.0, ledger=tmp_path / "ledger.db")
    hold_back_in(mailer, RUNS)
    one.answers, one.requests[:] = [use_all_the_time, "ok"], []
    mailer.close()
    assert len({request.email.subject for request in one.requests}) == 3
