"""A ZenML of its own for each scenario: a local store, or a server that is asked over REST."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from zenmail.testing.smtp_server import SMTPServer

SCENARIOS = Path(__file__).with_name("scenarios.py")
ZENML = (sys.executable, "-W", "ignore", "-c", "from zenml.cli.cli import cli; cli()")
ZENMAIL = (sys.executable, "-W", "ignore", "-c", "from zenmail.cli import main; main()")


@dataclass
class World:
    """A ZenML, and the processes that use it.

    Attributes:
        folder: Where everything lies.
        mail: The server that gets the mails.
        environment: What the processes find in theirs.
        server: ZenML's server, or None on a local store.
    """

    folder: Path
    mail: SMTPServer
    environment: dict[str, str] = field(default_factory=dict)
    server: subprocess.Popen[bytes] | None = None

    def run(self, *names: str, **environment: str) -> str:
        """Run pipelines in a process of their own; return what it printed."""
        command = [sys.executable, "-W", "ignore", "scenarios.py", *names]
        return self._process(command, environment)

    def start(self, name: str, **environment: str) -> subprocess.Popen[str]:
        """Run a pipeline in a process of its own; return once its first step has begun."""
        began = self.folder / f"{name} began"
        process = self._start(
            [sys.executable, "-W", "ignore", "scenarios.py", name],
            {"BEGAN": str(began), **environment},
        )
        self.wait_for(lambda: began.exists() or process.poll() is not None, 120)
        return process

    def zenml(self, *arguments: str) -> str:
        """Call ZenML's command."""
        return self._process([*ZENML, *arguments], {})

    def watch(self, *arguments: str) -> str:
        """Look once."""
        return self._process([*ZENMAIL, "watch", "--once", *arguments], {})

    def start_watching(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a watcher that goes on until it is stopped."""
        return self._start([*ZENMAIL, "watch", *arguments], {})

    def subjects(self) -> list[str]:
        """Return the subjects of the mails so far, sorted."""
        return sorted(str(mail.message["Subject"]) for mail in self.mail.mails)

    def wait_for(self, done: Callable[[], bool], seconds: float = 60.0) -> bool:
        """Wait until something is so; return whether it came."""
        end = time.monotonic() + seconds
        while not done() and time.monotonic() < end:
            time.sleep(0.2)
        return done()

    def close(self) -> None:
        """Stop ZenML's server."""
        if self.server is not None:
            self.server.terminate()
            self.server.wait(30)

    def _start(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _process(self, command: list[str], environment: dict[str, str]) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=850,
        )
        return done.stdout + done.stderr


def make_world(
    folder: Path, mail: SMTPServer, kind: str = "local", *, handler: bool = False
) -> World:
    """Return a ZenML whose stack mails.

    Args:
        folder: Where to keep it.
        mail: The server that gets the mails.
        kind: ``local``, or ``rest`` for a server.
        handler: Whether the server has the handler.
    """
    (folder / "scenarios.py").write_text(SCENARIOS.read_text())
    (folder / ".zen").mkdir()
    world = World(folder, mail, _environment(folder))
    if kind == "rest":
        _serve(world, handler)
    world.run("set-up", str(mail.port), str(mail.ca_file))
    return world


def _environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "ZENML_CONFIG_PATH": str(folder / "config"),
        "ZENML_REPOSITORY_PATH": str(folder),
        "ZENML_LOCAL_STORES_PATH": str(folder / "stores"),
        "ZENML_ANALYTICS_OPT_IN": "false",
        "ZENML_LOGGING_COLORS_DISABLED": "true",
        "ZENML_ENABLE_RICH_TRACEBACK": "false",
    }


def _serve(world: World, handler: bool) -> None:
    port = _free_port()
    home = world.folder / "server"
    home.mkdir()
    url = f"http://127.0.0.1:{port}"
    settings = {
        "ZENML_SERVER": "true",
        "ZENML_SERVER_AUTO_ACTIVATE": "true",
        "ZENML_SERVER_AUTH_SCHEME": "NO_AUTH",
        "ZENML_SERVER_SERVER_URL": url,
        "ZENML_STORE_TYPE": "sql",
        "ZENML_STORE_URL": f"sqlite:///{home / 'zenml.db'}",
    }
    if handler:
        settings["ZENML_SERVER_EVENT_HANDLER_SOURCES"] = "zenmail_zenml.server.RunAlerts"
    with (home / "log").open("wb") as log:
        process = world.server = subprocess.Popen(
            [
                *(sys.executable, "-W", "ignore", "-m", "uvicorn", "--port", str(port)),
                *("--log-level", "warning", "zenml.zen_server.zen_server_api:app"),
            ],
            cwd=home,
            env={**_environment(home), **settings},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    world.environment["ZENML_STORE_URL"] = url
    up = world.wait_for(lambda: process.poll() is not None or _answers(url), 120)
    if not up or process.poll() is not None:
        process.kill()
        raise RuntimeError((home / "log").read_text()[-3000:])


def _free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urlopen(f"{url}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
