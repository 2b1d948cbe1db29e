"""One redaction for every way out of the process: mails, files, the ledger, receipts, logs."""

from __future__ import annotations

import importlib.util
import logging
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zenmail import (
    Alert,
    Mailer,
    PermanentFailure,
    PluginHost,
    Retry,
    TemporaryFailure,
    hookimpl,
)
from zenmail.redaction import own_secrets

Make = Callable[..., Any]
FORMAT = "ghp_" + "c4N4rY" * 6  # put together, so that no scanner takes it for a real one


def _search(folder: Path, secrets: dict[str, str]) -> Any:
    """Search files for secrets in every form, as is done for all that the suite writes."""
    path = Path(__file__).parents[2] / "canaries.py"
    spec = importlib.util.spec_from_file_location("canaries_script", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    search = module.Search(secrets)
    search.folder(folder)
    return search


def _unpack(ledger: Path, folder: Path) -> None:
    """Write each cell of a ledger to a file of its own."""
    folder.mkdir()
    database = sqlite3.connect(ledger)
    names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    cells = [
        cell
        for (name,) in names
        for row in database.execute(f"SELECT * FROM {name}")
        for cell in row
    ]
    database.close()
    for number, cell in enumerate(cells):
        path = folder / str(number)
        path.write_bytes(cell if isinstance(cell, bytes) else str(cell).encode())


@pytest.mark.parametrize("failure", [TemporaryFailure, PermanentFailure, RuntimeError])
def test_no_secret_leaves_by_any_way(
    failure: type[Exception],
    scripted: Make,
    canaries: dict[str, str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What an alert holds and what a server quotes: in no file, receipt or log."""
    secrets = {
        "of an option": canaries["password"],
        "of the environment": canaries["client secret"],
        "of ZenML's": canaries["token"],
        "by its name": canaries["API key"],
        "by its format": FORMAT,
    }
    option, environment, zenml, named, token = secrets.values()
    monkeypatch.setenv("SERVICE_PASSWORD", environment)
    monkeypatch.setattr(own_secrets, "_remembered", {})
    own_secrets.remember_secrets({"password": zenml})
    says = f"login with {option} at {environment} by {zenml}, password={named} and {token}"

    def alert(number: int) -> Alert:
        return Alert(
            title=f"Step {number} failed with {says}",
            body=says,
            facts={"parameters": {"url": says, "password": named}, says: says},
            error=says,
            traceback=f'  File "a.py", line {number}, in f\n    {says}',
            log=says,
            next_steps=(says,),
            tables={"t": [{"a": says}]},
            url=f"https://example.com/?token={token}",
            thread=says,
            incident=f"{number}{says}",
        )

    class Broken:
        @hookimpl
        def before_render(self, alert: Alert) -> Alert:
            raise RuntimeError(says.replace(option, ""))

    caplog.set_level(logging.DEBUG)
    host = PluginHost()
    host.register_middleware("broken", Broken())
    host.register_transport("failing", scripted(failure(says)))
    ledger = tmp_path / "ledger.db"
    receipts = []
    with Mailer(
        "failing",
        options={"password": option},
        plugins=host,
        ledger=ledger,
        alerts_per_run=2,
        retry=Retry(max_attempts=1),
        deadline=5,
    ) as mailer:
        for number in range(4):
            receipts.append(
                mailer.send_alert(alert(number), sender="a@example.com", to="b@example.com")
            )
    _unpack(ledger, tmp_path / "cells")
    with Mailer("file", options={"folder": tmp_path / "mails"}, ledger=ledger) as mailer:
        receipts += mailer.flush()
    told = [caplog.text, *map(repr, receipts), *(it.describe() for it in receipts)]
    (tmp_path / "told.txt").write_text("\n".join(told), encoding="utf-8")
    search = _search(tmp_path, secrets)
    assert search.hits == {}
    assert search.unreadable == []
    assert "login with [redacted]" in told[0] + told[1]
    assert any((tmp_path / "mails").iterdir())
