"""The pages for authors, followed to the letter."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from zenmail import PluginHost

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
_TITLED = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```', re.MULTILINE | re.DOTALL)
_PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(not DOCS.is_dir(), reason="the documentation is not here"),
]

Install = Callable[[Path], dict[str, str]]


def files(page: str, folder: Path) -> Path:
    """Write the files that a page shows into a folder."""
    shown = _TITLED.findall((DOCS / page).read_text(encoding="utf-8"))
    assert shown
    for name, text in shown:
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def run(environment: dict[str, str], *command: str, cwd: Path) -> str:
    """Run Python and return what it printed."""
    done = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, **environment},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_transport_of_the_page_works(install_project: Install, tmp_path: Path) -> None:
    """Its three files make a project that installs, and passes every conformance test."""
    project = files("writing-a-transport.md", tmp_path)
    environment = install_project(project)
    # The installed one is tested, not the file beside the test.
    (project / "zenmail_sendmail.py").unlink()
    shown = run(
        environment, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-ra", "-W", "error",
        "--rootdir", str(project), "test_sendmail.py", cwd=project,
    )  # fmt: skip
    assert re.search(r"\d+ passed", shown)
    skipped = re.findall(r"SKIPPED .*: (.*)", shown)
    assert len(skipped) <= 3, shown


def test_the_middleware_of_the_page_is_the_example(
    install_project: Install, tmp_path: Path
) -> None:
    """The page shows the files of the example, and the example does what it says."""
    project = files("writing-middleware.md", tmp_path)
    example = ROOT / "examples" / "zenmail-runbooks"
    for name in ("pyproject.toml", "zenmail_runbooks.py"):
        assert (project / name).read_text() == (example / name).read_text()
    runbooks = tmp_path / "runbooks.json"
    runbooks.write_text(json.dumps({"MemoryError": "https://wiki.example.com/memory"}))
    program = (
        "from zenmail import Alert, Mailer\n"
        "with Mailer('console') as mailer:\n"
        "    for error in ('MemoryError: 16 GB', 'KeyError: x'):\n"
        "        alert = Alert(title=error, error=error)\n"
        "        people = {'sender': 'a@example.com', 'to': 'b@example.com'}\n"
        "        receipt = mailer.send_alert(alert, **people)\n"
        "        assert receipt.delivered\n"
    )
    environment = {**install_project(project), "ZENMAIL_RUNBOOKS": str(runbooks)}
    shown = run(environment, "-c", program, cwd=tmp_path)
    assert shown.count("https://wiki.example.com/memory") == 1
    disabled = {**environment, "ZENMAIL_DISABLE_PLUGINS": "runbooks"}
    assert "wiki.example.com" not in run(disabled, "-c", program, cwd=tmp_path)
    # Broken: the file is no JSON. The mails are sent all the same.
    runbooks.write_text("oops")
    assert "MemoryError" in run(environment, "-c", program, cwd=tmp_path)


def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    """What the page on testing shows are tests that pass as they are."""
    blocks = _PYTHON.findall((DOCS / "testing.md").read_text(encoding="utf-8"))
    assert blocks
    for number, block in enumerate(blocks):
        (tmp_path / f"test_page_{number}.py").write_text(block, encoding="utf-8")
    shown = run(
        {}, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-W", "error",
        "--rootdir", str(tmp_path), str(tmp_path), cwd=tmp_path,
    )  # fmt: skip
    assert "4 passed" in shown


@pytest.mark.parametrize("name", ["smtp", "ses", "graph", "file", "console"])
def test_every_option_is_on_the_page(name: str) -> None:
    """The section on a transport names each of its options, and no other."""
    if name == "ses":
        pytest.importorskip("boto3")
    if name == "graph":
        pytest.importorskip("requests")
    text = (DOCS / "transports.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    named = {
        option
        for cells in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
        for option in re.findall(r"`(\w+)`", cells)
    }
    assert named == set(PluginHost().transport(name).options_type.model_fields)
