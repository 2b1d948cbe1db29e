"""What the explanation adds to a failure mail: ``python -m benchmarks.explain``.

A pipeline runs on a ZenML server, and copies of its good run are put into the server's
database. Then fresh processes explain its failing run over REST: requests and time, first with
a server that answers at once, then with one that takes a second for each answer.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

from .tables import duration, table

EARLIER_RUNS = (1, 100, 10_000)
ROUNDS = 5
BOX = 2.0
_PIPELINE = """
import sys
from zenml import pipeline, step
@step
def load(limit: int = 10) -> list:
    return list(range(limit))
@step
def fit(rows: list, rate: float = 0.1) -> float:
    if rate > 1:
        raise ValueError("loss is nan")
    return rate
@pipeline(name="explained", enable_cache=False)
def explained(rate: float = 0.1):
    fit(load(), rate)
explained(rate=float(sys.argv[1]))
"""
_EXPLAIN = """
import json, sys, time
from zenml.client import Client
client = Client()
client.active_stack
run = client.get_pipeline_run(sys.argv[1])
step = run.steps["fit"]
run.config, run.snapshot, step.config, step.log_collection
from zenmail import Alert
from zenmail_zenml.alerts.explain import explain_alert
from zenmail_zenml.alerts.run_context import RunContext
alert = Alert(title="fit failed", severity="error", error="ValueError: loss is nan")
print("ready")
sys.stdin.readline()
found = []
for _ in range(2):
    start = time.perf_counter()
    explained = explain_alert(alert, RunContext(run, step), seconds=%r, runbooks={})
    found.append(time.perf_counter() - start)
    time.sleep(0.2)
print(json.dumps([*found, explained.history, list(explained.tables), explained.changed]))
"""


class Proxy(ThreadingHTTPServer):
    """Hands requests on to a server, counts them, and delays their answers."""

    daemon_threads = True

    def __init__(self, target: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target, self.delay, self.requests = target, 0.0, 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def _hand_on(self) -> None:
        self.server.requests += 1
        time.sleep(self.server.delay)
        size = int(self.headers.get("Content-Length") or 0)
        connection = HTTPConnection("127.0.0.1", self.server.target)
        headers = {name: value for name, value in self.headers.items() if name != "Host"}
        connection.request(self.command, self.path, self.rfile.read(size), headers)
        answer = connection.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        connection.close()

    do_GET = do_POST = do_PUT = do_DELETE = _hand_on  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def zenml_server(folder: Path) -> Iterator[int]:
    """Run a ZenML server on SQLite; give its port."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = int(unused.getsockname()[1])
    settings = {
        **environment(folder / "server"),
        "ZENML_SERVER": "true",
        "ZENML_SERVER_AUTO_ACTIVATE": "true",
        "ZENML_SERVER_AUTH_SCHEME": "NO_AUTH",
        "ZENML_STORE_TYPE": "sql",
        "ZENML_STORE_URL": f"sqlite:///{folder / 'zenml.db'}",
    }
    application = "zenml.zen_server.zen_server_api:app"
    command = [sys.executable, "-m", "uvicorn", "--port", str(port), application]
    process = subprocess.Popen(
        command, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.2)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def environment(folder: Path, url: str = "") -> dict[str, str]:
    """Return the environment of a process with a ZenML of its own."""
    folder.mkdir(exist_ok=True)
    return {
        **os.environ,
        "ZENML_CONFIG_PATH": str(folder),
        "ZENML_REPOSITORY_PATH": str(folder),
        "ZENML_LOCAL_STORES_PATH": str(folder / "stores"),
        "ZENML_ANALYTICS_OPT_IN": "false",
        "ZENML_LOGGING_VERBOSITY": "ERROR",
        **({"ZENML_STORE_URL": url} if url else {}),
    }


def copy_good_run(database: Path, wanted: int) -> None:
    """Let there be so many good runs before the failing one, which has the last number."""
    with sqlite3.connect(database) as store:
        columns = [row[1] for row in store.execute('PRAGMA table_info("pipeline_run")')]
        good = store.execute("SELECT * FROM pipeline_run WHERE status = 'completed'").fetchone()
        have = store.execute(
            "SELECT count(*) FROM pipeline_run WHERE status = 'completed'"
        ).fetchone()[0]
        row = dict(zip(columns, good, strict=True))
        store.execute(
            f"UPDATE pipeline_run SET \"index\" = {wanted + 1} WHERE status = 'failed'"
        )
        places = ", ".join("?" * len(columns))
        store.executemany(
            f"INSERT INTO pipeline_run VALUES ({places})",
            (
                tuple(
                    {
                        **row,
                        "id": key,
                        "name": key,
                        "index": number + 1,
                        "orchestrator_run_id": key,
                    }[column]
                    for column in columns
                )
                for number in range(have, wanted)
                for key in [uuid.uuid4().hex]
            ),
        )


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with zenml_server(folder) as port:
            proxy = Proxy(port)
            client = environment(folder / "client", proxy.url)
            (folder / "explained.py").write_text(_PIPELINE)
            (folder / "explaining.py").write_text(_EXPLAIN % BOX)
            for rate in ("0.1", "3"):
                subprocess.run(
                    [sys.executable, "explained.py", rate],
                    env=client,
                    cwd=folder,
                    capture_output=True,
                )
            with sqlite3.connect(folder / "zenml.db") as store:
                query = "SELECT id FROM pipeline_run WHERE status = 'failed'"
                run = str(uuid.UUID(store.execute(query).fetchone()[0]))
            rows = []
            for earlier in EARLIER_RUNS:
                copy_good_run(folder / "zenml.db", earlier)
                for delay in (0.0, 1.0):
                    rows.append(_row(proxy, client, folder, run, earlier, delay))
    head = ("earlier runs", "a request takes", "requests", "first", "later", "longest", "has")
    print(table(head, rows))


def _row(
    proxy: Proxy, client: dict[str, str], folder: Path, run: str, earlier: int, delay: float
) -> tuple[str, ...]:
    first, later, counts, has = [], [], [], ""
    for _ in range(ROUNDS if not delay else 2):
        proxy.delay = 0.0
        process = subprocess.Popen(
            [sys.executable, "explaining.py", run],
            env={**client, "PYTHONUNBUFFERED": "1"},
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        before, proxy.delay = proxy.requests, delay
        output = process.communicate("go\n")[0]
        cold, warm, history, tables, changed = json.loads(output.splitlines()[-1])
        first.append(cold)
        later.append(warm)
        counts.append((proxy.requests - before) / 2)
        has = "; ".join([history, *tables, *changed])
    return (
        f"{earlier:,}",
        f"{delay:g} s more",
        f"{median(counts):g}",
        duration(median(first)),
        duration(median(later)),
        duration(max(first + later)),
        has,
    )


if __name__ == "__main__":
    main()
