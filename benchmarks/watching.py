"""Proves what is said about watching: ``python -m benchmarks.watching kills|frozen|handler``.

Needs the extras of zenml's server for ``frozen``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from zenmail.testing.smtp_server import SMTPServer

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/zenml_integration/watching"))
import worlds

_RUNNER = """
import json, os, random, sys, time
import zenml, zenml.client, zenml.pipelines, zenml.orchestrators.local.local_orchestrator
import zenmail_zenml.alerter
import scenarios
for line in sys.stdin:
    name = line.strip()
    child = os.fork()
    if not child:
        try:
            getattr(scenarios, name)()
        finally:
            os._exit(0)
    print(child, flush=True)
    _, status = os.waitpid(child, 0)
    print(-os.waitstatus_to_exitcode(status), flush=True)
"""


class Arrivals:
    """Which mail arrived when, by the name of the run in it."""

    def __init__(self, mail: SMTPServer) -> None:
        self.seen: list[tuple[str, str, float]] = []
        self._mail = mail
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while True:
            for mail in self._mail.mails[len(self.seen) :]:
                body = mail.message.get_body(("plain",))
                text = body.get_content() if body is not None else ""
                run = next(
                    (word for word in text.split() if word.startswith("slow-2")), "no run"
                )
                self.seen.append((run, str(mail.message["Subject"]), time.time()))
            time.sleep(0.05)


class Runs:
    """Runs pipelines, one after the other, each in a child of a warm process."""

    def __init__(self, world: worlds.World, name: str) -> None:
        self._began = world.folder / name
        environment = {**world.environment, "WITHOUT_HANDLER": "1", "BEGAN": str(self._began)}
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _RUNNER],
            cwd=world.folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(self, name: str, *, kill_after: float | None = None) -> float | None:
        """Run a pipeline; return when it was killed, or None if it ended before.

        Args:
            name: The pipeline.
            kill_after: Seconds after its first step began when its process is killed.
        """
        assert self._process.stdin is not None
        self._began.unlink(missing_ok=True)
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()
        child = self._next_number()
        started = killed = time.time()
        if kill_after is not None:
            while not self._began.exists() and time.time() < started + 120:
                time.sleep(0.01)
            time.sleep(kill_after)
            killed = time.time()
            with suppress(ProcessLookupError):  # it may have ended well
                os.kill(child, signal.SIGKILL)
        return killed if self._next_number() == signal.SIGKILL else None

    def _next_number(self) -> int:
        """Return what the runner says: ZenML logs to the same stream."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.strip().isdigit():
                return int(line)
        raise RuntimeError("the runner ended")

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


class Watched:
    """A watcher, which may be killed at random moments and started again."""

    def __init__(
        self, world: worlds.World, interval: float, patience: float, *, restarts: bool
    ) -> None:
        self.kills = 0
        self._restarts = restarts
        self._arguments = [f"--interval={interval}", f"--silent-after={patience}"]
        self._world = world
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with (self._world.folder / "watcher.log").open("w") as log:
            while not self._stop.is_set():
                watcher = subprocess.Popen(
                    [*worlds.ZENMAIL, "watch", *self._arguments],
                    cwd=self._world.folder,
                    env=self._world.environment,
                    stdout=log,
                    stderr=log,
                )
                self._stop.wait(random.uniform(5.0, 60.0) if self._restarts else None)
                if not self._stop.is_set():
                    self.kills += 1
                    watcher.kill()
                    watcher.wait()
        watcher.terminate()
        watcher.wait()

    def close(self) -> None:
        """Stop it."""
        self._stop.set()
        self._thread.join()


