"""Starts the sink and the long link as processes of their own, and stops them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).parent


@dataclass
class RunningSink:
    """A sink in another process.

    Attributes:
        ports: Port by set of extensions: "full", "pipelining", "bare".
        process: The process.
    """

    ports: dict[str, int]
    process: subprocess.Popen[str]

    def counts(self, *, quiet: float | None = None) -> dict[str, int]:
        """Return what was counted since the last time.

        Args:
            quiet: Seconds of silence before each answer from now on; None changes nothing.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("counts\n" if quiet is None else f"quiet {quiet}\n")
        self.process.stdin.flush()
        found: dict[str, int] = json.loads(self.process.stdout.readline())
        return found

    def cpu(self) -> float:
        """Return the seconds of processor time it has used (Linux; elsewhere 0)."""
        status = Path(f"/proc/{self.process.pid}/stat")
        if not status.exists():
            return 0.0
        fields = status.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def sink(certificate: Path) -> Iterator[RunningSink]:
    """Run a sink."""
    with _process(str(_HERE / "sink.py"), str(certificate)) as (process, first_line):
        yield RunningSink(json.loads(first_line), process)


@contextmanager
def long_link(port: int, *, round_trip: float = 0.05) -> Iterator[int]:
    """Run a proxy to a port on loopback and give the port of its near end."""
    with _process(str(_HERE / "delay.py"), str(port), f"--round-trip={round_trip}") as (
        _,
        line,
    ):
        yield int(line)


@contextmanager
def _process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline()
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(10)
