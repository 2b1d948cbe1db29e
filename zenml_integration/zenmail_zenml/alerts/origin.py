"""Where a run comes from: who started it, where it ran, and its commit."""

from __future__ import annotations

import subprocess

from zenml.enums import StackComponentType
from zenml.models import PipelineRunResponse
from zenml.utils.source_utils import get_source_root

from .run_context import read_or_default

__all__ = ["changed_files", "commit_page", "origin_facts"]


def origin_facts(run: PipelineRunResponse) -> dict[str, str]:
    """Return who started a run, which is hydrated, and where it ran, by label."""
    schedule, reference, model = run.schedule, run.code_reference, run.model_version
    started_by = [run.user.name] if run.user is not None else []
    if schedule is not None:
        cron = f" ({schedule.cron_expression})" if schedule.cron_expression else ""
        started_by.append(f"schedule {schedule.name}{cron}")
    components = run.stack.components if run.stack is not None else {}
    ran_on = [it.name for it in components.get(StackComponentType.ORCHESTRATOR, ())]
    machine = run.orchestrator_environment or run.client_environment
    ran_on.append(str(machine.get("environment", "")))
    commit = reference.commit if reference is not None else ""
    if commit:
        commit = f"{commit[:12]} {_git('log', '-1', '--format=%s', commit, '--')}".strip()
    facts = {
        "Started by": ", ".join(started_by),
        "Orchestrator": ", ".join(filter(None, ran_on)),
        "Tags": ", ".join(tag.name for tag in run.tags[:10]),
        "Model": f"{model.model.name} {model.name}" if model is not None else "",
        "Commit": commit,
    }
    return {label: text for label, text in facts.items() if text}


def changed_files(old: str, new: str) -> list[str]:
    """Return the files that differ between two commits, where git is there to ask."""
    return _git("diff", "--name-only", old, new, "--").splitlines()


def _git(*arguments: str) -> str:
    command = ["git", "-C", get_source_root(), *arguments]

    def ask() -> str:
        # With commits that ZenML knows.
        return subprocess.run(command, capture_output=True, text=True, timeout=1).stdout  # noqa: S603

    return read_or_default(ask, "")


def commit_page(run: PipelineRunResponse) -> dict[str, str]:
    """Return the page of a run's commit, if its repository has any, by label."""
    reference = run.code_reference
    if reference is None:
        return {}
    config = reference.code_repository.config
    owner = config.get("owner") or config.get("group")
    name = config.get("repository") or config.get("project")
    url = config.get("url")
    if owner and name:  # `url` is the service's then, not the repository's
        gitlab = "gitlab" in reference.code_repository.source.import_path
        host = config.get("host") or ("gitlab.com" if gitlab else "github.com")
        url = f"https://{host}/{owner}/{name}"
    return {"Commit": f"{url.rstrip('/')}/commit/{reference.commit}"} if url else {}
