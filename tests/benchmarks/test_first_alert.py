"""What a step's first alert may cost and import, in a process that has ZenML."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from zenmail.composing import precompiled
from zenmail.testing.smtp_server import SMTPServer

pytestmark = pytest.mark.once

_PROGRAM = Path(__file__).parents[2] / "benchmarks" / "first_alert_process.py"
# Twice as much as it takes would be too much; a noisy machine takes a third more.
_SHARE_OF_IMPORTING_ZENML = 0.11
_MAY_BE_IMPORTED = """
    pluggy pluggy.* zenmail zenmail.* zenmail_transports zenmail_transports.smtp
    zenmail_transports.smtp.* zenmail_zenml.*
"""
# Which belong to other mails, other transports, or commands.
_MAY_NOT = """
    zenmail.check zenmail.cli* zenmail.testing* zenmail.tokens
    zenmail.composing.language zenmail.composing.markdown zenmail.composing.pictures
    zenmail.composing.*tables zenmail.composing.summaries zenmail.delivery.redirect
    zenmail.ledger.digest zenmail.ledger.listing zenmail.ledger.told
    zenmail_transports.smtp.verify zenmail_zenml.alerts.changes zenmail_zenml.alerts.message
    zenmail_zenml.alerts.run_summary zenmail_zenml.alerts.standard_hooks zenmail_zenml.cli*
    zenmail_zenml.requirements zenmail_zenml.watching.[!h]*
"""


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What a fresh process tells of itself, four times; the first compiles every module."""
    if not _PROGRAM.exists():
        pytest.skip("the benchmarks are not beside the tests")
    # In a checkout whose templates changed since it was installed, as an installation does.
    built = Path(precompiled.__file__).with_name("_templates.py")
    if not built.exists() or precompiled._digest() not in built.read_text("utf-8"):
        built.write_text(precompiled.as_module(), "utf-8")
    folder = tmp_path_factory.mktemp("first-alert")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        "PYTHONPYCACHEPREFIX": str(folder / "compiled"),
        "ZENML_CONFIG_PATH": str(folder / "zenml"),
        "ZENML_ANALYTICS_OPT_IN": "false",
        "ZENML_LOGGING_VERBOSITY": "ERROR",
    }

    def run(server: SMTPServer) -> Any:
        done = subprocess.run(
            [sys.executable, _PROGRAM, "failure", str(server.port), str(server.ca_file)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            check=True,
        )
        return json.loads(done.stdout.splitlines()[-1])

    with SMTPServer(users={"user": "not-a-secret"}) as server:
        return [run(server) for _ in range(4)]


def test_a_first_alert_costs_a_small_part_of_importing_zenml(processes: list[Any]) -> None:
    """Imports, mail and delivery of a failure together, in processor time."""
    shares = []
    for process in processes[1:]:
        zenml, _, *ours, _ = process["seconds"].values()
        shares.append(sum(ours) / zenml)
    assert median(shares) < _SHARE_OF_IMPORTING_ZENML


def test_a_plain_failure_imports_nothing_that_it_does_not_need(processes: list[Any]) -> None:
    """Neither Jinja2 nor Markdown nor what only other mails and commands use."""

    def matches(name: str, patterns: Sequence[str]) -> bool:
        return any(fnmatchcase(name, item) for item in patterns)

    imported = processes[0]["modules"]
    allowed, refused = _MAY_BE_IMPORTED.split(), _MAY_NOT.split()
    assert [
        name for name in imported if not matches(name, allowed) or matches(name, refused)
    ] == []
