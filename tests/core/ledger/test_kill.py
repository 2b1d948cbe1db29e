from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from zenmail import DeliveryPolicy, Mailer, Retry
from zenmail.ledger.ledger import Ledger
from zenmail.ledger.outbox import Outbox
from zenmail.testing.smtp_server import Delay, Hang, SMTPServer

# How many processes are killed; the nightly run sets 200.
POINTS = int(os.environ.get("ZENMAIL_KILLS", "10"))

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
]

# Forks a process for each line of its input: imports cost more than a whole life of one.
CHILDREN = """
import json, os, sys, threading, time
from zenmail import Email, Ledger, Mailer, Retry, Worker

def live(order):
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    mailer = Mailer("smtp", options=order["options"],
                    ledger=Ledger(order["ledger"], margin=1.0),
                    deadline=order["deadline"],
                    retry=Retry(policy=order["policy"]), delivery=order["delivery"])
    if order["role"] == "send":
        send(order, log, mailer)
    os.write(log, b"ready\\n")
    while order["role"] == "flush":
        mailer.flush()
    Worker(mailer, connections=2).run(threading.Event(), interval=0.01)

def send(order, log, mailer):
    for number in range(150):
        name = f"<{order['seed']}-{number}@example.com>"
        # The server defers some every time, and these are kept; others arrive later.
        to = "busy@example.com" if number % 20 == 5 else "b@example.com"
        os.write(log, f"begin {name}\\n".encode())
        receipt = mailer.send(Email(sender="a@example.com", to=to, text="t", message_id=name))
        os.write(log, f"end {name} {receipt.outcome}\\n".encode())
    time.sleep(60)

Mailer("smtp", options={"host": "localhost", "security": "none"}).close()
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        try:
            live(json.loads(line))
        finally:
            os._exit(1)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("ended", flush=True)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[SMTPServer]:
    """Start a server that all senders talk to."""
    with SMTPServer(security="none") as server:
        yield server


@pytest.fixture(scope="module")
def children() -> Iterator[subprocess.Popen[str]]:
    """Start the process that forks the others."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILDREN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def kill_a_child(
    children: subprocess.Popen[str], order: dict[str, Any], wait: Callable[[], object]
) -> None:
    """Let a process live for a while, then kill it."""
    import json

    assert children.stdin is not None
    assert children.stdout is not None
    children.stdin.write(json.dumps(order) + "\n")
    children.stdin.flush()
    child = int(children.stdout.readline())
    log = Path(order["log"])
    give_up = time.monotonic() + 30
    while not (log.exists() and log.stat().st_size) and time.monotonic() < give_up:
        time.sleep(0.001)
    wait()
    os.kill(child, signal.SIGKILL)
    assert children.stdout.readline() == "ended\n"


def wait_for_leases(box: Outbox) -> None:
    """Wait until no lease of a process that was killed is left."""
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        box.recover()
        if not {item.state for item in box.list()} & {"claimed", "sending"}:
            return
        time.sleep(0.1)
    raise TimeoutError("a lease does not end")


