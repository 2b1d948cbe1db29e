"""Failure mails: new or not, what changed, what it said last, what to type; never late."""

from __future__ import annotations

import logging
import os
import platform
import re
import threading
from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from zenml import log_metadata, pipeline, step
from zenml.client import Client

from zenmail.testing.smtp_server import ReceivedMail, SMTPServer
from zenmail_zenml import (
    smtp_email_alerter_failure_hook,
    smtp_email_alerter_success_hook,
)
from zenmail_zenml.alerts import explain, history
from zenmail_zenml.alerts.causes import rank
from zenmail_zenml.alerts.change import Change
from zenmail_zenml.alerts.explain import Explanation, explain_failure
from zenmail_zenml.alerts.history import History, count_good_runs, read_history
from zenmail_zenml.alerts.next_steps import follow_runbook
from zenmail_zenml.alerts.run_context import RunContext
from zenmail_zenml.watching.observer import end_of

pytestmark = [
    pytest.mark.once,
    pytest.mark.zenml,
    pytest.mark.skipif(
        version("zenml").startswith("0.94."),
        reason="ZenML 0.94 does not answer what the explanation asks",
    ),
]

# None of the canaries: ZenML itself keeps what a step logs and is given.
SECRET = "hunter2-webhook-3e77"
STORED = "store-access-81-d"
LOGGER = logging.getLogger("planted.explain")


@step(on_failure=smtp_email_alerter_failure_hook, on_success=smtp_email_alerter_success_hook)
def fit(rate: float = 0.1, api_token: str = "none") -> None:
    """Fail when the rate is high."""
    log_metadata({"accuracy": 0.9 if rate < 0.15 else 0.8, "note": "text"})
    LOGGER.warning("rate is %s", rate)
    LOGGER.warning("password=%s", SECRET)
    if rate > 5:
        raise RuntimeError("diverged")
    if rate > 1:
        raise ValueError(f"loss is nan with rate {rate}")


def text(mail: ReceivedMail) -> str:
    """Return a mail's text part."""
    body = mail.message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


@step
def publish() -> None:
    """Never run where the step before fails."""


@pytest.fixture
def run_fit(
    register: Callable[..., Any], server: SMTPServer, request: pytest.FixtureRequest
) -> Callable[..., str]:
    """Run a pipeline of the test's own with parameters, and return its last mail's text."""

    def run(explain: float = 20.0, **parameters: Any) -> str:
        register(
            smtp_server="localhost",
            smtp_port=str(server.port),
            smtp_username="relay-account",
            password="{{email_credentials.smtp_password}}",
            smtp_ca_file=str(server.ca_file),
            deadline=60,
            explain=explain,
            runbooks={"loss is nan": "https://wiki.example.com/nan"},
        )

        @pipeline(
            name=request.node.name,
            enable_cache=False,
            tags=["nightly"],
            environment={"WAREHOUSE": SECRET if parameters else "other"},
        )
        def fitting(market: str = "de", webhook_password: str = SECRET) -> None:
            fit(**parameters)
            publish(after="fit")

        if parameters.get("rate", 0) > 1:
            with pytest.raises((ValueError, RuntimeError)):
                fitting()
        else:
            fitting()
        return text(server.mails[-1])

    return run