def kills(kills: int, good: int, interval: float, patience: float, *, restarts: bool) -> None:
    """Kill steps at random moments beside good runs; print what was mailed, and when."""
    with _world("local") as world:
        arrivals = Arrivals(world.mail)
        victims, goods = Runs(world, "victim"), Runs(world, "good")
        watcher = Watched(world, interval, patience, restarts=restarts)

        def run_good() -> None:
            for _ in range(good):
                goods.run("slow")

        beside = threading.Thread(target=run_good)
        beside.start()
        killed: list[float] = []
        while len(killed) < kills:
            moment = victims.run("slow", kill_after=random.uniform(0.0, 1.5))
            if moment is not None:
                killed.append(moment)
                print(f"{len(killed)} killed, {len(arrivals.seen)} mails", flush=True)
        beside.join()
        time.sleep(patience + 2 * interval + (90 if restarts else 20))
        watcher.close()
        ended, started = _read(world)
        dead = {
            run: min(moment for moment in killed if moment > began)
            for run, began in started.items()
        }
        mailed = Counter(run for run, _, _ in arrivals.seen)
        took = sorted(when - dead[run] for run, _, when in arrivals.seen if run in dead)
        result = {
            "steps killed": len(dead),
            "of them mailed once": sum(mailed[run] == 1 for run in dead),
            "missed": sum(mailed[run] == 0 for run in dead),
            "twice": sum(mailed[run] > 1 for run in dead),
            "runs that ended well": ended.count("completed"),
            "mails about others": [item for item in arrivals.seen if item[0] not in dead],
            "watcher killed": watcher.kills,
            "threshold + interval": patience + interval,
            "mailed within": sum(seconds <= patience + interval for seconds in took),
            "seconds from kill to mail, median, 99 % and worst": [
                round(took[min(len(took) - 1, int(share * len(took)))], 1)
                for share in (0.5, 0.99, 1.0)
            ],
        }
        print(json.dumps(result, indent=1))
        victims.close()
        goods.close()


_READ = """
import json
from datetime import timezone
from zenml.client import Client
client, ended, started = Client(), [], {}
pages = client.list_pipeline_runs(pipeline="slow", size=100).total_pages
for number in range(1, pages + 1):
    for run in client.list_pipeline_runs(pipeline="slow", size=100, page=number).items:
        if run.status.is_finished:
            ended.append(str(run.status.value))
        else:
            started[run.name] = run.created.replace(tzinfo=timezone.utc).timestamp()
print("RESULT" + json.dumps([ended, started]))
"""


def _read(world: worlds.World) -> Any:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _READ],
        cwd=world.folder,
        env=world.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.partition("RESULT")[2])


def frozen() -> None:
    """Count calls to ZenML's server, and freeze it at each; print what it took."""
    script = Path(__file__).with_name("frozen.py")
    with _world("rest") as world:
        assert world.server is not None
        (world.folder / script.name).write_text(script.read_text())
        done = subprocess.run(
            [sys.executable, "-W", "ignore", script.name],
            cwd=world.folder,
            env={**world.environment, "SERVER": str(world.server.pid)},
            capture_output=True,
            text=True,
        )
        result = done.stdout.partition("RESULT")[2].partition("END")[0]
        print(result or done.stdout[-3000:] + done.stderr[-3000:])


def handler(events: int) -> None:
    """Print how long the handler keeps ZenML waiting, in milliseconds."""
    import logging
    from types import SimpleNamespace
    from uuid import uuid4

    from zenml.dispatcher import PipelineRunStatusUpdate

    from zenmail_zenml.watching.handler import RunAlerts

    logging.disable()
    alerts = RunAlerts()
    times = []
    for _ in range(events):
        run = SimpleNamespace(id=uuid4(), status=SimpleNamespace(value="failed"))
        event = PipelineRunStatusUpdate.model_construct(run=run, previous_status="running")
        started = time.perf_counter()
        alerts.handle_event(event)
        times.append(1000 * (time.perf_counter() - started))
    times.sort()
    middle, rare = times[events // 2], times[events * 99 // 100]
    print(f"p50 {middle:.3f} ms, p99 {rare:.3f} ms, worst {times[-1]:.3f} ms")
    os._exit(0)


@contextmanager
def _world(kind: str, **options: bool) -> Iterator[worlds.World]:
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        SMTPServer() as mail,
    ):
        world = worlds.make_world(Path(folder), mail, kind, **options)
        try:
            yield world
        finally:
            world.close()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["kills", "frozen", "handler"])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--good", type=int, default=300)
    parser.add_argument("--interval", type=float, default=10.0)
    parser.add_argument("--silent-after", type=float, default=60.0)
    parser.add_argument("--restarts", action="store_true", help="kill the watcher, too")
    given = parser.parse_args()
    if given.what == "kills":
        kills(
            given.kills,
            given.good,
            given.interval,
            given.silent_after,
            restarts=given.restarts,
        )
    elif given.what == "frozen":
        frozen()
    else:
        handler(1000)


if __name__ == "__main__":
    main()