@pytest.mark.parametrize(
    ("policy", "delivery", "role"),
    [
        ("at_most_once", "now", "send"),
        ("at_least_once", "now", "send"),
        ("at_most_once", "background", "send"),
        ("at_most_once", "queue", "work"),
        ("at_least_once", "queue", "flush"),
    ],
)
def test_no_alert_is_lost_when_processes_are_killed(
    server: SMTPServer,
    children: subprocess.Popen[str],
    tmp_path: Path,
    location: str,
    policy: DeliveryPolicy,
    delivery: str,
    role: str,
) -> None:
    """Killed at any moment, every alert was delivered or is in the ledger, and none doubled."""
    story = _Story(server, children, tmp_path, location, policy)
    for _ in range(max(1, POINTS // 10)):
        story.kill("send", delivery, life=1.0)
        if role != "send":
            story.kill(role, delivery, life=0.3)
    story.check()


@pytest.mark.parametrize("role", ["send", "work"])
def test_no_alert_is_lost_when_the_database_is_killed(
    server: SMTPServer,
    children: subprocess.Popen[str],
    tmp_path: Path,
    cluster: Any,
    role: str,
) -> None:
    """The server of the ledger is killed and started in the middle, and then the process."""
    story = _Story(server, children, tmp_path, cluster.url(), "at_most_once")

    def crash() -> None:
        time.sleep(story.chance.uniform(0, 0.3))
        cluster.kill()
        cluster.restart()
        time.sleep(story.chance.uniform(0.5, 1.0))

    for _ in range(max(1, POINTS // 20)):
        if role == "work":
            story.kill("send", "queue", life=0.5)
        story.kill(role, "now", wait=crash)
    story.check()


class _Story:
    """Processes that share a ledger and are killed one after the other."""

    def __init__(
        self,
        server: SMTPServer,
        children: subprocess.Popen[str],
        folder: Path,
        location: str,
        policy: DeliveryPolicy,
    ) -> None:
        self.chance = random.Random(f"{policy}{folder.name}{POINTS}")
        self._server = server
        self._children = children
        self._folder = folder
        self._policy: DeliveryPolicy = policy
        self._ledger = Ledger(location)
        self._ledger.outbox.list()
        self._location = location
        self._points = 0
        self._begun: set[str] = set()
        self._ended: set[str] = set()

    def kill(
        self,
        role: str,
        delivery: str,
        *,
        life: float = 0.0,
        wait: Callable[[], object] | None = None,
    ) -> None:
        """Let a process do its work for a random part of its life, then kill it."""
        self._points += 1
        log = self._folder / f"log-{self._points}"
        self._server.forget()
        self._server.on("rcpt", "451 4.3.0 Later", matching="busy@")
        for _ in range(10):
            self._server.on("mail", Delay(0.0), times=self.chance.randrange(30))
            self._server.on("mail", "451 4.3.0 Later", times=1)
        order = {
            "role": role,
            "log": str(log),
            "ledger": self._location,
            "seed": f"{self.chance.getrandbits(64):x}",
            "policy": self._policy,
            "delivery": delivery,
            "options": self._server.options(),
            "deadline": 1.0,
        }
        seconds = self.chance.uniform(0, life)
        kill_a_child(self._children, order, wait or partial(time.sleep, seconds))
        lines = [line.split() for line in log.read_text().splitlines()]
        begun = {line[1] for line in lines if line[0] == "begin"}
        ended = {line[1] for line in lines if line[0] == "end"}
        # The last one may have been killed before it was written down.
        assert len(begun - ended) <= 1
        # While the ledger is down a mail cannot be kept, and its receipt says so.
        told = {line[1] for line in lines if line[0] == "end" and line[2] == "deferred"}
        self._begun |= begun
        self._ended |= ended - told

    def check(self) -> None:
        """Look for alerts that are lost or doubled, now and once the leases are over."""
        time.sleep(0.05)  # the server has the last bytes still to read
        self._server.forget()
        assert self._ended - self._kept() - set(self._copies()) == set()
        box = self._ledger.outbox
        with Mailer(
            "smtp",
            options=self._server.options(),
            ledger=self._ledger,
            retry=Retry(policy=self._policy),
        ) as mailer:
            wait_for_leases(box)
            mailer.flush()
        left = {item.state for item in box.list()}
        assert left <= ({"unknown"} if self._policy == "at_most_once" else set())
        copies = self._copies()
        assert self._ended - self._kept() - set(copies) == set()
        if self._policy == "at_most_once":
            assert [name for name in self._begun if copies[name] > 1] == []
        print(f"{self._points} kills, {len(self._begun)} alerts begun, none lost")

    def _kept(self) -> set[str]:
        box = self._ledger.outbox
        return {box.show(item.name).email.message_id for item in box.list()}

    def _copies(self) -> Counter[str]:
        return Counter(str(mail.message["Message-ID"]) for mail in self._server.mails)


@pytest.mark.parametrize("delivery", ["now", "background"])
@pytest.mark.parametrize("policy", ["at_most_once", "at_least_once"])
def test_a_mail_under_way_outlives_its_process(
    server: SMTPServer,
    children: subprocess.Popen[str],
    tmp_path: Path,
    policy: DeliveryPolicy,
    delivery: str,
) -> None:
    """Killed in the middle of the dialogue, a process leaves the mail where the policy says."""
    server.forget()
    server.on("mail", Hang())
    before = len(server.lines())
    order = {
        "role": "send",
        "log": str(tmp_path / "log"),
        "ledger": str(tmp_path / "ledger.db"),
        "seed": f"under-way-{policy}-{delivery}",
        "policy": policy,
        "delivery": delivery,
        "options": server.options(),
        "deadline": 3.0,
    }

    def in_the_dialogue() -> None:
        give_up = time.monotonic() + 30
        while time.monotonic() < give_up:
            if any(line.startswith("MAIL") for line in server.lines()[before:]):
                return
            time.sleep(0.01)
        raise TimeoutError("no MAIL command came")

    kill_a_child(children, order, in_the_dialogue)
    server.forget()
    server.drop_connections()
    ledger = Ledger(tmp_path / "ledger.db")
    box = ledger.outbox
    name = f"<{order['seed']}-0@example.com>"
    states = {box.show(item.name).email.message_id: item.state for item in box.list()}
    assert states[name] == "sending"
    with Mailer(
        "smtp", options=server.options(), ledger=ledger, retry=Retry(policy=policy)
    ) as mailer:
        assert mailer.flush() == []
        wait_for_leases(box)
        mailer.flush()
    states = {box.show(item.name).email.message_id: item.state for item in box.list()}
    arrived = [str(mail.message["Message-ID"]) for mail in server.mails]
    if policy == "at_most_once":
        assert states == {name: "unknown"}
    else:
        assert states == {}
        assert arrived.count(name) == 1
