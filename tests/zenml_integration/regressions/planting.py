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

from zenml.client import Client
from zenml.enums import StackComponentType
from zenml.models import PipelineRunResponse
from zenml.utils import source_utils

from .planted import DECOYS, Regression

_TEXT = (Path(__file__).parent / "project.txt").read_text(encoding="utf-8")


class World(types.ModuleType):
    """What lies outside of the project: its data, and what goes wrong in a step."""

    def __init__(self) -> None:
        super().__init__("planted_world")
        self.good()

    def good(self) -> None:
        """Let every step succeed on a thousand rows."""
        self.number, self.without, self.day = 1000, "", 1
        self.value: object = None
        self.errors: dict[str, BaseException] = {}

    def bad(self, planted: Regression, *, changed: bool) -> None:
        """Let the regression happen, on another day's data if anything is to be changed."""
        if changed:
            self.number, self.value, self.day = planted.rows, planted.value, 2
            self.without = planted.without
        if planted.error is not None:
            self.errors = {planted.fails: planted.error}

    def happens(self, step: str) -> None:
        """Raise what goes wrong in the step."""
        if step in self.errors:
            raise self.errors[step]

    def rows(self) -> list[dict[str, Any]]:
        """Return the day's rows."""
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
            client.create_secret(f"{secret}_{name}", {"password": "first"})
    world.good()
    text = _TEXT.replace("PIPELINE", name).replace(
        "SECRETS", f'secrets=["warehouse_{name}", "SECRET_B"],'
    )
    for _ in range(good_runs):
        _run(name, folder, _named(text, name))
    edits = {**planted.edits, **dict(DECOYS[place] for place in planted.decoys)}
    for old, new in edits.items():
        assert old in text, old
        text = text.replace(old, new)
    if planted.rotates:
        client.update_secret(
            f"{planted.rotates}_{name}", add_or_update_values={"password": "second"}
        )
    world.bad(planted, changed=changed)
    with (
        _stack(name) if planted.stack else contextlib.nullcontext(),
        contextlib.suppress(Exception),
    ):
        _run(name, folder, _named(text, name))
    run = client.get_pipeline_run(client.list_pipeline_runs(pipeline_name=name, size=1)[0].id)
    assert str(run.status.value) == "failed", planted.name
    return run


def _named(text: str, name: str) -> str:
    return text.replace("SECRET_B", f"registry_{name}").replace("SECRET_A", f"warehouse_{name}")


def _run(name: str, folder: Path, text: str) -> None:
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    sys.modules.pop(name, None)
    importlib.invalidate_caches()
    linecache.clearcache()
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        importlib.import_module(name).planted()
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
