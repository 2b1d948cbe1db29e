"""Where a run comes from: its user, schedule, model and commit."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from zenml.enums import StackComponentType

from zenmail_zenml.alerts.origin import commit_page, origin_facts

pytestmark = [pytest.mark.zenml, pytest.mark.once]


def a_run(commit: str = "", source: str = "acme.Repository", **config: str) -> Any:
    """Return a scheduled run, from a code repository if there is a commit."""
    repository = SimpleNamespace(config=config, source=SimpleNamespace(import_path=source))
    return SimpleNamespace(
        user=SimpleNamespace(name="ada"),
        schedule=SimpleNamespace(name="nightly", cron_expression="0 3 * * *"),
        stack=SimpleNamespace(
            components={StackComponentType.ORCHESTRATOR: [SimpleNamespace(name="k8s")]}
        ),
        orchestrator_environment={"environment": "kubernetes"},
        client_environment={"environment": "native"},
        tags=[SimpleNamespace(name="eu"), SimpleNamespace(name="prod")],
        model_version=SimpleNamespace(name="7", model=SimpleNamespace(name="churn")),
        code_reference=SimpleNamespace(commit=commit, code_repository=repository)
        if commit
        else None,
    )


@pytest.fixture
def commit(git: Callable[..., str]) -> str:
    """Return the only commit of the project's folder."""
    git("commit", "--allow-empty", "--no-gpg-sign", "-m", "Raise the rate\n\nIt was low.")
    return git("rev-parse", "HEAD")


def test_a_run_names_who_started_it_and_where(commit: str) -> None:
    """The orchestrator's environment counts; the commit has its first line alone."""
    assert origin_facts(a_run(commit)) == {
        "Started by": "ada, schedule nightly (0 3 * * *)",
        "Orchestrator": "k8s, kubernetes",
        "Tags": "eu, prod",
        "Model": "churn 7",
        "Commit": f"{commit[:12]} Raise the rate",
    }


def test_a_commit_that_is_not_here_is_shown_without_its_first_line(commit: str) -> None:
    """The run may come from a machine with newer commits."""
    assert origin_facts(a_run("0" * 40))["Commit"] == "0" * 12


@pytest.mark.parametrize(
    ("config", "page"),
    [
        ({"owner": "o", "repository": "r"}, "https://github.com/o/r"),
        (
            {"owner": "o", "repository": "r", "url": "https://api.github.com"},
            "https://github.com/o/r",
        ),
        (
            {"owner": "o", "repository": "r", "host": "git.acme.com"},
            "https://git.acme.com/o/r",
        ),
        (
            {"source": "x.gitlab.Repository", "group": "g", "project": "p"},
            "https://gitlab.com/g/p",
        ),
        ({"url": "https://git.acme.com/r/"}, "https://git.acme.com/r"),
        ({"path": "/srv/git"}, ""),
    ],
)
def test_a_commit_has_its_page(config: dict[str, Any], page: str) -> None:
    """The repository's own address counts, not that of the service's API."""
    links = {"Commit": f"{page}/commit/c0ffee"} if page else {}
    assert commit_page(a_run("c0ffee", **config)) == links


def test_a_run_without_a_repository_has_no_commit() -> None:
    """Nothing is claimed of the code."""
    assert "Commit" not in origin_facts(a_run())
    assert commit_page(a_run()) == {}
