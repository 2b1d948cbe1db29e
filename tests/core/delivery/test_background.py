from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zenmail import ConfigurationError, Email, Mailer, PermanentFailure, TemporaryFailure
from zenmail.delivery.background import Background
from zenmail.ledger.ledger import Ledger

Make = Callable[..., Any]


def test_send_returns_at_once(scripted: Make, mailer_of: Make, email: Email) -> None:
    """A send in the background returns while the transport is still at work."""
    release = threading.Event()
    one = scripted(lambda request: (release.wait(20), request)[0] and None, "ok")
    mailer = mailer_of(one, delivery="background")
    receipt = mailer.send(email)
    assert (receipt.outcome, receipt.message_id) == ("queued", email.message_id)
    receipt.raise_for_outcome()
    assert mailer.send(email).outcome == "queued"
    release.set()
    mailer.close()
    assert len(one.requests) == 2


def test_close_waits_for_the_queue(scripted: Make, mailer_of: Make, email: Email) -> None:
    """Everything queued is delivered before close returns, in order."""
    before = set(threading.enumerate())
    one = scripted()
    mailer = mailer_of(one, delivery="background")
    for number in range(50):
        mailer.send(email.replace(message_id=f"<{number}@example.com>"))
    mailer.close()
    names = [request.email.message_id for request in one.requests]
    assert names == [f"<{number}@example.com>" for number in range(50)]
    assert set(threading.enumerate()) <= before


def test_a_closed_mailer_can_be_used_again(
    scripted: Make, mailer_of: Make, email: Email
) -> None:
    """A send after close starts the worker anew."""
    one = scripted()
    mailer = mailer_of(one, delivery="background")
    for _ in range(3):
        assert mailer.send(email).outcome == "queued"
        mailer.close()
    assert len(one.requests) == 3


