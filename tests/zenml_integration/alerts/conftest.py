"""What the tests of an alert's content share."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from zenml.utils.source_utils import set_custom_source_root


@pytest.fixture
def git(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Make the test's folder a Git repository and the project's; return what runs git in it."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")

    def run(*arguments: str) -> str:
        author = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
        command = ["git", "-C", str(tmp_path), *author, *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    run("init")
    set_custom_source_root(str(tmp_path))
    yield run
    set_custom_source_root(None)
