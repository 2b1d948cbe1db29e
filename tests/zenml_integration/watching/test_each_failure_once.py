"""Exactly one mail for each failed run and none for good ones, whoever is there to tell."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from importlib.metadata import version

import pytest

from .scenarios import BAD, GOOD, MORE_BAD, MORE_GOOD
from .worlds import World

pytestmark = [pytest.mark.zenml, pytest.mark.once, pytest.mark.timeout(1500)]
nightly = pytest.mark.skipif(
    os.environ.get("ZENMAIL_NIGHTLY") != "1", reason="runs with ZENMAIL_NIGHTLY=1"
)


OLD = version("zenml").startswith("0.94.")


def failed(subjects: list[str]) -> list[str]:
    """Return the pipelines whose failure was mailed, sorted."""
    return sorted(
        subject.split(": ")[1].split(" · ")[-1]
        for subject in subjects
        if subject.startswith("Failed")
    )


def others(subjects: list[str]) -> list[str]:
    """Return the subjects of the mails that are not about a failure, sorted."""
    return sorted(subject for subject in subjects if not subject.startswith("Failed"))


def stop_remotely(world: World, **environment: str) -> None:
    """Have ZenML stop a run, and end its process as Kubernetes does."""
    process = world.start("stopped", **environment)
    world.zenml("pipeline", "runs", "stop", "-y", "-g", "stopped")
    process.terminate()
    process.communicate(timeout=60)


def run_everything(world: World, **environment: str) -> tuple[str, list[str]]:
    """Run a pipeline of every kind; return what was printed, and those that failed."""
    world.run("killed", **environment)
    newer = [] if OLD else ["recovering", "recovering", "deployed"]
    bad = [*BAD, *MORE_BAD, *(["recovering", "static_bad"] if newer else [])]
    log = world.run(*GOOD, *MORE_GOOD, *BAD, *MORE_BAD, *newer, "overdue", **environment)
    stop_remotely(world, **environment)
    return log, sorted(bad)


@nightly
@pytest.mark.parametrize("kind", ["local", "rest"])
def test_the_watcher_alone(make_world: Callable[..., World], kind: str) -> None:
    """It mails each failure, the killed, the late and the waiting run, and no other."""
    world = make_world(kind)
    watcher = world.start_watching("--interval=1")
    log, bad = run_everything(world, WITHOUT_HANDLER="1")
    extra = ["Late: overdue", "Silent: killed"]
    if not OLD:
        process = world.start("asking", WITHOUT_HANDLER="1")
        world.wait_for(lambda: "Paused: asking" in world.subjects())
        world.run("answer")
        assert "completed successfully" in process.communicate(timeout=100)[0]
        extra = [*extra[:1], "Paused: asking", "Recovered: recovering", *extra[1:]]
    world.wait_for(lambda: len(world.subjects()) >= len(bad + extra) - 1)
    watcher.terminate()
    seen = watcher.communicate(timeout=60)[0]
    for _ in range(2):
        world.watch("--silent-after=1")
    assert failed(world.subjects()) == bad, (log, seen)
    assert others(world.subjects()) == extra, seen


@nightly
@pytest.mark.parametrize("kind", ["local", "rest"])
def test_the_handler_alone(make_world: Callable[..., World], kind: str) -> None:
    """ZenML's own process, or the client's on a local store, mails each failure."""
    world = make_world(kind, handler=True)
    log, bad = run_everything(world)
    extra = ["Recovered: recovering"]
    world.wait_for(lambda: len(world.subjects()) >= len(bad + extra))
    assert failed(world.subjects()) == bad, log
    assert others(world.subjects()) == extra, log


@nightly
@pytest.mark.parametrize("kind", ["local", "rest"])
def test_all_of_them_and_hooks(make_world: Callable[..., World], kind: str) -> None:
    """A hook's mail is the only one about its run; what no hook sees the others mail."""
    world = make_world(kind, handler=True)
    watchers = [world.start_watching("--interval=1") for _ in range(2)]
    log, bad = run_everything(world, HOOKS="1")
    # A hook tells about each step.
    bad = sorted([*bad, "two_fail"])
    extra = ["Late: overdue", "Recovered: recovering", "Silent: killed"]
    world.wait_for(lambda: len(world.subjects()) >= len(bad + extra) - 1)
    seen = []
    for watcher in watchers:
        watcher.terminate()
        seen.append(watcher.communicate(timeout=60)[0])
    for _ in range(2):
        world.watch("--silent-after=1")
    assert failed(world.subjects()) == bad, (log, seen)
    assert others(world.subjects()) == extra, (log, seen)


def test_hooks_handler_and_watchers_together(make_world: Callable[..., World]) -> None:
    """A hook's mail is the only one about its run; what no hook sees the others mail."""
    world = make_world("local", handler=True)
    watchers = [world.start_watching("--interval=0.5") for _ in range(2)]
    log = world.run(*GOOD, *BAD, HOOKS="1")
    world.wait_for(lambda: len(world.subjects()) >= len(BAD))
    world.wait_for(lambda: len(world.subjects()) > len(BAD), 8)
    seen = []
    for watcher in watchers:
        watcher.terminate()
        seen.append(watcher.communicate(timeout=30)[0])
        assert watcher.returncode == 0, seen[-1]
    assert failed(world.subjects()) == sorted(BAD), (world.subjects(), log, seen)
    assert others(world.subjects()) == []


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
    OLD,
    reason="ZenML 0.94 does not tell how the run before ended",
)
def test_a_recovery_answers_the_failure(make_world: Callable[..., World]) -> None:
    """Whoever mails the two, they are one conversation, and the next incident is another."""
    world = make_world("local")
    for _ in range(2):
        world.run("recovering", WITHOUT_HANDLER="1")
        world.watch()
    # The hook mails the failure, and the handler the recovery.
    world.run("recovering", "recovering", HOOKS="1", MARKER="again")
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
