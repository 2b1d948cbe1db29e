"""How fast a worker drains a ledger over one connection: ``python -m benchmarks.window``.

Prints Markdown: medians per mail, all in one run, on loopback and over 50 ms. What a worker
takes beside ``limit-streamed`` (bytes that are built already) is reading the ledger, building
the mails and noting their ends; ``transport, built`` is the window without all that.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from zenmail import Deadline, Email, Mailer, PluginHost, SendRequest, Worker
from zenmail_transports.smtp import SMTPOptions

from . import servers
from .certificates import Certificates, issue
from .content import SENDER, recipients, rendered
from .peers import PEERS, Load
from .race import Runner, missing
from .tables import duration, table, times

_MAILS = 1000
_AT_ONCE = 50


def _mails(count: int) -> list[Email]:
    content = rendered()
    return [
        Email(
            sender=SENDER,
            to=recipients(1),
            subject=f"{content.subject} {number}",
            text=content.text,
            html=content.html,
        )
        for number in range(count)
    ]


def _timed(work: Callable[[], object], count: int) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) / count


def report(
    port: int, certificates: Certificates, folder: Path, *, rounds: int, alone: int
) -> str:
    """Race the worker with one mail at a time, the transport alone and the peers.

    Args:
        port: The server's.
        certificates: What it may trust.
        folder: For the ledgers.
        rounds: How often each has its turn.
        alone: How many mails go one at a time.
    """
    content = rendered()
    options = {
        "host": "localhost",
        "port": port,
        "security": "starttls",
        "username": "user",
        "password": "not-a-secret",
        "ca_file": str(certificates.authority),
    }
    transport, smtp = PluginHost().transport("smtp"), SMTPOptions.model_validate(options)
    single = Mailer("smtp", options=options)
    limit = PEERS["limit-streamed"](port, certificates.authority, content)
    pool = (
        None if "nodemailer" in missing() else Runner("nodemailer", port, certificates, content)
    )

    def worker(turn: int) -> float:
        ledger = str(folder / f"{port}-{turn}.db")
        with (
            Mailer("smtp", options=options, ledger=ledger, deadline=60) as mailer,
            Mailer("smtp", options=options, ledger=ledger, delivery="queue") as queue,
        ):
            mailer.send(_mails(1)[0]).raise_for_outcome()  # a warm connection, as all have
            for mail in _mails(_MAILS):
                queue.send(mail)
            drain = Worker(mailer)
            seconds = _timed(drain.drain, _MAILS)
        if drain.delivered != _MAILS:
            raise SystemExit(f"{drain.delivered} of {_MAILS} mails arrived.")
        return seconds

    def one_at_a_time(_turn: int) -> float:
        mails = _mails(alone)
        return _timed(lambda: [single.send(mail) for mail in mails], alone)

    def built(_turn: int) -> float:
        requests = [
            SendRequest(mail, mail.envelope, smtp, Deadline.after(60))
            for mail in _mails(_MAILS)
        ]
        for request in requests:
            request.email.size()

        def send() -> None:
            for start in range(0, _MAILS, _AT_ONCE):
                transport.send_together(requests[start : start + _AT_ONCE])

        return _timed(send, _MAILS)

    def streamed(_turn: int) -> float:
        return _timed(lambda: limit.send(Load(count=_MAILS)), _MAILS)

    def nodemailer(_turn: int) -> float:
        assert pool is not None
        return pool.send(Load(count=4 * alone))["seconds"] / (4 * alone)

    racers: dict[str, Callable[[int], float]] = {
        "worker": worker,
        "one at a time": one_at_a_time,
        "transport, built": built,
        "limit-streamed": streamed,
    }
    if pool is not None:
        racers["nodemailer, pool of 5"] = nodemailer
    for turn in range(-3, 0):  # the window grows, connections open
        for racer in racers.values():
            if racer is not worker or turn == -1:
                racer(turn)
    took: dict[str, list[float]] = {name: [] for name in racers}
    for turn in range(rounds):
        for name, racer in racers.items():
            took[name].append(racer(turn))
    single.close()
    limit.forget()
    if pool is not None:
        pool.close()
    ours = median(took["worker"])
    return table(
        ("", "median per mail", "fastest", "beside the worker"),
        [
            (name, duration(median(each)), duration(min(each)), times(median(each) / ours))
            for name, each in took.items()
        ],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one table for loopback and one for a long link."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.window")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(arguments).rounds
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        certificates = issue(folder)
        with servers.sink(certificates.server) as sink:
            port = sink.ports["full"]
            print(
                f"## Loopback\n\n{report(port, certificates, folder, rounds=rounds, alone=250)}"
            )
            with servers.long_link(port) as far:
                found = report(far, certificates, folder, rounds=rounds, alone=20)
            print(f"\n## 50 ms round trip\n\n{found}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
