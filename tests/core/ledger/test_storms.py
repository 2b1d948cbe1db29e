from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from zenmail import Alert, ConfigurationError, Mailer, PermanentFailure, TemporaryFailure
from zenmail.addressing import Addressing
from zenmail.ledger.ledger import Ledger

Make = Callable[..., Any]
TO: dict[str, Any] = {"sender": "a@example.com", "to": "b@example.com"}


def failing(number: int, **more: Any) -> Alert:
    """Return the alert of a failing step."""
    return Alert(
        **{
            "title": f"Step {number} failed",
            "severity": "error",
            "error": f"ValueError: bad value {number}" if number % 3 else "KeyError: 'x'",
            "thread": "run-1",
            **more,
        }
    )


def counted(subjects: list[str]) -> int:
    """Return how many alerts mails with these subjects stand for."""
    digests = [re.search(r"([0-9,]+) more", subject) for subject in subjects]
    return sum(int(found[1].replace(",", "")) if found else 1 for found in digests)


def subjects_in(folder: Path) -> list[str]:
    """Return the subjects of the mails that the file transport has written."""
    return [
        str(message_from_bytes(path.read_bytes(), policy=policy.default)["Subject"])
        for path in folder.glob("*.eml")
    ]


def subjects_of(transport: Any) -> list[str]:
    """Return the subjects of the mails that a transport was given."""
    return [request.email.subject for request in transport.requests]


