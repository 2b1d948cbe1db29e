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
POINTS = int(os.environ.get("ZENMAIL_KILLS", "20"))

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
]

# Forks a sender for each line of its input: imports cost more than a whole life of one.
SENDERS = """
import json, os, sys, time
from zenmail import Email, Ledger, Mailer, Retry

def send(order):
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    mailer = Mailer("smtp", options=order["options"],
                    ledger=Ledger(order["ledger"], margin=1.0),
                    deadline=order["deadline"],
                    retry=Retry(policy=order["policy"]), delivery=order["delivery"])
    for number in range(150):
        name = f"<{order['seed']}-{number}@example.com>"
        # Some are put off by the server for good, and so are kept; some come through later.
        to = "busy@example.com" if number % 20 == 5 else "b@example.com"
        os.write(log, f"begin {name}\\n".encode())
        mailer.send(Email(sender="a@example.com", to=to, text="t", message_id=name))
        os.write(log, f"end {name}\\n".encode())
    time.sleep(60)

Mailer("smtp", options={"host": "localhost", "security": "none"}).close()
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        try:
            send(json.loads(line))
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
def senders() -> Iterator[subprocess.Popen[str]]:
    """Start the process that forks the senders."""
    with subprocess.Popen(
        [sys.executable, "-c", SENDERS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def kill_a_sender(
    senders: subprocess.Popen[str], order: dict[str, Any], wait: Callable[[], object]
) -> None:
    """Let a sender send for a while, then kill it."""
    import json

    assert senders.stdin is not None
    assert senders.stdout is not None
    senders.stdin.write(json.dumps(order) + "\n")
    senders.stdin.flush()
    child = int(senders.stdout.readline())
    log = Path(order["log"])
    give_up = time.monotonic() + 30
    while not (log.exists() and log.stat().st_size) and time.monotonic() < give_up:
        time.sleep(0.001)
    wait()
    os.kill(child, signal.SIGKILL)
    assert senders.stdout.readline() == "ended\n"


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
    ("policy", "delivery"),
    [("at_most_once", "now"), ("at_least_once", "now"), ("at_most_once", "background")],
)
def test_no_alert_is_lost_when_its_process_is_killed(
    server: SMTPServer,
    senders: subprocess.Popen[str],
    tmp_path: Path,
    policy: DeliveryPolicy,
    delivery: str,
) -> None:
    """Killed at any moment, every alert was delivered or is in the ledger, and none doubled."""
    chance = random.Random(f"{policy}{delivery}{POINTS}")
    begun: set[str] = set()
    lost: list[str] = []
    for point in range(max(1, POINTS // 3)):
        seed = f"{policy}-{delivery}-{point}-{chance.getrandbits(32):x}"
        place, log = tmp_path / f"ledger-{point}.db", tmp_path / f"log-{point}"
        server.forget()
        server.on("rcpt", "451 4.3.0 Later", matching="busy@")
        for _ in range(10):
            server.on("mail", Delay(0.0), times=chance.randrange(30))
            server.on("mail", "451 4.3.0 Later", times=1)
        order = {
            "log": str(log),
            "ledger": str(place),
            "seed": seed,
            "policy": policy,
            "delivery": delivery,
            "options": server.options(),
            "deadline": 1.0,
        }
        life = chance.uniform(0, 1.0)
        kill_a_sender(senders, order, partial(time.sleep, life))
        time.sleep(0.02)  # the server has the last bytes still to read
        lines = [line.split() for line in log.read_text().splitlines()]
        started = {name for word, name in lines if word == "begin"}
        ended = {name for word, name in lines if word == "end"}
        begun |= started

        server.forget()
        ledger = Ledger(place)
        box = ledger.outbox
        kept = {box.show(item.name).email.message_id for item in box.list()}
        arrived = {str(mail.message["Message-ID"]) for mail in server.mails}
        lost += ended - kept - arrived
        # The last one may have been killed before it was written down.
        assert len(started - ended) <= 1

        with Mailer(
            "smtp", options=server.options(), ledger=ledger, retry=Retry(policy=policy)
        ) as mailer:
            wait_for_leases(box)
            mailer.flush()
        left = {item.state for item in box.list()}
        assert left <= ({"unknown"} if policy == "at_most_once" else set())
    copies = Counter(str(mail.message["Message-ID"]) for mail in server.mails)
    assert lost == []
    if policy == "at_most_once":
        assert [name for name in begun if copies[name] > 1] == []
    print(f"{policy}, {delivery}: {len(begun)} alerts begun, {len(lost)} lost")


@pytest.mark.parametrize("delivery", ["now", "background"])
@pytest.mark.parametrize("policy", ["at_most_once", "at_least_once"])
def test_a_mail_under_way_outlives_its_process(
    server: SMTPServer,
    senders: subprocess.Popen[str],
    tmp_path: Path,
    policy: DeliveryPolicy,
    delivery: str,
) -> None:
    """Killed in the middle of the dialogue, a process leaves the mail where the policy says."""
    server.forget()
    server.on("mail", Hang())
    before = len(server.lines())
    order = {
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

    kill_a_sender(senders, order, in_the_dialogue)
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
