from __future__ import annotations

import json
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
from zenmail.ledger.storms import StormGuard, fingerprint

Make = Callable[..., Any]
TO: dict[str, Any] = {"sender": "a@example.com", "to": "b@example.com"}
POST = """
import sys
from zenmail import Alert, Mailer
from zenmail.ledger import storms
storms._LOCK_PATIENCE = 60.0  # however slow the machine is
mails, outbox, first, last, close = sys.argv[1:]
mailer = Mailer("file", options={"folder": mails}, outbox=outbox or None, alerts_per_run=5)
def post(number):
    mailer.send_alert(
        Alert(title=f"Step {number} failed", severity="error", thread="run-1",
              error=f"ValueError: bad value {number}"),
        sender="a@example.com", to="b@example.com")
# Who has posted takes part; the others wait for those with their digest.
post(int(first))
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(first) + 1, int(last)):
    post(number)
if close == "close":
    mailer.close()
"""


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the counts of other tests, and of the machine's user, out."""
    import tempfile

    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", None)


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


@pytest.mark.parametrize("with_outbox", [True, False])
def test_500_failures_in_threads(
    scripted: Make, mailer_of: Make, tmp_path: Path, with_outbox: bool
) -> None:
    """500 failing steps make N + 1 mails, and each failure is counted in one."""
    one = scripted()
    mailer = mailer_of(one, alerts_per_run=5, outbox=tmp_path / "box" if with_outbox else None)
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


def test_a_digest_that_fails_is_kept(scripted: Make, mailer_of: Make, tmp_path: Path) -> None:
    """Without an outbox it is held back again; with one it waits there like any mail."""
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
    mailer = mailer_of(two, alerts_per_run=1, outbox=tmp_path / "box")
    for number in range(3):
        mailer.send_alert(failing(number), **TO)
    assert [found.outcome for found in mailer.finish_thread("run-1")] == ["spooled"]
    two.answers = ["ok"]
    mailer.flush()
    assert subjects_of(two)[-1].startswith("2 more failures")


