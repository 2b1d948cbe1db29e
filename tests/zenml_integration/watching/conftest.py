"""A ZenML of its own for each scenario."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from zenmail.testing.smtp_server import SMTPServer

from ...clusters import cluster
from . import worlds

__all__ = ["cluster", "make_world"]


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., worlds.World]]:
    """Make a ZenML whose stack mails: ``local``, or ``rest`` with or without the handler."""
    made: list[worlds.World] = []
    with SMTPServer() as mail:

        def make(kind: str, *, handler: bool = False) -> worlds.World:
            if kind == "rest":
                pytest.importorskip("fastapi", reason="zenml[server] is not installed")
                pytest.importorskip("uvicorn", reason="zenml[server] is not installed")
            made.append(worlds.make_world(tmp_path, mail, kind, handler=handler))
            return made[-1]

        yield make
        for world in made:
            world.close()
