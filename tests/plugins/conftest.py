"""A third-party plugin, installed with pip where the tests can find it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# Projects of their own; they are installed, and their tests run, by the modules here.
collect_ignore_glob = ["zenmail-*"]

PROJECT = Path(__file__).parent / "zenmail-webhook"


def _install(project: Path, folder: Path) -> dict[str, str]:
    """Install a project into a folder, and return the environment that finds it."""
    if importlib.util.find_spec("pip") is None:
        pytest.skip("needs pip")
    # A copy: building leaves files behind.
    shutil.copytree(project, folder / "project")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps",
               "--disable-pip-version-check", "--target", str(folder / "site")]  # fmt: skip
    if importlib.util.find_spec("hatchling"):
        # With the backend at hand, the build needs no network.
        command.append("--no-build-isolation")
    done = subprocess.run(
        [*command, str(folder / "project")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    path = os.pathsep.join(filter(None, [str(folder / "site"), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
def install_project(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[Path], dict[str, str]]:
    """Return what installs a project, and returns the environment that finds it."""
    return lambda project: _install(project, tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="session")
def webhook(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Install the project, and return the environment that finds it."""
    return _install(PROJECT, tmp_path_factory.mktemp("third-party"))