@pytest.mark.parametrize(("close", "with_outbox"), [("close", True), ("exit", False)])
def test_500_failures_in_processes(tmp_path: Path, close: str, with_outbox: bool) -> None:
    """Processes that run at once share the limit, and the last one sends the digest."""
    outbox = str(tmp_path / "outbox") if with_outbox else ""
    arguments = [sys.executable, "-c", POST, str(tmp_path / "mails"), outbox]
    processes = [
        subprocess.Popen(
            [*arguments, str(start), str(start + 125), close],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for start in range(0, 500, 125)
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert errors == [b""] * 4
    subjects = subjects_in(tmp_path / "mails")
    assert counted(subjects) == 500
    assert len(subjects) == 6


def test_what_a_killed_process_held_is_sent_by_the_next(
    scripted: Make, mailer_of: Make, tmp_path: Path
) -> None:
    """The digest of a process that was killed goes out with a flush of any other."""
    kill = POST + "\nimport os, signal; os.kill(os.getpid(), signal.SIGKILL)\n"
    arguments = [str(tmp_path / "mails"), str(tmp_path / "outbox"), "0", "20", "keep"]
    subprocess.run(
        [sys.executable, "-c", kill, *arguments],
        check=False,
        timeout=120,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    assert len(subjects_in(tmp_path / "mails")) == 5
    one = scripted()
    mailer_of(one, outbox=tmp_path / "outbox").flush()
    assert subjects_of(one) == ["15 more failures, 1 different error"]


def test_a_digest_taken_by_a_process_that_died_is_taken_again(tmp_path: Path) -> None:
    """What a process took and did not settle before it died is counted in the next digest."""
    guard = StormGuard(1, str(tmp_path))
    addressing = Addressing(sender="a@example.com", to=("b@example.com",))
    for number in range(3):
        guard.admit(failing(number), addressing)
    (digest,) = guard.finish("run-1")
    guard.admit(failing(4), addressing)
    assert guard.finish("run-1") == []
    path = tmp_path / "storms" / f"{digest.key}.json"
    values = json.loads(path.read_text())
    machine, pid, _ = values["taker"].split(".")
    values["taker"] = f"{machine}.{pid}.1"
    path.write_text(json.dumps(values))
    (again,) = guard.finish("run-1")
    assert (digest.total, again.total) == (2, 3)


def test_what_is_held_back_is_written_down_without_secrets(
    scripted: Make, mailer_of: Make, tmp_path: Path
) -> None:
    """Names and shapes of secrets are looked for before anything of an alert is kept."""
    alert = failing(
        1,
        title="Login with password=canary-password-7f3a failed",
        error=f"OSError: postgres://u:canary-password-7f3a@db/x {'x' * 130} "
        "api_key=canary-token-91bc",
        url="https://example.com/?access_token=canary-token-91bc",
        url_label="token=canary-token-91bc",
        facts={"step": "password=canary-password-7f3a"},
    )
    mailer = mailer_of(scripted(), outbox=tmp_path, alerts_per_run=1)
    for _ in range(3):
        mailer.send_alert(alert, **TO)
    (path,) = (tmp_path / "storms").glob("*.json")
    kept = path.read_text()
    assert "OSError: postgres://u:[redacted]@db/x" in kept
    assert "canary" not in kept
    assert "https://example.com/?access_token=[redacted]" in kept


def test_a_damaged_count_is_started_anew(tmp_path: Path) -> None:
    """A torn file of counts stops no alert."""
    guard = StormGuard(1, str(tmp_path))
    addressing = Addressing(sender="a@example.com", to=("b@example.com",))
    guard.admit(failing(1), addressing)
    (path,) = (tmp_path / "storms").glob("*.json")
    path.write_bytes(path.read_bytes()[:40])
    assert guard.admit(failing(1), addressing)


def test_counts_in_memory_when_there_is_no_disk(tmp_path: Path) -> None:
    """Where nothing can be written, the process counts for itself."""
    (tmp_path / "file").write_text("")
    guard = StormGuard(2, str(tmp_path / "file"))
    addressing = Addressing(sender="a@example.com", to=("b@example.com",))
    assert [guard.admit(failing(number), addressing) for number in range(5)] == [
        True, True, False, False, False,
    ]  # fmt: skip
    (digest,) = guard.finish("run-1")
    assert digest.total == 3


def test_memory_and_file_stay_small(tmp_path: Path) -> None:
    """Thousands of different errors are counted in a file of bounded size."""
    guard = StormGuard(1, str(tmp_path))
    addressing = Addressing(sender="a@example.com", to=("b@example.com",))
    names = [
        f"{'abcdefghij'[number % 10]}{'klmnopqrst'[number // 10 % 10]}" * 300
        for number in range(100)
    ]
    for name in names:
        guard.admit(
            failing(1, title=name, facts={"step": name}).replace(error=name), addressing
        )
    (path,) = (tmp_path / "storms").glob("*.json")
    assert path.stat().st_size < 20_000
    (digest,) = guard.finish("run-1")
    assert digest.total == 99
    assert "other errors" in str(digest.alert().tables)


def test_no_secret_is_written_down(scripted: Make, tmp_path: Path) -> None:
    """A secret of the options in an alert that is held back stays out of the folder."""
    from zenmail import PluginHost

    host = PluginHost()
    host.register_transport("one", scripted())
    secret = "canary-password-7f3a"
    with Mailer(
        "one",
        options={"password": secret},
        plugins=host,
        outbox=tmp_path,
        alerts_per_run=1,
    ) as mailer:
        for _ in range(2):
            alert = failing(1).replace(error=secret, title=f"It is {secret}")
            mailer.send_alert(alert, **TO)
        written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert secret.encode() not in written


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ValueError: bad value 17", "ValueError: bad value 4", True),
        ("at 0x7f00aa: lost", "at 0x7f00bb: lost", True),
        ("run 3f2504e0-4f89-11d3-9a0c-0305e82c3301 died",
         "run 00000000-4f89-11d3-9a0c-0305e82c3301 died", True),
        ("ValueError: bad value", "KeyError: 'value'", False),
    ],
)  # fmt: skip
def test_fingerprint(one: str, other: str, same: bool) -> None:
    """Numbers and ids make no new error; another type or text does."""
    keys = [fingerprint(Alert(title="t", error=error))[0] for error in (one, other)]
    assert (keys[0] == keys[1]) is same


def test_fingerprint_knows_the_place() -> None:
    """The same message from another function is another error; from another line it is not."""

    def key(function: str, line: int) -> str:
        trace = f'  File "a.py", line {line}, in {function}\n    x\nValueError: x\n'
        return fingerprint(Alert(error="ValueError: x", traceback=trace))[0]

    assert key("train", 1) == key("train", 2)
    assert key("train", 1) != key("load", 1)


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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_forked_children_count_on(scripted: Make, tmp_path: Path) -> None:
    """A child goes on with the run's count, and its parent sends one digest for both."""
    guard = StormGuard(2, str(tmp_path))
    addressing = Addressing(sender="a@example.com", to=("b@example.com",))
    for number in range(3):
        guard.admit(failing(number), addressing)
    child = os.fork()
    if child == 0:
        try:
            os._exit(int(guard.admit(failing(7), addressing)))
        finally:
            os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    (digest,) = guard.finish("run-1")
    assert digest.total == 2


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