def test_failures_reach_outbox_and_log(
    scripted: Make,
    mailer_of: Make,
    email: Email,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What fails in the background is in the log, with the remedy, and in the ledger."""
    broken = PermanentFailure("wrong password", remedy="Make an app password.")
    mailer = mailer_of(scripted(broken), delivery="background", ledger=tmp_path / "ledger.db")
    mailer.send(email)
    mailer.close()
    assert "wrong password" in caplog.text
    assert "Make an app password." in caplog.text
    assert [item.state for item in Ledger(tmp_path / "ledger.db").outbox.list()] == ["waiting"]


def test_after_send_hears_of_the_outcome(scripted: Make, mailer_of: Make, email: Email) -> None:
    """The middleware is told what became of the mail, once, when it is known."""
    from zenmail import Receipt, hookimpl

    seen: list[str] = []

    class Watcher:
        @hookimpl
        def after_send(self, receipt: Receipt, email: Email) -> None:
            seen.append(receipt.outcome)

    mailer = mailer_of(scripted(), delivery="background", middleware={"w": Watcher()})
    mailer.send(email)
    mailer.close()
    assert seen == ["delivered"]


def test_close_waits_no_longer_than_the_deadline(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """What is not sent by the deadline is left in the ledger."""
    release = threading.Event()
    one = scripted(lambda request: release.wait(20), watched=True)
    mailer = mailer_of(one, delivery="background", deadline=0.5, ledger=tmp_path / "ledger.db")
    for _ in range(5):
        mailer.send(email)
    started = time.monotonic()
    mailer.close()
    seconds = time.monotonic() - started
    release.set()
    assert seconds < 3
    states = sorted(item.state for item in Ledger(tmp_path / "ledger.db").outbox.list())
    assert len(states) == 5
    assert states.count("waiting") >= 3


def test_the_queue_is_bounded() -> None:
    """A full queue takes no more, by number or by bytes."""
    release = threading.Event()
    started = threading.Event()

    def block(_: object) -> None:
        started.set()
        release.wait(20)

    queue = Background(5, most_jobs=3, most_bytes=1000)
    assert queue.submit(block, lambda: None)
    started.wait(5)
    assert queue.submit(block, lambda: None, size=900)
    assert not queue.submit(block, lambda: None, size=200)
    assert queue.submit(block, lambda: None, size=100)
    assert queue.submit(block, lambda: None)
    assert not queue.submit(block, lambda: None)
    release.set()
    queue.close()


def test_a_full_queue_delivers_in_the_caller(
    scripted: Make, mailer_of: Make, email: Email, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the queue is full the mail is not dropped, it is sent now."""
    monkeypatch.setattr(Background, "submit", lambda *_, **__: False)
    assert mailer_of(scripted(), delivery="background").send(email).outcome == "delivered"


def test_nothing_escapes_the_worker(caplog: pytest.LogCaptureFixture) -> None:
    """A job that raises is logged without its text, and the next one is done."""
    done: list[int] = []

    def broken(_: object) -> None:
        raise SystemExit("canary-password-7f3a")

    queue = Background(5)
    queue.submit(broken, lambda: None)
    queue.submit(lambda _: done.append(1), lambda: None)
    queue.close()
    assert done == [1]
    assert "SystemExit" in caplog.text
    assert "canary-password-7f3a" not in caplog.text


EXIT = """
import sys, time, threading
from zenmail import Email, Mailer, PluginHost, Receipt, TransportOptions, hookimpl

class Slow:
    @hookimpl
    def transport_options(self): return TransportOptions
    @hookimpl
    def send_email(self, request):
        time.sleep(float(sys.argv[1]))
        print(request.email.subject, flush=True)
        return Receipt(accepted=request.envelope.recipients)

host = PluginHost()
host.register_transport("slow", Slow())
mailer = Mailer("slow", plugins=host, delivery="background", deadline=float(sys.argv[2]),
                ledger=sys.argv[3])
def post(number):
    mailer.send(Email(sender="a@example.com", to="b@example.com", subject=f"mail {number}"))
if sys.argv[4] == "thread":
    thread = threading.Thread(target=lambda: (time.sleep(0.3), [post(n) for n in range(5)]))
    thread.start()
elif sys.argv[4] == "atexit":
    import atexit
    atexit.register(lambda: [post(n) for n in range(5)])
elif sys.argv[4] == "error":
    for number in range(5): post(number)
    raise ValueError("the pipeline's own")
else:
    for number in range(5): post(number)
"""


@pytest.mark.parametrize("how", ["main", "thread", "atexit", "error"])
def test_the_process_waits_for_its_mails(tmp_path: Path, how: str) -> None:
    """At the interpreter's end everything queued is delivered, and no traceback is added."""
    command = [sys.executable, "-c", EXIT, "0.05", "20", str(tmp_path / "ledger.db"), how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split("\n")[:-1] == [f"mail {number}" for number in range(5)]
    assert Ledger(tmp_path / "ledger.db").outbox.list() == []
    if how == "error":
        assert done.returncode == 1
        assert done.stderr.count("Traceback") == 1
        assert done.stderr.rstrip().endswith("ValueError: the pipeline's own")
    else:
        assert (done.returncode, done.stderr) == (0, "")


def test_the_process_waits_no_longer_than_the_deadline(tmp_path: Path) -> None:
    """A transport that hangs holds the process for the deadline; the mails are kept."""
    command = [sys.executable, "-c", EXIT, "600", "1.0", str(tmp_path / "ledger.db"), "main"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == ""
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert len(Ledger(tmp_path / "ledger.db").outbox.list()) == 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_leaves_the_queue_to_its_parent(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """After a fork in the middle the parent's mails go out once, and the child's go, too."""
    written = tmp_path / "sent"

    def send(request: Any) -> Any:
        time.sleep(0.02)
        with written.open("a") as stream:
            stream.write(f"{request.email.message_id}\n")
        return "ok"

    from zenmail import Receipt

    one = scripted(lambda request: send(request) and Receipt(accepted=("b@example.com",)))
    mailer = mailer_of(one, delivery="background")
    mail = Email(sender="a@example.com", to="b@example.com", text="t")
    for number in range(10):
        mailer.send(mail.replace(message_id=f"<parent-{number}@example.com>"))
    child = os.fork()
    if child == 0:
        try:
            mailer.send(mail.replace(message_id="<child@example.com>"))
            mailer.close()
        finally:
            os._exit(0)
    mailer.close()
    os.waitpid(child, 0)
    lines = written.read_text().split()
    assert sorted(lines) == sorted(
        ["<child@example.com>", *(f"<parent-{number}@example.com>" for number in range(10))]
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_of_multiprocessing_waits_for_its_mails(tmp_path: Path) -> None:
    """A process that multiprocessing forks, and ends, delivers what it queued."""
    program = EXIT.partition("if sys.argv[4]")[0] + (
        "import multiprocessing\n"
        "child = multiprocessing.get_context('fork').Process(target=post, args=(0,))\n"
        "child.start(); child.join()\n"
    )
    command = [sys.executable, "-c", program, "0.5", "20", str(tmp_path / "ledger.db")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("mail 0\n", "")


def test_the_way_of_delivery_is_checked() -> None:
    """There are two ways of delivery."""
    with pytest.raises(ConfigurationError, match="background"):
        Mailer("console", delivery="later")  # type: ignore[arg-type]


def test_a_temporary_failure_is_tried_again_in_the_background(
    scripted: Make, mailer_of: Make, email: Email
) -> None:
    """The background delivery is the same as any other."""
    one = scripted(TemporaryFailure("busy"), "ok")
    mailer = mailer_of(one, delivery="background")
    mailer.send(email)
    mailer.close()
    assert len(one.requests) == 2
