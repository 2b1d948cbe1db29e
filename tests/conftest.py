"""The canaries, and a record of what only a test sees, for ``canaries.py`` to search."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import pickle
import subprocess
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from click.testing import CliRunner, Result

from zenmail import Mailer, PluginHost, Receipt
from zenmail_transports.ses import SESTransport
from zenmail_transports.smtp import SMTPTransport

# Every run tries the same inputs, and only the nightly one looks for new ones; no property
# is about time, which a machine that pauses would be blamed on.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True)
hypothesis.settings.register_profile("nightly", deadline=None)
hypothesis.settings.load_profile(os.environ.get("ZENMAIL_HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(scope="session")
def canaries() -> dict[str, str]:
    """Secrets for tests, by name: nothing that is written may hold one of them.

    A module that needs one where no fixture reaches repeats the literal; a test sees to it
    that the list has it.
    """
    path = Path(__file__).with_name("canaries.json")
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return found


# What these return and raise is written down: their callers may print, log or store it.
_RECORDED: dict[type, tuple[str, ...]] = {
    Mailer: ("__init__", "send", "send_alert", "flush", "verify"),
    PluginHost: ("fetch_token",),
    SESTransport: ("send_email", "verify_transport"),
    SMTPTransport: ("send_email", "verify_transport"),
    # What tests read, pytest does not report.
    CliRunner: ("invoke",),
    pytest.CaptureFixture: ("readouterr",),
    subprocess.Popen: ("communicate",),
}


@pytest.fixture(autouse=True)
def _recorded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write down results, errors and output that would be gone with the test."""
    folder = os.environ.get("ZENMAIL_TEST_RECORDS")
    # Measurements are not to include it.
    if folder and "benchmarks" not in request.path.parts:
        for owner, names in _RECORDED.items():
            for name in names:
                replacement = _recording(Path(folder), getattr(owner, name))
                monkeypatch.setattr(owner, name, replacement)


def _recording(folder: Path, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*arguments: Any, **more: Any) -> Any:
        try:
            result = function(*arguments, **more)
        except BaseException as error:
            _write(folder, _error_shown(error))
            raise
        _write(folder, _shown(result))
        return result

    return call


def _write(folder: Path, items: Iterator[str | bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # One file for each process: children of a fork write, too.
    with open(folder / f"{os.getpid()}.txt", "ab") as file:
        for item in items:
            data = item if isinstance(item, bytes) else item.encode("utf-8", "replace")
            file.write(data + b"\n")


def _shown(result: Any) -> Iterator[str | bytes]:
    yield repr(result)
    if isinstance(result, Receipt):
        yield result.model_dump_json()
        yield pickle.dumps(result)
    elif isinstance(result, Result):
        yield result.output
        if result.exception is not None:
            yield from _error_shown(result.exception)
    elif isinstance(result, tuple):
        # What a process, or a test, printed.
        yield from (item for item in result if isinstance(item, str | bytes))


def _error_shown(error: BaseException) -> Iterator[str | bytes]:
    yield "".join(traceback.format_exception(error))
    yield repr(vars(error))
    # Not every foreign error can be pickled.
    with contextlib.suppress(Exception):
        yield pickle.dumps(error)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name a test by a text that is no Unicode in its escapes: workers exchange UTF-8."""
    return None if not isinstance(val, str) or val.isprintable() else ascii(val)


def pytest_xdist_auto_num_workers() -> int:
    """Have one worker more than processors: tests wait a third of their time."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files whose tests take long, so that no worker waits for another's."""
    long = {item.path for item in items for name in ("once", "zenml") if name in item.keywords}
    items.sort(key=lambda item: item.path not in long)
