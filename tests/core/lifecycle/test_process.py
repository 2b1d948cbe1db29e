from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zenmail.ledger.ledger import Ledger
from zenmail.testing.smtp_server import SMTPServer

BEGIN = """
import os, signal, sys, threading, time
from zenmail import Alert, Email, Mailer
host, port, ledger = sys.argv[1], int(sys.argv[2]), sys.argv[3]
def mailer(**settings):
    return Mailer("smtp", options={"host": host, "port": port, "security": "none"},
                  ledger=ledger or None, **settings)
def mail(number):
    return Email(sender="a@example.com", to="b@example.com", subject=f"mail {number}", text="t")
"""


def run(
    script: str, server: SMTPServer, ledger: object = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a script that knows ``mailer`` and ``mail``, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", BEGIN + script, "127.0.0.1", str(server.port), str(ledger)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


def test_exit_with_open_connections() -> None:
    """A process that ends with a kept connection and no close says nothing about it."""
    with SMTPServer(security="none") as server:
        done = run("box = mailer()\nprint(box.send(mail(1)).outcome)", server)
    assert (done.stdout, done.stderr, done.returncode) == ("delivered\n", "", 0)


def test_threads_at_the_end_of_the_interpreter(tmp_path: Path) -> None:
    """Threads that outlive the main thread, and exit handlers, still deliver."""
    script = """
import atexit
box = mailer(delivery="background", alerts_per_run=1)
atexit.register(lambda: print(box.send(mail("from atexit")).outcome, flush=True))
def late():
    time.sleep(0.3)
    for number in range(3):
        box.send_alert(Alert(title=f"late {number}", thread="run"), sender="a@example.com",
                       to="b@example.com")
threading.Thread(target=late).start()
"""
    with SMTPServer(security="none") as server:
        done = run(script, server, tmp_path / "ledger.db")
        subjects = sorted(str(mail.message["Subject"]) for mail in server.mails)
    assert "Traceback" not in done.stderr
    assert done.returncode == 0
    assert "late 0" in subjects
    left = [item.subject for item in Ledger(tmp_path / "ledger.db").outbox.list()]
    assert "mail from atexit" in [*subjects, *left]
    assert any("2 more alerts" in subject for subject in [*subjects, *left])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_in_the_middle_of_a_send() -> None:
    """Children forked while threads send neither hang nor double a mail."""
    script = """
import faulthandler, warnings
warnings.simplefilter("ignore", DeprecationWarning)
box = mailer()
def post(name):
    for number in range(20):
        assert box.send(mail(f"{name}-{number}")).outcome == "delivered"
threads = [threading.Thread(target=post, args=(f"thread{n}",)) for n in range(4)]
for thread in threads: thread.start()
children = []
for n in range(4):
    child = os.fork()
    if child == 0:
        faulthandler.dump_traceback_later(30, exit=True)
        code = 1
        try:
            post(f"child{n}")
            code = 0
        finally:
            os._exit(code)
    children.append(child)
for thread in threads: thread.join()
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""
    with SMTPServer(security="none") as server:
        done = run(script, server)
        subjects = [str(mail.message["Subject"]) for mail in server.mails]
    assert (done.stdout, done.stderr) == ("[0, 0, 0, 0]\n", "")
    assert len(subjects) == len(set(subjects)) == 160


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGTERM of its own")
@pytest.mark.parametrize("handled", [True, False])
def test_sigterm(tmp_path: Path, handled: bool) -> None:
    """SIGTERM ends a process that sends at once, and what it had queued is kept."""
    handler = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n" if handled else ""
    script = f"""{handler}
box = mailer(delivery="background", deadline=2.0)
for number in range(5): box.send(mail(number))
print("ready", flush=True)
# Python sleeps through a signal that comes just before it falls asleep.
for _ in range(600): time.sleep(0.1)
"""
    with SMTPServer(security="none") as server:
        from zenmail.testing.smtp_server import Hang

        server.on("mail", Hang())
        with subprocess.Popen(
            [
                sys.executable,
                "-c",
                BEGIN + script,
                "127.0.0.1",
                str(server.port),
                str(tmp_path / "ledger.db"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            started = time.monotonic()
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=30)
        assert time.monotonic() - started < 10
        assert process.returncode == (7 if handled else -signal.SIGTERM)
        assert "Traceback" not in errors
        assert len(Ledger(tmp_path / "ledger.db").outbox.list()) == 5


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGALRM")
def test_an_alert_out_of_a_signal_handler(tmp_path: Path) -> None:
    """A handler that sends while its own thread is sending does not lock itself out."""
    script = """
box = mailer(alerts_per_run=2)
def alert(name):
    return box.send_alert(Alert(title=name, thread="run"), sender="a@example.com",
                          to="b@example.com").outcome
alert("which imports what the others need")
def handler(*_):
    print("handler", alert("from the handler"), flush=True)
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
end = time.monotonic() + 2
while time.monotonic() < end:
    alert("from the main thread")
signal.setitimer(signal.ITIMER_REAL, 0)
box.finish_thread("run")
print("done", flush=True)
"""
    with SMTPServer(security="none") as server:
        done = run(script, server, tmp_path / "ledger.db")
    assert done.stdout.endswith("done\n"), done.stderr
    assert "handler" in done.stdout


@pytest.mark.parametrize(
    "environment",
    [
        {"HOME": "/nonexistent", "TMPDIR": "/nonexistent"},
        {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
        {"HOME": "", "USER": "", "LOGNAME": ""},
    ],
)
def test_a_poor_environment(tmp_path: Path, environment: dict[str, str]) -> None:
    """No home, no locale, no UTF-8: the mail goes out as it would otherwise."""
    script = """
with mailer(alerts_per_run=1) as box:
    for _ in range(3):
        receipt = box.send_alert(Alert(title="Schritt f\\u00fcr \\u65e5\\u672c fehlgeschlagen",
            thread="l\\u00e4uft"), sender="a@example.com", to="b@example.com")
        print(receipt.outcome)
"""
    with SMTPServer(security="none") as server:
        done = run(script, server, tmp_path / "börse" / "ledger.db", **environment)
        subjects = [str(mail.message["Subject"]) for mail in server.mails]
    assert (done.stdout, done.stderr) == ("delivered\nskipped\nskipped\n", "")
    assert len(subjects) == 2
    assert "日本" in subjects[0]


@pytest.mark.skipif(not Path("/proc/sys").is_dir(), reason="needs a place nobody can write to")
def test_a_read_only_place_for_the_ledger() -> None:
    """Where the ledger cannot be, mails are delivered, counted, and failures told."""
    script = """
import logging
logging.disable()
with mailer(alerts_per_run=1, deadline=10) as box:
    for _ in range(3):
        receipt = box.send_alert(Alert(title="x", thread="t"), sender="a@example.com",
                                 to="b@example.com")
        print(receipt.outcome)
    print(any("ledger" in note for note in box.send(mail(1)).notes))
"""
    with SMTPServer(security="none") as server:
        done = run(script, server, "/proc/sys/zenmail")
        assert len(server.mails) == 3
    assert (done.stdout, done.stderr) == ("delivered\nskipped\nskipped\nTrue\n", "")


def test_a_jump_of_the_clock(tmp_path: Path) -> None:
    """A wall clock that jumps by years moves neither deadline nor claims."""
    script = """
real, start = time.time, time.monotonic()
time.time = lambda: real() + (1e9 if int(time.monotonic() * 50) % 2 else -1e9)
box = mailer(deadline=5)
print([box.send(mail(number)).outcome for number in range(5)])
"""
    with SMTPServer(security="none") as server:
        done = run(script, server, tmp_path / "ledger.db")
    assert done.stdout == f"{['delivered'] * 5}\n"
    assert done.stderr == ""
