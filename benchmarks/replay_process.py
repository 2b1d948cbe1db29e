"""Days of pipelines in one process: ``python replay_process.py DAYS PIPELINES hook|watcher``.

A pipeline runs well and badly in the ZenML that the environment names; copies of both runs
are put into its store as runs of many pipelines, one after the other. For each, the failure
hook is called, or the watcher looks. Prints the runs and the mails of each. Works with older
versions of zenmail, too, so that they can be compared.
"""

import json
import random
import sqlite3
import sys
import time
import uuid
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

from zenml import pipeline, step
from zenml.client import Client
from zenml.enums import StackComponentType
from zenml.steps.step_context import StepContext

from zenmail.testing.smtp_server import SMTPServer
from zenmail_zenml import smtp_email_alerter_failure_hook

EVERY = timedelta(hours=6)
KINDS = ("steady", "flaky", "broken for a week", "recovering")


def fails(kind: str, number: int, runs: int, chance: random.Random) -> bool:
    """Return whether one of the runs of such a pipeline fails."""
    if kind == "flaky":
        return chance.random() < 0.1
    if kind == "broken for a week":
        return runs // 3 <= number < runs // 3 + min(28, runs // 4)
    return kind == "recovering" and number % 30 in (10, 11, 12)


class Store:
    """The tables of ZenML's database, into which runs are copied."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, timeout=60)
        self._database.row_factory = sqlite3.Row
        self._good, self._bad = (
            (run, self._row("step_run", "pipeline_run_id", run["id"]))
            for status in ("completed", "failed")
            for run in [self._row("pipeline_run", "status", status)]
        )
        self._pipeline = self._row("pipeline", "id", self._good[0]["pipeline_id"])
        # They were made for this and must lie before everything that is looked at.
        self._database.execute("UPDATE pipeline_run SET end_time = '2020-01-01 00:00:00'")
        self._database.commit()

    def _row(self, table: str, column: str, value: str) -> dict[str, Any]:
        found = self._database.execute(f"SELECT * FROM {table} WHERE {column} = ?", (value,))
        return dict(found.fetchone())

    def _insert(self, table: str, row: dict[str, Any]) -> None:
        columns = ", ".join(f'"{name}"' for name in row)
        marks = ", ".join("?" * len(row))
        self._database.execute(
            f"INSERT INTO {table} ({columns}) VALUES ({marks})", (*row.values(),)
        )
        self._database.commit()

    def add_pipeline(self, name: str) -> str:
        """Add a pipeline with snapshots like those of the copied runs; return its ID."""
        key = uuid.uuid4().hex
        self._insert("pipeline", {**self._pipeline, "id": key, "name": name})
        for run, _ in (self._good, self._bad):
            old, new = run["snapshot_id"], uuid.uuid5(UUID(key), run["id"]).hex
            row = self._row("pipeline_snapshot", "id", old)
            self._insert("pipeline_snapshot", {**row, "id": new, "pipeline_id": key})
            row = self._row("step_configuration", "snapshot_id", old)
            row |= {"id": uuid.uuid4().hex, "snapshot_id": new}
            self._insert("step_configuration", row)
        return key

    def add_run(
        self, pipeline: str, number: int, ended: datetime, *, failed: bool
    ) -> tuple[str, str]:
        """Add a run that ended; return its ID, and its step's."""
        run, step_run = self._bad if failed else self._good
        key, step_key = uuid.uuid4().hex, uuid.uuid4().hex
        began, end = (
            f"{it:%Y-%m-%d %H:%M:%S.%f}" for it in (ended - timedelta(minutes=30), ended)
        )
        times = {"created": began, "updated": end, "start_time": began, "end_time": end}
        times["snapshot_id"] = uuid.uuid5(UUID(pipeline), run["id"]).hex
        changed = {"id": key, "name": key, "orchestrator_run_id": key, "index": number}
        self._insert("pipeline_run", {**run, **times, **changed, "pipeline_id": pipeline})
        changed = {"id": step_key, "pipeline_run_id": key}
        self._insert("step_run", {**step_run, **times, **changed})
        return key, step_key


@step(on_failure=smtp_email_alerter_failure_hook, enable_cache=False)
def fit(rate: float = 0.1) -> float:
    """Fail if the rate is high."""
    if rate > 1:
        raise ValueError("loss is nan")
    return rate


@pipeline(name="copied")
def copied(rate: float) -> None:
    """Run the step."""
    fit(rate)


def set_up(port: int) -> Store:
    """Make a stack with an alerter, and let the pipeline succeed and fail on it."""
    client, kind = Client(), StackComponentType
    client.create_flavor("zenmail_zenml.flavor.SMTPEmailAlerterFlavor", kind.ALERTER)
    client.create_stack_component(
        name="mail",
        flavor="smtp_email",
        component_type=kind.ALERTER,
        configuration={
            "smtp_server": "localhost",
            "smtp_port": str(port),
            "smtp_security": "none",
            "sender_email": "alerts@example.com",
            "recipient_email": "oncall@example.com",
        },
    )
    components = {kind.ORCHESTRATOR: "default", kind.ARTIFACT_STORE: "default"}
    client.create_stack(name="mail", components={**components, kind.ALERTER: "mail"})
    client.activate_stack("mail")
    copied(rate=0.1)
    with suppress(ValueError, RuntimeError):
        copied(rate=3.0)
    return Store(Path(str(client.zen_store.url).removeprefix("sqlite:///")))


def call_hook(run: str, step_run: str) -> None:
    """Call the failure hook as ZenML does while it handles the step's exception."""
    client = Client()
    found = client.get_pipeline_run(UUID(run)), client.get_run_step(UUID(step_run))
    with StepContext(*found, {}, {}, {}):
        try:
            raise ValueError("loss is nan")
        except ValueError as error:
            smtp_email_alerter_failure_hook(error)


def main(days: int, pipelines: int, teller: str) -> None:
    """Replay, and print a line of JSON for each moment that runs end."""
    # The watcher leaves what has just failed to its hooks.
    now = datetime.now(timezone.utc).replace(tzinfo=None) - timedelta(minutes=5)
    runs, chance = int(timedelta(days) / EVERY), random.Random(7)
    names = [f"p{number:03} {KINDS[number % len(KINDS)]}" for number in range(pipelines)]
    with SMTPServer(security="none") as server:
        store = set_up(server.port)
        keys = {name: store.add_pipeline(name) for name in names}
        if teller == "watcher":
            from zenmail_zenml.watching.teller import Teller
            from zenmail_zenml.watching.watcher import Watcher

            watcher = Watcher(Teller("replay"), lookback=timedelta(days + 1), patience=600.0)
        for number in range(1, runs + 1):
            before, began = len(server.mails), time.perf_counter()
            failed = {name: fails(name[5:], number, runs, chance) for name in names}
            for place, (name, key) in enumerate(keys.items()):
                ended = now - (runs - number) * EVERY - timedelta(seconds=pipelines - place)
                run, step_run = store.add_run(key, number, ended, failed=failed[name])
                if teller == "hook" and failed[name]:
                    call_hook(run, step_run)
            if teller == "watcher":
                watcher.look()
            mails = [
                [str(mail.message[field]) for field in ("Subject", "Message-ID", "References")]
                for mail in server.mails[before:]
            ]
            print(json.dumps([failed, mails, time.perf_counter() - began]), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
