"""`zenmail demo`: real mails from a real pipeline, without touching the user's ZenML.

The demo's own process runs demo_pipeline.py, so it is tested here.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from zenmail.cli.app import app

pytestmark = [pytest.mark.zenml, pytest.mark.once]


def _demo(*arguments: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the demo as a user does, in a folder that is a ZenML repository of theirs."""
    project = home / "project"
    (project / ".zen").mkdir(parents=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ZENML")}
    return subprocess.run(
        [sys.executable, "-c", "from zenmail.cli import main; main()", "demo", *arguments],
        cwd=project,
        env={**kept, "HOME": str(home), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_console(tmp_path: Path) -> None:
    """Four mails are printed and their HTML is written; the user's ZenML is not touched."""
    home, output = tmp_path / "home", tmp_path / "mails"
    theirs = home / "their-zenml"
    theirs.mkdir(parents=True)
    done = _demo(
        f"--output={output}", home=home,
        # What would break the demo if it got through.
        ZENML_CONFIG_PATH=str(theirs), ZENML_STORE_URL="https://zenml.invalid",
        ZENML_ACTIVE_STACK_ID="00000000-0000-0000-0000-000000000000",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("Data loaded", "train", "Training results", "below the threshold"):
        assert words in done.stdout
    pages = sorted(output.glob("*.html"))
    assert len(pages) == 4
    for page in pages:
        assert str(page) in done.stdout
    assert "Starting ZenML" in done.stdout
    # What the failure mail says to type works afterwards.
    (log,) = re.findall(r"^ +(/\S+\.log)$", done.stdout.partition("To see the logs")[2], re.M)[
        :1
    ]
    assert Path(log).is_file()
    store = output / "zenmail-demo-store"
    assert f"cd {output} && ZENML_CONFIG_PATH={store} zenml pipeline run" in done.stdout
    assert (store / "config.yaml").is_file()
    # ZenML calls other tools, which may keep a cache in the home.
    assert not {path for path in _files(home) if "zen" in path or path.startswith("project")}


def _demo_here(*arguments: str) -> Result:
    """Run the demo's parent inside this process."""
    return CliRunner().invoke(app, ["demo", *arguments], prog_name="zenmail")


def test_smtp(tmp_path: Path) -> None:
    """With smtp every mail arrives over verified TLS after a login."""
    output = tmp_path / "mails"
    done = _demo_here("--transport=smtp", f"--output={output}")
    assert done.exit_code == 0, done.output
    assert "received 4 of them, each over verified TLS" in done.stdout
    assert len(list(output.glob("*.html"))) == 4


def test_file(tmp_path: Path) -> None:
    """With file there is a parseable .eml for each mail; earlier files are left alone."""
    output = tmp_path / "mails"
    output.mkdir()
    (output / "earlier.eml").write_bytes(b"Subject: earlier\r\n\r\n")
    done = _demo_here("--transport=file", f"--output={output}")
    assert done.exit_code == 0, done.output
    subjects = [
        str(message_from_bytes(path.read_bytes(), policy=policy.default)["Subject"])
        for path in output.glob("*.eml")
    ]
    assert len(subjects) == 5
    assert any(subject.startswith("Failed: ") for subject in subjects)
    assert "4 mails were sent" in done.stdout


def test_a_pipeline_that_does_not_run_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the child process fails, its last words are shown and the log is named."""
    monkeypatch.setattr(
        "shutil.copyfile", lambda _, pipeline: pipeline.write_text("import zenmail_demo")
    )
    done = _demo_here(f"--output={tmp_path}")
    assert done.exit_code == 1
    assert "zenmail_demo" in done.stderr
    assert str(tmp_path / "zenml.log") in done.stderr


@pytest.mark.parametrize("package", ["sqlmodel", "trustme"])
def test_a_store_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    """Without the packages of the extra for a local store the exact pip command is printed."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == package else find_spec(name),
    )
    result = CliRunner().invoke(app, ["demo", "--transport=smtp"])
    assert result.exit_code == 2
    assert "local ZenML store" in result.stderr
    assert 'pip install "zenmail[local]"' in result.stderr
