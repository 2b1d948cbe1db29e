"""What it costs to begin: imports, and a fresh process up to its first mail."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from .certificates import Certificates
from .peers import HOST, PASSWORD, USER
from .tables import duration, table, times

_SENDING = {
    "zenmail": """
from zenmail import Email, Mailer
options = dict(host={host!r}, port={port}, security="starttls", username={user!r},
               password={password!r}, ca_file={authority!r})
with Mailer("smtp", options=options) as mailer:
    mailer.send(Email(sender="a@example.com", to=["b@example.com"], subject="One",
                      text="One", html="<p>One</p>")).raise_for_outcome()
""",
    "zenmail, from an alert": """
from zenmail import Alert, Mailer
options = dict(host={host!r}, port={port}, security="starttls", username={user!r},
               password={password!r}, ca_file={authority!r})
with Mailer("smtp", options=options) as mailer:
    mailer.send_alert(Alert(title="One", body="One"), sender="a@example.com",
                      to=["b@example.com"]).raise_for_outcome()
""",
    "redmail": """
from redmail import EmailSender
EmailSender(host={host!r}, port={port}, username={user!r}, password={password!r}).send(
    subject="One", sender="a@example.com", receivers=["b@example.com"], text="One",
    html="<p>One</p>")
""",
    "smtplib": """
import smtplib
from email.message import EmailMessage
mail = EmailMessage()
mail["From"], mail["To"], mail["Subject"] = "a@example.com", "b@example.com", "One"
mail.set_content("One")
mail.add_alternative("<p>One</p>", subtype="html")
with smtplib.SMTP({host!r}, {port}) as server:
    server.starttls()
    server.login({user!r}, {password!r})
    server.send_message(mail)
""",
    "nothing (the interpreter)": "pass",
}
_TIMED = """
import time, sys
{before}
start = time.perf_counter()
{what}
print(time.perf_counter() - start)
"""
_IMPORTS = {
    "`import zenmail`": ("", "import zenmail"),
    "`from zenmail import Mailer, Email`": ("", "from zenmail import Mailer, Email"),
    "`import zenml`": ("", "import zenml"),
    "`zenmail_zenml.flavor` on top of `import zenml`": (
        "import zenml",
        "import zenmail_zenml.flavor",
    ),
    "the init hook: find, import and call": (
        "import importlib.metadata",
        "from zenmail_zenml.import_paths import install\ninstall()",
    ),
}


def first_mail(port: int, certificates: Certificates, *, rounds: int) -> str:
    """Return the table of fresh processes, from their start to the end of their first mail."""
    found: dict[str, list[float]] = {name: [] for name in _SENDING}
    scripts = {
        name: script.format(
            host=HOST,
            port=port,
            user=USER,
            password=PASSWORD,
            authority=str(certificates.authority),
        )
        for name, script in _SENDING.items()
    }
    busy: dict[str, list[float]] = {name: [] for name in _SENDING}
    absent = set()
    with as_installed() as environment:
        for turn in range(rounds + 1):
            for name, script in scripts.items():
                if name in absent:
                    continue
                started, used = time.perf_counter(), _used_by_children()
                done = subprocess.run(
                    [sys.executable, "-c", script], stderr=subprocess.PIPE, env=environment
                )
                took, used = time.perf_counter() - started, _used_by_children() - used
                if done.returncode and b"ModuleNotFoundError" in done.stderr:
                    absent.add(name)
                elif done.returncode:
                    raise RuntimeError(f"{name}: {done.stderr.decode()}")
                elif turn:
                    found[name].append(took)
                    busy[name].append(used)
    ours = median(found["zenmail"])
    return table(
        ("process", "median", "of it, processor", "beside zenmail"),
        [
            (
                name,
                duration(median(took)),
                duration(median(busy[name])),
                times(median(took) / ours),
            )
            for name, took in found.items()
            if took
        ],
    )


def _used_by_children() -> float:
    """Return the seconds of processor time that processes of ours that ended have used."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@contextmanager
def as_installed() -> Iterator[dict[str, str]]:
    """Give an environment in which every module is compiled once, as an installer does.

    Otherwise those that run from their source would be compiled at each start, where the
    environment or the file system forbids to keep what was compiled.
    """
    with tempfile.TemporaryDirectory() as folder:
        kept = {key: os.environ[key] for key in os.environ if key != "PYTHONDONTWRITEBYTECODE"}
        yield {**kept, "PYTHONPYCACHEPREFIX": folder}


def imports(*, rounds: int) -> str:
    """Return the table of import times, each in a fresh process."""
    found: dict[str, list[float]] = {name: [] for name in _IMPORTS}
    with as_installed() as environment:
        environment["ZENML_ANALYTICS_OPT_IN"] = "false"
        for turn in range(rounds + 1):
            for name, (before, what) in _IMPORTS.items():
                done = subprocess.run(
                    [sys.executable, "-c", _TIMED.format(before=before, what=what)],
                    capture_output=True,
                    text=True,
                    env=environment,
                    cwd=Path.home(),
                )
                if turn and done.returncode == 0:
                    found[name].append(float(done.stdout.split()[-1]))
    return table(
        ("what", "median"),
        [(name, duration(median(took)) if took else "failed") for name, took in found.items()],
    )
