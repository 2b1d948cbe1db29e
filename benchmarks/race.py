"""Runs peers beside each other: one process each, loads interleaved, medians kept."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from .certificates import Certificates
from .content import RECIPIENT, SENDER, Content
from .peers import PEERS, Load
from .servers import RunningSink

_HERE = Path(__file__).parent
_NODE = _HERE / "node"


@dataclass
class Samples:
    """What one peer took for one load.

    Attributes:
        seconds: Per mail, one value per round.
        cpu: Seconds of the peer's own processor time, per mail.
        sink: Share of the sink's one processor, from 0 to 1.
        memory: Bytes above the idle process at the peak.
    """

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    sink: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)

    @property
    def typical(self) -> float:
        """The median of the seconds."""
        return median(self.seconds)


class Runner:
    """A peer in a process of its own.

    Args:
        name: The peer.
        port: The server's port.
        certificates: What it may trust.
        content: The mail.
    """

    def __init__(
        self, name: str, port: int, certificates: Certificates, content: Content
    ) -> None:
        self.name = name
        command = [sys.executable, "-m", "benchmarks.worker"]
        if name == "nodemailer":
            command = ["node", str(_NODE / "worker.js")]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_HERE.parent,
            env={**os.environ, "SSL_CERT_FILE": str(certificates.bundle)},
        )
        self.release: str = self._ask(
            {
                "peer": name,
                "port": port,
                "authority": str(certificates.authority),
                "content": asdict(content),
                "sender": SENDER,
                "recipient": RECIPIENT,
            }
        )["release"]

    def send(self, load: Load) -> dict[str, float]:
        """Send a load; what it took, in seconds."""
        return self._ask(
            {**asdict(load), "attachment": load.attachment and str(load.attachment)}
        )

    def peak_above_idle(self, load: Load) -> int:
        """Send a load; bytes of memory above what the process had before (Linux)."""
        status = Path(f"/proc/{self._process.pid}")
        idle = _memory(status, "VmRSS")
        (status / "clear_refs").write_text("5")
        self.send(load)
        return _memory(status, "VmHWM") - idle

    def resident(self) -> int:
        """Return the bytes of memory the process has now (Linux)."""
        return _memory(Path(f"/proc/{self._process.pid}"), "VmRSS")

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(30)

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The peer {self.name} died.")
        answer: dict[str, Any] = json.loads(line)
        return answer


def missing() -> dict[str, str]:
    """Return the peers that cannot run here, and what would make them."""
    absent = {}
    for name, peer in PEERS.items():
        try:
            peer.release()
        except ModuleNotFoundError:
            absent[name] = f"pip install {peer.distribution}"
    if shutil.which("node") is None:
        absent["nodemailer"] = "install Node.js"
    elif not (_NODE / "node_modules" / "nodemailer").is_dir():
        absent["nodemailer"] = "npm --prefix benchmarks/node ci"
    return absent


@contextmanager
def runners(
    names: Sequence[str], port: int, certificates: Certificates, content: Content
) -> Iterator[list[Runner]]:
    """Start a process for each peer."""
    with ExitStack() as stack:
        started = []
        for name in names:
            runner = Runner(name, port, certificates, content)
            stack.callback(runner.close)
            started.append(runner)
        yield started


def race(
    started: Sequence[Runner],
    load: Load,
    *,
    rounds: int,
    sink: RunningSink,
    fewer: dict[str, int] | None = None,
    pause: float = 0.0,
) -> dict[str, Samples]:
    """Let each peer send the load once per round, in turn.

    Unless the load is cold, each sends one mail right before: a connection that was idle while
    the others had their turn is not warm.

    Args:
        started: The peers.
        load: What to send.
        rounds: How often.
        sink: Where it arrives; every mail is checked to have arrived.
        fewer: Peers that send fewer mails, because they are slow, and how many.
        pause: Seconds between that one mail and the load.
    """
    found = {runner.name: Samples() for runner in started}
    for turn in range(rounds + 1):
        order = started[turn % len(started) :] + list(started[: turn % len(started)])
        for runner in order:
            count = (fewer or {}).get(runner.name, load.count)
            mails = Load(count, load.recipients, load.attachment, load.cold)
            if turn == 0:  # to warm up
                mails = Load(min(count, 5), load.recipients, load.attachment, load.cold)
            if not load.cold:
                runner.send(Load())
                time.sleep(pause)
            sink.counts()
            busy = sink.cpu()
            took = runner.send(mails)
            busy = sink.cpu() - busy
            # Some send a mail of its own to each recipient.
            taken, wanted = sink.counts().get("recipients", 0), mails.count * mails.recipients
            if taken != wanted:
                raise RuntimeError(f"{runner.name}: {taken} of {wanted} recipients were named.")
            if turn:
                samples = found[runner.name]
                samples.seconds.append(took["seconds"] / mails.count)
                samples.cpu.append(took["cpu"] / mails.count)
                samples.sink.append(busy / took["seconds"])
    return found


def _memory(process: Path, key: str) -> int:
    for line in (process / "status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"{process} has no {key}")
