"""The benchmarks' one command: ``python -m benchmarks [--quick] [--load NAME ...]``.

Installs nothing; says what is missing. Prints Markdown.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from . import composing, scaling, servers, ses, startup
from .certificates import Certificates, issue
from .content import Content, rendered
from .peers import PEERS, Load, describe
from .race import Runner, Samples, missing, race, runners
from .tables import duration, megabytes, table, times

_LIMITS = ("limit", "limit-one-flight", "limit-streamed")
# Peers that take milliseconds for each mail send fewer in a burst.
_SLOW = {"stdlib": 100, "stdlib-verified": 20, "redmail": 100, "apprise": 20}
_FEW = ("zenmail", "zenmail-alert", "stdlib", "redmail-kept", "django", "nodemailer")


@dataclass
class Bench:
    """What every load needs."""

    sink: servers.RunningSink
    certificates: Certificates
    content: Content
    folder: Path
    peers: Sequence[str]
    quick: bool

    def rounds(self, number: int) -> int:
        """Return how many rounds to run: fewer when it has to be quick."""
        return max(3, number // 4) if self.quick else number

    def only(self, names: Sequence[str]) -> list[str]:
        """Return those of the names that can run."""
        return [name for name in names if name in self.peers]


def round_trips(bench: Bench) -> str:
    """Count the answers each peer waits for, one mail without and one with a connection."""
    rows = []
    for extensions in ("full", "pipelining", "bare"):
        names = [name for name in bench.peers if extensions == "full" or name == "zenmail"]
        port = bench.sink.ports[extensions]
        for name in names:
            if extensions == "full" and name in ("limit-streamed",):
                continue
            runner = Runner(name, port, bench.certificates, bench.content)
            bench.sink.counts(quiet=0.03)
            runner.send(Load(cold=True))
            cold = bench.sink.counts()["round_trips"]
            runner.send(Load())
            warm = bench.sink.counts(quiet=0)["round_trips"]
            runner.close()
            label = {
                "full": "",
                "pipelining": " (server without CHUNKING)",
                "bare": " (server without CHUNKING and PIPELINING)",
            }[extensions]
            rows.append((name + label, str(cold), str(warm)))
    return table(("peer", "cold", "warm"), rows)


def cold(bench: Bench) -> str:
    """One mail without a connection, in a process that has imported everything."""
    return _race(bench, Load(cold=True), rounds=21, names=bench.peers)


def warm(bench: Bench) -> str:
    """One mail, right after another."""
    return _race(bench, Load(), rounds=41, names=bench.peers)


def burst(bench: Bench) -> str:
    """1,000 mails, one after the other (nodemailer: over five connections at once)."""
    return _race(bench, Load(count=1000), rounds=7, names=bench.peers, fewer=_SLOW)


def fifty(bench: Bench) -> str:
    """One mail to 50 recipients, right after another mail."""
    return _race(bench, Load(recipients=50), rounds=21, names=bench.peers)


def long_cold(bench: Bench) -> str:
    """One mail without a connection, 50 ms round trip."""
    return _long_race(bench, Load(cold=True))


def long_warm(bench: Bench) -> str:
    """One mail right after another, 50 ms round trip."""
    return _long_race(bench, Load())


def long_idle(bench: Bench) -> str:
    """One mail a second after another, 50 ms round trip."""
    return _long_race(bench, Load(), pause=1.0)


def attachment(bench: Bench) -> str:
    """One mail with 25 MB attached: time, and memory above the idle process."""
    path = bench.folder / "report.bin"
    path.write_bytes(os.urandom(25_000_000))
    load = Load(attachment=path)
    names = [name for name in bench.only(_FEW) if name != "zenmail-alert"]
    port = bench.sink.ports["full"]
    with runners(names, port, bench.certificates, bench.content) as started:
        memory = {}
        for runner in started:
            runner.send(Load())
            memory[runner.name] = [runner.peak_above_idle(load)]
        found = race(started, load, rounds=bench.rounds(7), sink=bench.sink)
    for name, values in memory.items():
        found[name].memory += values
    return _ranking(found)


def first_mail(bench: Bench) -> str:
    """A fresh process, from its start to its first mail accepted and its end."""
    port = bench.sink.ports["full"]
    return startup.first_mail(port, bench.certificates, rounds=bench.rounds(15))


def imports(bench: Bench) -> str:
    """Imports, each in a fresh process."""
    return startup.imports(rounds=bench.rounds(9))


def alert_to_bytes(bench: Bench) -> str:
    """Redact, render, build."""
    return composing.report()


def ses_kept(bench: Bench) -> str:
    """One mail over Amazon SES (played by moto), clients kept and not."""
    return ses.report(bench.content, rounds=bench.rounds(20))


def growth(bench: Bench) -> str:
    """More of each; it should cost no more for each."""
    port = bench.sink.ports["full"]
    runner = Runner("zenmail-alert", port, bench.certificates, bench.content)
    try:
        return scaling.growth(
            runner, bench.folder, quick=bench.quick, rounds=1 if bench.quick else 3
        )
    finally:
        runner.close()


def soak(bench: Bench) -> str:
    """Memory over many alerts; it should stay."""
    port = bench.sink.ports["full"]
    runner = Runner("zenmail-alert", port, bench.certificates, bench.content)
    try:
        return scaling.soak(runner, alerts=2000 if bench.quick else 10_000)
    finally:
        runner.close()


LOADS: dict[str, Callable[[Bench], str]] = {
    "round-trips": round_trips,
    "cold": cold,
    "warm": warm,
    "burst": burst,
    "fifty": fifty,
    "long-cold": long_cold,
    "long-warm": long_warm,
    "long-idle": long_idle,
    "attachment": attachment,
    "first-mail": first_mail,
    "imports": imports,
    "alert-to-bytes": alert_to_bytes,
    "ses": ses_kept,
    "growth": growth,
    "soak": soak,
}


def _race(
    bench: Bench,
    load: Load,
    *,
    rounds: int,
    names: Sequence[str],
    port: int | None = None,
    **options: Any,
) -> str:
    port = port or bench.sink.ports["full"]
    with runners(names, port, bench.certificates, bench.content) as started:
        rounds = bench.rounds(rounds)
        return _ranking(race(started, load, rounds=rounds, sink=bench.sink, **options))


def _long_race(bench: Bench, load: Load, *, pause: float = 0.0) -> str:
    with servers.long_link(bench.sink.ports["full"]) as port:
        return _race(bench, load, rounds=9, names=bench.only(_FEW), port=port, pause=pause)


def _ranking(found: dict[str, Samples]) -> str:
    ours = found["zenmail"].typical if "zenmail" in found else None
    head = ["peer", "median per mail", "fastest", "own CPU", "sink busy", "beside zenmail"]
    with_memory = any(samples.memory for samples in found.values())
    if with_memory:
        head.append("memory above idle")
    rows = []
    for name, samples in found.items():
        row = [
            name,
            duration(samples.typical),
            duration(min(samples.seconds)),
            duration(median(samples.cpu)),
            f"{min(1.0, sum(samples.sink) / len(samples.sink)):.0%}",
            times(samples.typical / ours) if ours else "",
        ]
        if with_memory:
            row.append(megabytes(samples.memory[0]) if samples.memory else "")
        rows.append(row)
    return table(head, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the loads that were asked for and print their tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure zenmail beside its peers, in one run.",
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument(
        "--load",
        nargs="+",
        choices=LOADS,
        default=list(LOADS),
        metavar="NAME",
        help=f"only these: {', '.join(LOADS)}",
    )
    parser.add_argument("--peer", nargs="+", metavar="NAME", help="only these peers")
    given = parser.parse_args(arguments)
    absent = missing()
    for name, remedy in absent.items():
        print(f"{name} is missing and left out: {remedy}", file=sys.stderr)
    known = [*PEERS, "nodemailer"]
    wanted = given.peer or known
    for name in wanted:
        if name not in known:
            parser.error(f"there is no peer {name!r}; there are {', '.join(known)}")
    peers = [name for name in wanted if name not in absent]
    print(
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} processors\n"
    )
    for name, what in [
        *describe(),
        ("nodemailer", "nodemailer, a pool of 5 connections, verified"),
    ]:
        if name in peers:
            release = PEERS[name].release() if name in PEERS else ""
            print(f"- {name} {release}: {what}".replace(" :", ":"))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        certificates = issue(folder)
        with servers.sink(certificates.server) as sink:
            bench = Bench(sink, certificates, rendered(), folder, peers, given.quick)
            for name in given.load:
                load = LOADS[name]
                print(f"\n## {name}\n\n{load.__doc__}\n", flush=True)
                print(load(bench), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