@pytest.mark.parametrize("durable", [True, False])
def test_500_failures_in_threads(
    scripted: Make, mailer_of: Make, ledger: Ledger, durable: bool
) -> None:
    """500 failing steps make N + 1 mails, and each failure is counted in one."""
    one = scripted()
    mailer = mailer_of(one, alerts_per_run=5, ledger=ledger if durable else None)
    outcomes: list[str] = []

    def fail(start: int) -> None:
        for number in range(start, start + 25):
            outcomes.append(mailer.send_alert(failing(number), **TO).outcome)

    threads = [threading.Thread(target=fail, args=(start,)) for start in range(0, 500, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    receipts = mailer.finish_thread("run-1")
    assert [receipt.outcome for receipt in receipts] == ["delivered"]
    mailer.close()
    assert sorted(outcomes) == ["delivered"] * 5 + ["skipped"] * 495
    subjects = subjects_of(one)
    assert len(subjects) == 6
    assert counted(subjects) == 500


def test_the_digest_names_errors_and_counts(scripted: Make, mailer_of: Make) -> None:
    """The digest is a table of errors with counts and examples, filed under the run."""
    one = scripted()
    mailer = mailer_of(one, alerts_per_run=1)
    mailer.send_alert(failing(1), **TO)
    for number in range(2, 32):
        mailer.send_alert(failing(number, facts={"Step": f"train_{number}"}), **TO)
    mailer.finish_thread("run-1")
    first, digest = (request.email for request in one.requests)
    assert digest.subject == "30 more failures, 2 different errors"
    assert digest.importance == "high"
    assert digest.thread == first.thread
    assert "ValueError: bad value 2" in digest.text
    assert "KeyError: 'x'" in digest.text
    assert "train_2; train_4; train_5" in digest.text
    assert re.search(r"\b20\b", digest.text)
    assert re.search(r"\b10\b", digest.text)


def test_runs_and_recipients_are_counted_apart(scripted: Make, mailer_of: Make) -> None:
    """Each run has its limit, for each set of recipients; alerts of no run have none."""
    one = scripted()
    mailer = mailer_of(one, alerts_per_run=1)
    for thread in ("run-1", "run-2"):
        for to in ("b@example.com", "c@example.com"):
            for number in range(3):
                mailer.send_alert(failing(number, thread=thread), sender="a@example.com", to=to)
    for number in range(4):
        mailer.send_alert(failing(number, thread=""), **TO)
    assert len(one.requests) == 4 + 4
    assert len(mailer.finish_thread("run-1")) == 2
    digests = {request.envelope.recipients for request in one.requests[-2:]}
    assert digests == {("b@example.com",), ("c@example.com",)}
    assert mailer.finish_thread("run-1") == []
    assert len(mailer.finish_thread("run-2")) == 2


def test_successes_use_up_no_place_of_a_failure(scripted: Make, mailer_of: Make) -> None:
    """After many successes the first failure is still sent alone."""
    one = scripted()
    mailer = mailer_of(one, alerts_per_run=2)
    for number in range(10):
        mailer.send_alert(Alert(title=f"Step {number} is done", thread="run-1"), **TO)
    assert mailer.send_alert(failing(1), **TO).outcome == "delivered"
    mailer.finish_thread("run-1")
    assert subjects_of(one)[-1] == "8 more alerts, 1 different kind"


def test_close_sends_the_digest(scripted: Make, mailer_of: Make) -> None:
    """Closing the mailer sends what nobody else will."""
    one = scripted()
    mailer = mailer_of(one, alerts_per_run=1)
    for number in range(4):
        mailer.send_alert(failing(number), **TO)
    mailer.close()
    assert counted(subjects_of(one)) == 4


def test_a_digest_that_fails_is_kept(scripted: Make, mailer_of: Make, ledger: Ledger) -> None:
    """Without a ledger it is held back again; with one it waits there like any mail."""
    one = scripted("ok", TemporaryFailure("busy"))
    mailer = mailer_of(one, alerts_per_run=1, deadline=0.3)
    for number in range(3):
        mailer.send_alert(failing(number), **TO)
    assert [found.outcome for found in mailer.finish_thread("run-1")] == ["deferred"]
    one.answers = ["ok"]
    mailer.send_alert(failing(4), **TO)
    assert [found.outcome for found in mailer.finish_thread("run-1")] == ["delivered"]
    assert subjects_of(one)[-1].startswith("3 more failures")

    two = scripted("ok", PermanentFailure("wrong password"))
    mailer = mailer_of(two, alerts_per_run=1, ledger=ledger)
    for number in range(3):
        mailer.send_alert(failing(number), **TO)
    assert [found.outcome for found in mailer.finish_thread("run-1")] == ["spooled"]
    two.answers = ["ok"]
    mailer.flush()
    assert subjects_of(two)[-1].startswith("2 more failures")


def test_held_back_alerts_with_bad_addresses_are_refused(
    scripted: Make, mailer_of: Make
) -> None:
    """An address that cannot be is an error at once, not one of the digest's."""
    mailer = mailer_of(scripted(), alerts_per_run=1)
    with pytest.raises(ConfigurationError):
        mailer.send_alert(failing(1), sender="a@example.com", to="nobody")


@pytest.mark.parametrize("limit", [0, -3])
def test_the_limit_is_checked(limit: int) -> None:
    """A limit is at least 1."""
    with pytest.raises(ConfigurationError, match="alerts_per_run"):
        Mailer("console", alerts_per_run=limit)


@pytest.mark.parametrize("field", ["thread", "url", "url_label", "list_id", "error", "title"])
def test_surrogates_are_counted(field: str, scripted: Make, mailer_of: Make) -> None:
    """A text that is not Unicode keeps no alert from being counted, and in one digest."""
    one = scripted()
    mailer = mailer_of(one, alerts_per_run=1)
    for _ in range(3):
        alert = failing(1, **{field: "run-1 \ud800"})
        mailer.send_alert(
            alert, sender="a@example.com", to="b@example.com", subject_prefix="\udfff"
        )
    mailer.finish_thread("run-1 \ud800" if field == "thread" else "run-1")
    assert len(one.requests) == 2
    assert "2 more failures" in one.requests[1].email.subject


WHOM = Addressing(sender="a@example.com", to=("b@example.com",))


def test_a_digest_that_nobody_settles_is_taken_again(ledger: Ledger, change: Any) -> None:
    """What a process took before it died is counted in the next digest, after its lease."""
    for number in range(3):
        ledger.storms.admit(failing(number), WHOM, 1)
    (digest,) = ledger.storms.finish("run-1")
    ledger.storms.admit(failing(4), WHOM, 1)
    assert ledger.storms.finish("run-1") == []
    change("UPDATE storms SET lease = 0")
    (again,) = ledger.storms.finish("run-1")
    assert (digest.total, again.total) == (2, 3)
    ledger.storms.settle(again, sent=True)
    assert ledger.storms.finish("run-1") == []


def test_who_sends_the_digest(location: str, change: Any) -> None:
    """A mailer closes with runs of its own; those of several wait until they are quiet."""
    one, two = Ledger(location), Ledger(location)
    for number in range(3):
        one.storms.admit(failing(number), WHOM, 1)
    two.storms.admit(failing(4), WHOM, 1)
    assert one.storms.take_own() == two.storms.take_own() == []
    change("UPDATE storms SET last_alert = last_alert - 301")
    (digest,) = two.storms.take_due()
    assert digest.total == 3
    two.storms.settle(digest, sent=True)
    for number in range(3):
        one.storms.admit(failing(number, thread="run-2"), WHOM, 1)
    assert two.storms.take_own() == []
    assert [found.total for found in one.storms.take_own()] == [2]
    one.close()
    two.close()


def test_a_damaged_count_is_started_anew(ledger: Ledger, change: Any) -> None:
    """A count that cannot be read stops no alert."""
    ledger.storms.admit(failing(1), WHOM, 1)
    change("UPDATE storms SET content = :content", content='{"held"')
    assert ledger.storms.admit(failing(1), WHOM, 1)


def test_a_count_stays_small(ledger: Ledger, change: Any) -> None:
    """Many different errors are counted in a row of bounded size."""
    for number in range(100):
        name = f"{'abcdefghij'[number % 10]}{'klmnopqrst'[number // 10 % 10]}" * 300
        ledger.storms.admit(failing(1, title=name, error=name, facts={"step": name}), WHOM, 1)
    ((size,),) = change("SELECT length(content) FROM storms")
    assert size < 20_000
    (digest,) = ledger.storms.finish("run-1")
    assert digest.total == 99
    assert "other errors" in str(digest.alert().tables)


def test_what_is_held_back_is_written_down_without_secrets(
    scripted: Make, mailer_of: Make, ledger: Ledger, change: Any
) -> None:
    """Names and shapes of secrets are looked for before anything of an alert is kept."""
    alert = failing(
        1,
        title="Login with password=canary-password-7f3a failed",
        error=f"OSError: postgres://u:canary-password-7f3a@db/x {'x' * 130} "
        "api_key=canary-Zx81kQ0vPm47",
        url="https://example.com/?access_token=canary-Zx81kQ0vPm47",
        url_label="token=canary-Zx81kQ0vPm47",
        facts={"step": "password=canary-password-7f3a"},
    )
    mailer = mailer_of(scripted(), ledger=ledger, alerts_per_run=1)
    for _ in range(3):
        mailer.send_alert(alert, **TO)
    kept = str(change("SELECT * FROM storms"))
    assert "OSError: postgres://u:[redacted]@db/x" in kept
    assert "canary" not in kept
    assert "https://example.com/?access_token=[redacted]" in kept


def test_a_template_that_somebody_wrote_into_a_count_is_not_used(
    ledger: Ledger, change: Any
) -> None:
    """Nothing that is read back names a file."""
    for number in range(2):
        ledger.storms.admit(failing(number), WHOM.replace(templates="/mine"), 1)
    ((content,),) = change("SELECT content FROM storms")
    assert "/mine" not in content
    tampered = content.replace('"templates": null', '"templates": "/etc"')
    assert tampered != content
    change("UPDATE storms SET content = :content", content=tampered)
    (digest,) = ledger.storms.finish("run-1")
    assert digest.addressing.templates is None


FORKED = """
import os, sys
from zenmail import Alert, Mailer
mails, ledger, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
def fail(number):
    with Mailer("file", options={"folder": mails}, ledger=ledger, alerts_per_run=5) as mailer:
        return mailer.send_alert(
            Alert(title=f"Step {number} failed", severity="error", thread="run-1",
                  error=f"ValueError: bad value {number}"),
            sender="a@example.com", to="b@example.com").outcome
with Mailer("file", options={"folder": mails}, ledger=ledger, alerts_per_run=5) as mailer:
    children = []
    for number in range(count):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if fail(number) in ("delivered", "skipped") else 2
            finally:
                os._exit(code)
        children.append(child)
    print({os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children})
    print([receipt.outcome for receipt in mailer.finish_thread("run-1")])
"""


@pytest.mark.once
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_failures_in_forked_processes(tmp_path: Path, location: str) -> None:
    """Processes with one failure each make N + 1 mails, and each failure is counted."""
    count = 500 if os.environ.get("ZENMAIL_NIGHTLY") == "1" else 60
    command = [sys.executable, "-c", FORKED, str(tmp_path / "mails"), location, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    assert (done.stdout, done.stderr) == ("{0}\n['delivered']\n", "")
    subjects = subjects_in(tmp_path / "mails")
    assert len(subjects) == 6
    assert counted(subjects) == count
