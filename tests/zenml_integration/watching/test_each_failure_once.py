"""Exactly one mail for each failed run and none for good ones, whoever is there to tell."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from importlib.metadata import version

import pytest

from .scenarios import BAD, GOOD
from .worlds import World

pytestmark = [pytest.mark.zenml, pytest.mark.once, pytest.mark.timeout(900)]
nightly = pytest.mark.skipif(
    os.environ.get("ZENMAIL_NIGHTLY") != "1", reason="runs with ZENMAIL_NIGHTLY=1"
)


def about(subjects: list[str]) -> list[str]:
    """Return the pipelines that the mails are about, sorted."""
    return sorted(subject.split(": ")[1].split(" · ")[-1] for subject in subjects)


@nightly
@pytest.mark.parametrize("kind", ["local", "rest"])
def test_the_watcher_alone(make_world: Callable[..., World], kind: str) -> None:
    """One look mails each failure, the next one nothing."""
    world = make_world(kind)
    world.run(*GOOD, *BAD, WITHOUT_HANDLER="1")
    world.run("stopped", WITHOUT_HANDLER="1")
    assert world.subjects() == []
    seen = world.watch()
    assert about(world.subjects()) == sorted(BAD), seen
    world.watch()
    assert len(world.subjects()) == len(BAD)


@nightly
@pytest.mark.parametrize("kind", ["local", "rest"])
def test_the_handler_alone(make_world: Callable[..., World], kind: str) -> None:
    """ZenML's own process, or the client's on a local store, mails each failure."""
    world = make_world(kind, handler=True)
    log = world.run(*GOOD, *BAD)
    world.run("stopped")
    world.wait_for(lambda: len(world.subjects()) >= len(BAD))
    assert about(world.subjects()) == sorted(BAD), log


@pytest.mark.parametrize("kind", ["local", pytest.param("rest", marks=nightly)])
def test_hooks_handler_and_watchers_together(
    make_world: Callable[..., World], kind: str
) -> None:
    """A hook's mail is the only one about its run; what no hook sees the others mail."""
    world = make_world(kind, handler=True)
    watchers = [world.start_watching("--interval=0.5") for _ in range(2)]
    log = world.run(*GOOD, *BAD, HOOKS="1")
    world.wait_for(lambda: len(world.subjects()) >= len(BAD))
    world.wait_for(lambda: len(world.subjects()) > len(BAD), 8)
    seen = []
    for watcher in watchers:
        watcher.terminate()
        seen.append(watcher.communicate(timeout=30)[0])
        assert watcher.returncode == 0, seen[-1]
    assert about(world.subjects()) == sorted(BAD), (world.subjects(), log, seen)


def test_a_killed_process_is_told_by_the_watcher(make_world: Callable[..., World]) -> None:
    """A run whose process was killed is mailed once, as silent; nobody else can tell."""
    world = make_world("local")
    world.run("killed")
    assert world.subjects() == []
    world.watch("--silent-after=600")
    assert world.subjects() == []
    for _ in range(2):
        world.watch("--silent-after=1")
    assert world.subjects() == ["Silent: killed"]


@pytest.mark.skipif(
    version("zenml").startswith("0.94."),
    reason="ZenML 0.94 does not tell how the run before ended",
)
def test_a_recovery_answers_the_failure(make_world: Callable[..., World]) -> None:
    """Whoever mails the two, they are one conversation, and the next incident is another."""
    world = make_world("local")
    for _ in range(2):
        world.run("recovering", WITHOUT_HANDLER="1")
        world.watch()
    # The hook mails the failure, and the handler the recovery.
    world.run("recovering", "recovering", HOOKS="1", MARKER=str(world.folder / "again"))
    mails = [mail.message for mail in world.mail.mails]
    assert [str(mail["Subject"]).partition(":")[0] for mail in mails] == [
        *("Failed", "Recovered"),
        *("Failed", "Recovered"),
    ]
    roots = [str(mail["References"]) for mail in mails]
    assert roots == [roots[0], roots[0], roots[2], roots[2]]
    assert roots[0] != roots[2]
    for recovery in (mails[1], mails[3]):
        text = recovery.get_body(("plain",))
        assert text is not None
        assert re.search(r"Recovered after .* and 1\s+failed\s+run\.", text.get_content())
        assert recovery["In-Reply-To"] in recovery["References"]
