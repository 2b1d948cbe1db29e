"""What the ledger costs, and how fast workers drain it: ``python -m benchmarks.ledger``.

Prints Markdown. PostgreSQL is measured where ``--postgres`` names an empty database.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from zenmail import Email, Ledger, Mailer, Worker
from zenmail.ledger.claim import DELIVERY, Fate, delivery_row
from zenmail.ledger.content import dump_email
from zenmail.ledger.engine import Transaction
from zenmail.ledger.ledger import open_engine

from . import servers
from .certificates import issue
from .content import RECIPIENT, SENDER, rendered
from .tables import duration, table, times

_ROUNDS = 31
_PER_ROUND = 50
_CONNECTIONS = (1, 2, 4)
_MAIL = """INSERT INTO mails (id, alerter, policy, created, sender, subject, content)
VALUES (:mail, '', 'at_most_once', {now}, 'alerts@example.com', :subject, :content)"""


def _mail() -> Email:
    content = rendered()
    return Email(
        sender=SENDER,
        to=RECIPIENT,
        subject=content.subject,
        text=content.text,
        html=content.html,
    )


def warm(open_mailer: Callable[..., Mailer], ledgers: dict[str, str | None]) -> str:
    """One mail after others, with and without a ledger, in turns."""
    mailers = {name: open_mailer(ledger=location) for name, location in ledgers.items()}
    seconds: dict[str, list[float]] = {name: [] for name in mailers}
    model = _mail()
    for turn in range(_ROUNDS + 4):
        for name, mailer in mailers.items():
            mails = [model.replace(message_id="") for _ in range(_PER_ROUND)]
            for mail in mails:
                started = time.perf_counter()
                receipt = mailer.send(mail)
                if turn >= 4:
                    seconds[name].append(time.perf_counter() - started)
                assert (receipt.outcome, receipt.notes) == ("delivered", ()), receipt
    for mailer in mailers.values():
        mailer.close()
    plain = median(seconds["no ledger"])
    rows = [
        (name, duration(median(took)), duration(min(took)), times(median(took) / plain))
        for name, took in seconds.items()
    ]
    return table(("ledger", "median per mail", "fastest", "beside none"), rows)


def fill(location: str, count: int) -> None:
    """Have mails wait in a ledger."""
    Ledger(location).outbox.list()
    model = _mail()

    def write(transaction: Transaction) -> None:
        for number in range(count):
            name = f"{number:013x}{secrets.token_hex(4)}"
            mail = model.replace(message_id=f"<{name}@example.com>")
            transaction.execute(
                _MAIL, mail=name, subject=mail.subject, content=dump_email(mail)
            )
            row = delivery_row(name, RECIPIENT, 0, Fate("waiting"))
            transaction.each(DELIVERY, [row])

    engine = open_engine(location)
    engine.run(write)
    engine.close()


def drain(
    open_mailer: Callable[..., Mailer],
    ledgers: dict[str, str | None],
    count: int,
    *,
    most: int,
) -> str:
    """Workers with one, two and four connections, between bursts of plain sends over one."""
    model = _mail()
    alone = open_mailer()
    alone.send(model)

    def burst() -> float:
        mails = [model.replace(message_id="") for _ in range(most)]
        started = time.perf_counter()
        for mail in mails:
            alone.send(mail)
        return len(mails) / (time.perf_counter() - started)

    rows = []
    for name, location in ledgers.items():
        if location is None:
            continue
        one = 0.0
        for connections in _CONNECTIONS:
            fill(location, count)
            plain = burst()
            with open_mailer(ledger=location) as mailer:
                started = time.perf_counter()
                sent = Worker(mailer, connections=connections).drain()
                rate = sent / (time.perf_counter() - started)
            assert sent == count, f"{sent} of {count} were sent"
            plain = median((plain, burst()))
            one = one or rate
            rows.append(
                (
                    name,
                    str(connections),
                    f"{plain:,.0f}",
                    f"{rate:,.0f}",
                    f"{rate / plain:.0%}",
                    times(rate / one),
                )
            )
    alone.close()
    head = ("", "connections", "plain burst", "mails a second", "of the burst", "beside one")
    return table(head, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--postgres", metavar="URL", help="an empty database")
    parser.add_argument("--mails", type=int, default=10_000, help="to drain on loopback")
    parser.add_argument("--long-mails", type=int, default=10_000, help="to drain at 50 ms")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        certificates = issue(folder)
        ledgers = {"no ledger": None, "SQLite": str(folder / "ledger.db")}
        if given.postgres:
            ledgers["PostgreSQL"] = given.postgres
        with servers.sink(certificates.server) as sink:

            def opener(port: int) -> Callable[..., Mailer]:
                options = {
                    "host": "localhost",
                    "port": port,
                    "security": "starttls",
                    "ca_file": str(certificates.authority),
                }
                return lambda **more: Mailer("smtp", options=options, **more)

            port = sink.ports["full"]
            print(f"## {warm.__doc__}\n\n{warm(opener(port), ledgers)}\n", flush=True)
            print(f"## {drain.__doc__}\n\nOn loopback, {given.mails:,} mails:\n")
            print(f"{drain(opener(port), ledgers, given.mails, most=1000)}\n", flush=True)
            for server, count, what in (
                ("full", given.long_mails, "many mails in flight"),
                ("pipelining", given.long_mails // 50, "one mail at a time"),
            ):
                with servers.long_link(sink.ports[server]) as far:
                    print(f"On a link of 50 ms, {what}, {count:,} mails:\n")
                    print(f"{drain(opener(far), ledgers, count, most=20)}\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