def test_a_failure_mail_answers_what_on_call_asks(
    run_fit: Callable[..., str], server: SMTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    """New, changed, last words, what to type: all in the mail, and no secret in any of it."""
    caplog.set_level(logging.INFO)  # ZenML stores what reaches the root logger
    run_fit()
    first = run_fit(rate=3.0, api_token=SECRET)
    assert "First failure after 1 good run." in first.splitlines()[:3]
    changed = first[first.index("What changed since the last good run") :]
    lines = changed.splitlines()
    assert any("fit.rate" in line and "0.1" in line and "3.0" in line for line in lines[:5])
    hidden = " ".join(changed.split())
    assert re.search(r"fit.api_token \(parameter\)\S? \(not shown\) → \(changed, not", hidden)
    assert "WAREHOUSE (environment variable)" in hidden
    log = first[first.index("Last lines of the log") :]
    assert any(line.endswith("rate is 3.0") for line in log.splitlines())
    assert log.count("Traceback (most recent call last)") <= 1
    assert "https://wiki.example.com/nan" in first
    words = " ".join(first.replace("\\\r\n", " ").split())
    assert "zenml pipeline run " in words
    assert re.search(r"To see the logs, run cat \S+\.log ", words)
    assert "-c rerun.yaml" in words
    assert re.search(r"Never ran:? +publish", first)
    assert re.search(r"Started by:? +default", first)
    assert re.search(r"Tags:? +nightly", first)
    assert re.search(rf"Host:? +{re.escape(platform.node())}", first)
    again = run_fit(rate=4.0, api_token=SECRET)
    assert "Failing since" in again
    assert "2nd run in a row" in again
    assert "also in run" in " ".join(again.split())
    assert "This error is new" not in again
    assert str(server.mails[-1].message["Subject"]).endswith("(2nd run in a row)")
    assert "This error is new." in " ".join(run_fit(rate=9.0, api_token=SECRET).split())
    well = run_fit()
    assert "Step fit recovered after" in " ".join(well.split())
    assert "and 3 failed runs." in " ".join(well.split())
    assert str(server.mails[-1].message["Subject"]).startswith("Recovered: ")
    roots = {str(mail.message["References"]) for mail in server.mails[-4:]}
    assert len(roots) == 1
    assert roots != {"None"}
    assert "recovered" not in run_fit().lower()
    assert all(SECRET not in mail.message.as_string() + text(mail) for mail in server.mails)


@step(on_failure=smtp_email_alerter_failure_hook)
def open_store() -> None:
    """Quote what ZenML's secret gave it."""
    LOGGER.warning("opened the store with %s", os.environ["VALUE"])
    raise RuntimeError(f"refused {os.environ['VALUE']} from {os.environ['REGION']}")


def test_what_a_secret_gave_a_step_is_taken_out(
    register: Callable[..., Any], server: SMTPServer
) -> None:
    """Whatever the names in ZenML's secret; a region in it stays readable."""
    settings = {"smtp_server": "localhost", "smtp_port": str(server.port), "explain": 20.0}
    server.users.clear()
    register(**settings, smtp_ca_file=str(server.ca_file), deadline=60)
    Client().create_secret("store_access", {"VALUE": STORED, "REGION": "us-east-1"})

    @pipeline(enable_cache=False)
    def storing() -> None:
        open_store.with_options(secrets=["store_access"])()

    with pytest.raises(RuntimeError):
        storing()
    told = " ".join(text(server.mails[-1]).split())
    assert "opened the store with" in told
    assert "us-east-1" in told
    assert STORED not in told


def test_history_counts_every_run(
    run_fit: Callable[..., str], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few runs are read at once, the number in a row is exact."""
    client = Client()
    for rate in (0.1, 0.1, 3.0, 3.0, 0.1):
        run_fit(rate=rate, explain=0)
    runs = client.list_pipeline_runs(pipeline=request.node.name, sort_by="asc:index").items

    def lines() -> list[str]:
        found = [count_good_runs(read_history(run, client), run, client) for run in runs]
        return [
            it.of_failure() + it.of_success(run) for it, run in zip(found, runs, strict=True)
        ]

    whole = lines()
    assert whole[2] == "First failure after 2 good runs."
    assert ", 3rd run in a row, " in whole[4]
    monkeypatch.setattr(history, "_PAGE", 1)
    assert lines() == whole


def test_the_watcher_explains_as_the_hooks_do(
    run_fit: Callable[..., str], server: SMTPServer
) -> None:
    """A mail about a run from outside says what changed, what it logged and if it recovers."""
    client = Client()
    run_fit()
    run_fit(rate=3.0)
    failed = client.list_pipeline_runs(sort_by="desc:created", size=1, hydrate=True)[0]
    run_fit()
    good = client.list_pipeline_runs(sort_by="desc:created", size=1, hydrate=True)[0]
    alerter: Any = client.active_stack.alerter
    told = []
    for run in (failed, good):
        event = end_of(run)
        assert event is not None
        alerter.deliver(event.alert(), RunContext(run=run, stack=client.active_stack.name))
        told.append(text(server.mails[-1]))
    bad, well = told
    assert "First failure after 1 good run." in bad
    assert "fit.rate" in bad
    assert "rate is 3.0" in bad[bad.index("Last lines of the log") :]
    assert re.search(r"Never ran:? +publish", bad)
    assert "Host" not in bad
    assert "Recovered after" in well
    assert all(SECRET not in mail.message.as_string() + text(mail) for mail in server.mails)


def test_a_success_mail_has_the_metrics_beside_the_last_ones(
    run_fit: Callable[..., str],
) -> None:
    """What the step logged stands beside the last good run's; what is not a number does not."""
    run_fit()
    mail = run_fit(rate=0.2)
    line = next(line for line in mail.splitlines() if "accuracy" in line)
    assert "0.8" in line
    assert "0.9" in line
    assert "note" not in mail


def test_nothing_changed_and_nothing_is_claimed(run_fit: Callable[..., str]) -> None:
    """A run that fails as it was, or with the setting at 0, has no list of changes."""
    run_fit(rate=3.0)
    assert "What changed" not in run_fit(rate=3.0)
    off = run_fit(rate=3.0, explain=0)
    assert "run in a row" not in off
    assert "Last lines of the log" not in off


def test_a_store_that_is_slow_costs_no_more_than_the_time_box(
    zenml_store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is not there in time is left out, without a line in the log; the rest is kept."""
    asked, answer, answered = (threading.Event() for _ in range(3))

    class Slow:
        def list_pipeline_runs(self, **_: Any) -> Any:
            asked.set()
            answer.wait(60)
            LOGGER.error("the store did not answer")
            answered.set()
            raise RuntimeError

    run: Any = SimpleNamespace(
        index=1, project_id="1", snapshot=None, pipeline=SimpleNamespace(id="1")
    )
    client: Any = Slow()
    explained = explain_failure(
        run, None, client, seconds=0.1, error="Boom", runbooks={"Boom": "https://a.example/"}
    )
    assert not answered.is_set()
    assert explained.next_steps == ("Follow the runbook: https://a.example/",)
    assert explained.fields() == {"next_steps": explained.next_steps}
    answer.set()
    assert answered.wait(60)
    assert asked.is_set()
    assert "did not answer" not in caplog.text


def test_the_history_waits_for_nothing_else() -> None:
    """A busy store costs the rest first: the history decides subject and conversation."""
    hang = threading.Event()

    class Busy:
        def list_pipeline_runs(self, **_: Any) -> Any:
            made = datetime(2026, 11, 24, 4, 0)
            status = SimpleNamespace(value="failed")
            before = SimpleNamespace(id="0", name="r0", index=1, created=made, status=status)
            return SimpleNamespace(items=[before], total=1)

        def __getattr__(self, name: str) -> Any:
            return lambda *_, **__: hang.wait(60)

    run: Any = SimpleNamespace(
        index=2, project_id="1", snapshot=None, pipeline=SimpleNamespace(id="1")
    )
    client: Any = Busy()
    found = explain_failure(run, None, client, seconds=2, error="Boom")
    hang.set()
    assert (found.repeated, found.incident) == ("2nd run in a row", "0")
    assert found.history.startswith("Failing since Tuesday 2026-11-24 04:00 UTC, 2nd run")


def test_a_store_that_is_down_gives_an_empty_explanation() -> None:
    """The mail then goes out as it would without."""
    nothing: Any = object()
    assert explain_failure(nothing, None, nothing, seconds=5, error="Boom") == Explanation()
    assert explain.explain_success(nothing, None, nothing, seconds=5) == Explanation()


def test_ranking_follows_the_rules() -> None:
    """The step that failed, what the error names, and its kind come before the rest."""
    changes = [
        Change("setting", "extra owner", "a", "b", name="owner"),
        Change("parameter", "load.limit", "1", "2", frozenset({"load"}), "limit"),
        Change("parameter", "fit.rate", "1", "2", frozenset({"fit"}), "rate"),
        Change("package", "scikit-learn", "1.4.2", "1.5.0", name="sklearn"),
        Change("resource", "fit.resources.memory", "4GB", "1GB", frozenset({"fit"}), "memory"),
    ]

    def first(error: str, traceback: str = "") -> str:
        return rank(changes, failed="fit", error=error, traceback=traceback)[0].what

    assert first("ValueError") == "fit.rate"
    assert first("ValueError: bad limit of 2") == "load.limit"
    assert first("MemoryError") == "fit.resources.memory"
    assert first("X", 'File "/a/site-packages/sklearn/x.py", line 1') == "scikit-learn"
    assert first("X", '  File "/a/p.py", line 1, in fit\n    raise X(limit)') == "load.limit"
    assert rank(changes, failed="fit", error="X")[-1].what == "extra owner"
    lost = Change("shape", "data rows", "9", "0", frozenset({"fit"}), made_by="load")
    changes.append(Change("alike", "data raw", "9", "9", frozenset({"load"})))
    changes.append(Change("alike", "data rows", "9", "8", frozenset({"fit"}), made_by="load"))
    told = [it.what for it in rank([*changes, lost], failed="fit", error="X")]
    assert (told[0], told[-1]) == ("load.limit", "data rows")


@pytest.mark.parametrize(
    ("failed", "words"), [(1, "2nd"), (2, "3rd"), (10, "11th"), (20, "21st"), (111, "112th")]
)
def test_ordinals(failed: int, words: str) -> None:
    """The line counts the failure under way, in English."""
    assert History(failed_in_a_row=failed).ordinal == words


def test_runbooks_are_patterns_or_words() -> None:
    """The first that matches wins; what is no regular expression is looked for as it is."""
    books = {"Time.*out": "https://a.example/", "f(x": "https://b.example/"}
    assert follow_runbook("TimeoutError: x", books) == (
        "Follow the runbook: https://a.example/",
    )
    assert follow_runbook("cannot call f(x", books)[0].endswith("https://b.example/")
    assert follow_runbook("ValueError", books) == ()
