"""Forks beside first sends: ``python -m benchmarks.forks [--children N]``.

Two threads send for the first time over STARTTLS, one of them an alert, while the main
thread forks children that send, too. Prints how many children hang.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence

from zenmail.testing import SMTPServer

_CHILDREN = 4
_SENDING = """
import os, random, signal, sys, threading, time, warnings
from zenmail import Alert, Email, Mailer
warnings.simplefilter("ignore", DeprecationWarning)
host, port, ca, children, hang = sys.argv[1], *map(str, sys.argv[2:])
addresses = {"sender": "a@example.com", "to": "b@example.com"}
box = Mailer(options={"host": host, "port": int(port), "ca_file": ca}, deadline=60)
def mail():
    return box.send(Email(**addresses, subject="One", text="One"))
def alert():
    return box.send_alert(Alert(title="One", body="**One**"), **addresses)
threads = [threading.Thread(target=send) for send in (mail, alert)]
for thread in threads: thread.start()
forked = []
for number in range(int(children)):
    time.sleep(random.uniform(0, 0.02))
    child = os.fork()
    if not child:
        signal.alarm(int(hang))
        os._exit(0 if (mail, alert)[number % 2]().outcome == "delivered" else 1)
    forked.append(child)
for thread in threads: thread.join()
print(*(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in forked))
"""


def codes(children: int, hang: int) -> list[int]:
    """Return the exit codes of the children, which an alarm ends when they hang."""
    found: list[int] = []
    with SMTPServer() as server:
        where = [str(server.options()["host"]), str(server.port), str(server.ca_file)]
        while len(found) < children:
            done = subprocess.run(
                [sys.executable, "-c", _SENDING, *where, str(_CHILDREN), str(hang)],
                capture_output=True,
                text=True,
                check=True,
            )
            found += map(int, done.stdout.split())
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Fork the children and count."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forks", description=__doc__)
    parser.add_argument("--children", type=int, default=100, help="how many to fork at least")
    parser.add_argument("--hang", type=int, default=20, help="seconds that are called hanging")
    given = parser.parse_args(arguments)
    found = codes(given.children, given.hang)
    failed = sum(code > 0 for code in found)
    hung = sum(code < 0 for code in found)
    print(f"{len(found)} children: {hung} hang, {failed} cannot send")
    return int(bool(hung or failed))


if __name__ == "__main__":
    sys.exit(main())
