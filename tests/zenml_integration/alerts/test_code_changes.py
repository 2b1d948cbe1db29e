"""What changed in a step's code and between commits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from zenmail_zenml.alerts.code_changes import compare_code, compare_commits

pytestmark = [pytest.mark.zenml, pytest.mark.once]

STEP = '''
    @step(enable_cache=False)
    def fit(rows: list, rate: float = 0.1) -> float:
        """Fit."""
        # slowly
        total = sum(rows)

        return total * rate
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# slowly", "# fast"),
        ("# slowly\n", "\n"),
        ('"""Fit."""', '"""Fit a model."""'),
        ('"""Fit."""', ""),
        ("sum(rows)", "sum(\n            rows,\n        )  # all"),
        ("rate: float = 0.1", "rate: float = 0.2"),
        ("enable_cache=False", "enable_cache=True"),
    ],
)
def test_what_does_the_same_is_no_change(old: str, new: str) -> None:
    """Comments, docstring and layout matter to nobody; the head is in the parameters."""
    assert old in STEP
    assert compare_code(STEP, STEP.replace(old, new)) == ("", "")


def test_the_first_line_that_does_something_else_is_shown() -> None:
    """Neither the docstring nor a comment stands in for it."""
    changed = STEP.replace("Fit.", "Fit all.").replace("slowly", "fast")
    changed = changed.replace("total * rate", "total / rate")
    assert compare_code(STEP, changed) == ("return total * rate", "return total / rate")
    assert compare_code(STEP, changed.replace("return total / rate", "")) == (
        "return total * rate",
        "",
    )
    assert compare_code("no python: a", "no python: b") == ("no python: a", "no python: b")


@pytest.fixture
def commits(git: Callable[..., str], tmp_path: Path) -> list[str]:
    """Return three commits: the second changes prose, the third code."""
    hashes: list[str] = []
    for names in (["README.md"], ["README.md"], [f"{name}.py" for name in "abcd"]):
        for name in names:
            (tmp_path / name).write_text(str(len(hashes)))
        git("add", "-A")
        git("commit", "--no-gpg-sign", "-m", "Change")
        hashes.append(git("rev-parse", "HEAD"))
    return hashes


def test_a_commit_has_the_files_that_it_changed(commits: list[str]) -> None:
    """One of prose alone is no change; one that is not here has no files."""
    first, second, third = commits
    assert compare_commits(first, second) == ("", "")
    assert compare_commits(first, third) == (
        first,
        f"{third}: README.md, a.py, b.py and 2 more",
    )
    assert compare_commits("0" * 40, third) == ("0" * 40, third)
