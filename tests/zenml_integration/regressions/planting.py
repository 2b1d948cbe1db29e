"""Runs planted regressions on a ZenML store: the good run, the change, the failing run."""

from __future__ import annotations

import contextlib
import importlib
import linecache
import sys
import types
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from zenml import save_artifact
from zenml.client import Client
from zenml.config.schedule import Schedule
from zenml.enums import StackComponentType
from zenml.environment import Environment
from zenml.models import PipelineRunResponse
from zenml.orchestrators.local.local_orchestrator import LocalOrchestratorConfig
from zenml.utils import source_utils

from .planted import Regression


class World(types.ModuleType):
    """What lies outside of the project: its data, and what goes wrong in a step."""

    def __init__(self) -> None:
        super().__init__("planted_world")
        self.good()

    def good(self) -> None:
        """Let every step succeed on a thousand rows."""
        self.number, self.without, self.day, self.trace = 1000, "", 1, ""
        self.empty = False
        self.value: object = None
        self.errors: dict[str, BaseException] = {}

    def bad(self, planted: Regression, *, changed: bool) -> None:
        """Let the regression happen, on another day's data if anything is to be changed."""
        if changed:
            self.number, self.value, self.day = planted.rows, planted.value, 2
            self.without, self.empty = planted.without, planted.empty
        if planted.error is not None:
            self.errors, self.trace = {planted.fails: planted.error}, planted.trace

    def happens(self, step: str) -> None:
        """Raise what goes wrong in the step."""
        if step in self.errors:
            place = f"/venv/lib/site-packages/{self.trace}/api.py" if self.trace else __file__
            exec(compile("raise error", place, "exec"), {"error": self.errors[step]})

    def rows(self) -> Any:
        """Return the day's rows."""
        if self.empty:
            return {"id": [], "amount": []}
        rows: list[dict[str, Any]] = [
            {
                "id": place,
                "amount": (place * 7 + self.day) % 11 if self.value is None else self.value,
            }
            for place in range(self.number)
        ]
        return [{name: row[name] for name in row if name != self.without} for row in rows]


@contextlib.contextmanager
def ground(folder: Path) -> Iterator[World]:
    """Give the projects a folder to be imported from, and a world."""
    world = World()
    root = source_utils.get_source_root()
    source_utils.set_custom_source_root(str(folder))
    sys.path.insert(0, str(folder))
    sys.modules["planted_world"] = world
    try:
        yield world
    finally:
        sys.path.remove(str(folder))
        for name in [it for it in sys.modules if it.startswith("planted_")]:
            del sys.modules[name]
        source_utils.set_custom_source_root(root)


def plant(
    planted: Regression, folder: Path, world: World, *, changed: bool = True, good_runs: int = 1
) -> PipelineRunResponse:
    """Run the pipeline well, change it, run it again, and return the run that failed."""
    client = Client()
    name = f"planted_{uuid.uuid4().hex[:10]}"
    for secret in ("warehouse", "registry"):
        with contextlib.suppress(Exception):
            client.create_secret(f"{secret}_{name}", {"password": "first-0f3b"})
    world.good()
    text = (Path(__file__).parent / planted.project).read_text(encoding="utf-8")
    text = text.replace("PIPELINE", name).replace("CONTRACTS", f"contracts_{name}")
    text = text.replace("SECRETS", f'secrets=["warehouse_{name}", "SECRET_B"],')
    if "contracts" in text:
        save_artifact({"plan": "basic"}, f"contracts_{name}")
    cron = "0 5 * * 1" if planted.cron else ""
    for _ in range(good_runs):
        _run(name, folder, _named(text, name), cron)
    edits = {**planted.edits, **dict(planted.decoys)}
    for old, new in edits.items():
        assert old in text, old
        text = text.replace(old, new)
    if planted.rotates:
        client.update_secret(
            f"{planted.rotates}_{name}", add_or_update_values={"password": "second-7c1e"}
        )
    if planted.saves is not None:
        save_artifact(planted.saves, f"contracts_{name}")
    world.bad(planted, changed=changed)
    with (
        _stack(name) if planted.stack else contextlib.nullcontext(),
        _installed(planted.installed),
        contextlib.suppress(Exception),
    ):
        _run(name, folder, _named(text, name), planted.cron)
    run = client.get_pipeline_run(client.list_pipeline_runs(pipeline_name=name, size=1)[0].id)
    assert str(run.status.value) == "failed", planted.name
    return run


def _named(text: str, name: str) -> str:
    return text.replace("SECRET_B", f"registry_{name}").replace("SECRET_A", f"warehouse_{name}")


@contextlib.contextmanager
def _installed(versions: dict[str, str]) -> Iterator[None]:
    """Let ZenML find other versions of packages in this environment."""
    found = Environment.get_python_packages()
    others = [line for line in found if line.partition("==")[0] not in versions]
    packages = others + [f"{name}=={version}" for name, version in versions.items()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Environment, "get_python_packages", lambda: packages)
        yield


def _run(name: str, folder: Path, text: str, cron: str = "") -> None:
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    sys.modules.pop(name, None)
    importlib.invalidate_caches()
    linecache.clearcache()
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        pipeline = importlib.import_module(name).planted
        if cron:
            schedule = Schedule(name=f"{name}_{uuid.uuid4().hex}", cron_expression=cron)
            pipeline = pipeline.with_options(schedule=schedule)
        with pytest.MonkeyPatch.context() as patch:
            # So that it records the schedule and runs at once.
            patch.setattr(LocalOrchestratorConfig, "is_schedulable", True)
            pipeline()
    finally:
        sys.dont_write_bytecode = before


@contextlib.contextmanager
def _stack(name: str) -> Iterator[None]:
    client = Client()
    before = client.active_stack_model.id
    client.create_stack_component(name, "local", StackComponentType.ORCHESTRATOR, {})
    client.create_stack(
        name=f"stack_{name}",
        components={
            StackComponentType.ORCHESTRATOR: name,
            StackComponentType.ARTIFACT_STORE: "default",
        },
    )
    client.activate_stack(f"stack_{name}")
    try:
        yield
    finally:
        client.activate_stack(before)
