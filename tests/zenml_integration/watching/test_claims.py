"""An event is told by one, and the handler keeps nobody waiting."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import zenml
from click.testing import CliRunner
from zenml import pipeline, step
from zenml.client import Client

from zenmail import Ledger
from zenmail.cli.app import app
from zenmail.testing.smtp_server import SMTPServer
from zenmail_zenml import SMTPEmailAlerterSettings
from zenmail_zenml.alerts.run_context import RunContext
from zenmail_zenml.lineage import recording
from zenmail_zenml.settings import Resolved, resolve, stored_secrets
from zenmail_zenml.watching.claims import Claims, was_told
from zenmail_zenml.watching.observer import RunEvent, end_of, paused, running_late, silent
from zenmail_zenml.watching.teller import Teller
from zenmail_zenml.watching.watcher import Watcher

pytestmark = [pytest.mark.zenml, pytest.mark.once]


@step
def nothing() -> None:
    """Succeed."""


@pipeline(enable_cache=False)
def uneventful() -> None:
    """Complete."""
    nothing()


@pipeline(dynamic=True, enable_cache=False)
def asking() -> None:
    """Ask, and be paused."""
    zenml.wait(bool, question="Deploy it?", timeout=1, poll_interval=1)


@pytest.fixture
def run(alerter: Any) -> Any:
    """A run that completed, on a stack with an alerter."""
    finished: Any = uneventful()
    return Client().get_pipeline_run(finished.id)


def test_one_of_many_may_tell(run: Any) -> None:
    """Of many who claim an event at the same time one gets it, and nobody once it is told."""
    claims, event = Claims(), RunEvent("failed", run)
    start = threading.Barrier(6)

    def claim(_: int) -> str:
        start.wait()
        return claims.claim(event, 60.0)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(claim, range(6)))
    assert answers.count("mine") == 1
    claims.settle(event, "test", {"email-1": {"outcome": "delivered"}})
    assert claims.claim(event, 60.0) == "told"
    assert was_told(Client().get_pipeline_run(run.id), "failed")
    assert claims.claim(RunEvent("late", run), 60.0) == "mine"
    claims.release(RunEvent("late", run))


def test_claims_come_and_go_at_the_same_time(run: Any) -> None:
    """Who asks while a claim is being given up gets an answer."""
    event = RunEvent("silent", run)

    def claim(_: int) -> str:
        claims = Claims()
        answer = claims.claim(event, 60.0)
        if answer == "mine":
            claims.release(event)
        return answer

    with ThreadPoolExecutor(4) as pool:
        answers = set(pool.map(claim, range(200)))
    assert answers <= {"mine", "busy"}


def test_an_abandoned_claim_is_given_up(run: Any) -> None:
    """The claim of a process that died is busy for its time, and then free again."""
    claims, event = Claims(), RunEvent("silent", run)
    assert claims.claim(event, 60.0) == "mine"
    assert claims.claim(event, 60.0) == "busy"
    assert claims.claim(event, -1.0) == "busy"
    assert claims.claim(event, 60.0) == "mine"
    claims.release(event)


def test_a_mail_whose_evidence_cannot_be_written_is_not_sent_again_at_once(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim stays for its time, as nothing else says that somebody has told."""

    def fail(*_: object) -> None:
        raise ConnectionError("ZenML is away")

    claims, event = Claims(), RunEvent("silent", run)
    assert claims.claim(event, 60.0) == "mine"
    with monkeypatch.context() as patch:
        patch.setattr("zenmail_zenml.watching.claims.write_metadata", fail)
        with pytest.raises(ConnectionError):
            claims.settle(event, "test", {})
    assert claims.claim(event, 60.0) == "busy"
    claims.release(event)


def test_an_event_is_mailed_only_if_it_is_wanted(
    register: Callable[..., Any], server: SMTPServer
) -> None:
    """`run_alerts` selects the events, and the same event is mailed once."""
    server.users.clear()
    register(
        smtp_server="localhost",
        smtp_port=server.port,
        smtp_ca_file=str(server.ca_file),
        run_alerts="completed",
    )
    finished: Any = uneventful()
    run = Client().get_pipeline_run(finished.id)
    event = end_of(run)
    assert event is not None
    teller = Teller("test")
    assert teller.tell(RunEvent("failed", run))
    # The alerter itself may be telling it at this moment.
    for _ in range(300):
        if teller.tell(event):
            break
        time.sleep(0.2)
    assert teller.tell(event)
    assert len(server.mails) == 1
    assert str(server.mails[0].message["Subject"]) == "Completed: uneventful"


def test_a_mail_that_is_not_taken_is_tried_again(
    register: Callable[..., Any], server: SMTPServer
) -> None:
    """While the mail server is away an event stays to be told, and the log says why."""
    port = server.port
    server.close()
    register(smtp_server="localhost", smtp_port=port, deadline=1.0, ledger="off")
    finished: Any = uneventful()
    event = RunEvent("failed", Client().get_pipeline_run(finished.id))
    teller = Teller("test")
    assert not teller.tell(event)
    assert teller.failed == 1
    assert Claims().claim(event, 60.0) == "mine"
    Claims().release(event)


def test_machines_share_a_ledger(
    register: Callable[..., Any], server: SMTPServer, cluster: Any
) -> None:
    """Of those who share a ledger on PostgreSQL one mails an event, when it is free."""
    server.users.clear()
    location = cluster.url()
    register(
        smtp_server="localhost",
        smtp_port=server.port,
        smtp_ca_file=str(server.ca_file),
        ledger=location,
    )
    finished: Any = uneventful()
    event = RunEvent("failed", Client().get_pipeline_run(finished.id))
    name = Client().active_stack_model.name  # the alerter has the same
    ledger = Ledger(location, alerter=name)
    claims = Claims(ledger.told)
    assert claims.claim(event, 60.0) == "mine"
    assert not Teller("test").tell(event)
    claims.release(event)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: Teller("test").tell(event), range(4)))
    assert True in answers
    assert len(server.mails) == 1
    assert claims.claim(event, 60.0) == "told"
    ledger.close()
    # Those without the ledger know it from the run.
    assert Claims().claim(event, 60.0) == "told"


def test_a_question_is_mailed_once(alerter: Any, server: SMTPServer) -> None:
    """A run that waits is mailed with its question, and with the command that answers it."""
    pytest.importorskip("zenml", minversion="0.95.1")
    asking()
    for _ in range(300):
        Watcher(Teller("test"), lookback=timedelta(0), patience=86_400.0).look()
        if server.mails:
            break
        time.sleep(0.2)
    (mail,) = server.mails
    text = mail.message.get_body(("plain",))
    assert text is not None
    said = text.get_content()
    assert mail.message["Subject"] == "Paused: asking"
    assert "Deploy it?" in said
    assert "zenml pipeline runs wait-conditions resolve --run" in said
    (run,) = Client().list_pipeline_runs(pipeline="asking", hydrate=True).items
    assert paused(run) is not None
    assert run.active_wait_condition is not None
    Client().resolve_run_wait_condition(run.active_wait_condition.id, result=True)
    assert paused(Client().get_pipeline_run(run.id)) is None


def test_every_project_is_watched(run: Any) -> None:
    """A watcher sees the runs of all projects, or of those it is told to watch."""
    client = Client()
    client.create_project("another", "")
    client.set_active_project("another")
    try:
        elsewhere: Any = uneventful()
    finally:
        client.set_active_project("default")

    class Listener(Teller):
        def tell(self, event: RunEvent, *, hooks_are_over: bool = False) -> bool:
            heard.append(event.run.id)
            return True

    def look(*projects: str) -> list[Any]:
        heard.clear()
        hour = timedelta(hours=1)
        Watcher(Listener("test"), lookback=hour, patience=1e5, projects=projects).look()
        return heard

    heard: list[Any] = []
    assert {run.id, elsewhere.id} <= {*look()}
    assert elsewhere.id not in look("default")
    assert look("another") == [elsewhere.id]


def test_late_and_silent_are_judged_by_the_clock(run: Any) -> None:
    """A run is late after `max_duration`, and silent after its patience; not before."""
    soon, later = run.start_time + timedelta(seconds=5), run.start_time + timedelta(hours=1)
    assert running_late(run, soon, 60.0) is None
    late = running_late(run, later, 60.0)
    assert late is not None
    assert "max_duration" in late.detail
    assert silent(run, soon, 600.0) is None
    assert silent(run, later, 7200.0) is None
    assert silent(run, later, 600.0) is not None


def test_unknown_events_are_refused() -> None:
    """A misspelt event is an error that lists the right ones; max_duration implies late."""
    with pytest.raises(Exception, match="unknown event 'fialed'"):
        resolve({"run_alerts": "fialed"}, replace=lambda value: value)
    assert not Resolved().alerts_about("late")
    assert Resolved(max_duration=60).alerts_about("late")
    assert "run_alerts" in SMTPEmailAlerterSettings.model_fields


def test_the_handler_takes_a_note_and_raises_nothing(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ZenML gets its thread back while the mail is still to be sent."""
    dispatcher = pytest.importorskip("zenml.dispatcher")
    from zenmail_zenml.watching.handler import RunAlerts

    handler = RunAlerts()
    asked, go_on = threading.Event(), threading.Event()

    def slow(*_: object, **__: object) -> bool:
        asked.set()
        go_on.wait(60)
        raise RuntimeError("our mistake")

    monkeypatch.setattr(Teller, "tell", slow)
    event = dispatcher.PipelineRunStatusUpdate(run=run, previous_status="running")
    handler.handle_event(event)
    assert asked.wait(60)
    handler.handle_event(event)  # and while the thread is at work
    handler.handle_event(None)  # type: ignore[arg-type]
    monkeypatch.setattr(Teller, "tell", lambda *_, **__: True)
    go_on.set()
    handler.close()


@pytest.mark.parametrize("call", ["settings._fetch", "alerter.RunContext.settings"])
def test_a_silent_zenml_does_not_outlast_the_deadline(
    alerter: Any, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Whatever `post` asks ZenML for, it gives up at its deadline."""
    over = threading.Event()

    def hang(*_: object) -> None:
        over.wait(250)
        raise TimeoutError

    stored_secrets.forget()
    monkeypatch.setattr(f"zenmail_zenml.{call}", hang)
    started = time.monotonic()
    assert alerter.post("x", {"deadline": 1.0}) is False
    assert time.monotonic() - started < 120
    over.set()


def test_nobody_waits_for_the_record(
    run: Any, alerter: Any, server: SMTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`post` returns once the mail is delivered; what ZenML keeps of it is written later."""
    go_on, written = threading.Event(), threading.Event()

    def write(*_: object) -> None:
        go_on.wait(250)
        written.set()

    monkeypatch.setattr("zenmail_zenml.lineage.write_metadata", write)
    assert alerter.post_about(RunContext(run=run), "x", {"deadline": 200.0}) is True
    assert not written.is_set()
    go_on.set()
    assert written.wait(60)


def test_a_warm_alert_reads_no_secret(
    alerter: Any, server: SMTPServer, monkeypatch: pytest.MonkeyPatch, zenml_store: Path
) -> None:
    """Two posts ask ZenML for a secret once; after a refusal it is asked again."""
    from zenmail_zenml import settings

    fetch = settings._fetch
    asked: list[str] = []

    def counted(name: str, key: str) -> Any:
        asked.append(name)
        return fetch(name, key)

    monkeypatch.setattr(settings, "_fetch", counted)
    stored_secrets.forget()
    for _ in range(2):
        assert alerter.post("x") is True
    assert asked == ["email_credentials"]
    server.on("rcpt", "550 5.1.1 Unknown user")
    assert alerter.post("x") is False
    assert alerter.post("x") is not None
    assert len(asked) == 2


def test_a_watcher_sends_what_waits_in_the_ledger(alerter: Any, server: SMTPServer) -> None:
    """A mail left in the queue goes with the watcher's next look."""
    assert alerter.post("queued", {"delivery": "queue"}) is True
    assert server.mails == []
    teller = Teller("test", alerter=alerter.name)
    watcher = Watcher(teller, lookback=timedelta(0), patience=86_400.0)
    assert watcher.look().sent == 1
    assert [str(mail.message["Subject"]) for mail in server.mails] == ["queued"]
    assert watcher.look().sent == 0


def test_once_counts_the_mails(
    register: Callable[..., Any], server: SMTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    """What was sent and what was not is counted; a mail that nobody took makes the status 1."""
    server.users.clear()
    alerter = register(
        smtp_server="localhost",
        smtp_port=server.port,
        smtp_ca_file=str(server.ca_file),
        deadline=1.0,
    )

    def watch() -> Any:
        alerter.post("queued", {"delivery": "queue"})
        arguments = ["watch", "--once", "--lookback=0", f"--alerter={alerter.name}"]
        return CliRunner().invoke(app, arguments, prog_name="zenmail")

    up = watch()
    assert "1 sent, 0 not delivered" in up.stdout
    assert up.exit_code == 0
    server.close()
    with caplog.at_level("INFO", logger="zenmail"):
        away = watch()
    assert "0 sent, 1 not delivered" in away.stdout
    assert away.exit_code == 1
    # ZenML appends what a record has besides as JSON.
    known = {*vars(logging.makeLogRecord({})), "message", "asctime"}
    ours = [record for record in caplog.records if record.name.startswith("zenmail.delivery")]
    assert ours
    assert not {name for record in ours for name in vars(record)} - known


def test_an_event_on_a_stack_without_alerter_is_counted(zenml_store: Path) -> None:
    """Nobody mails it, which is not the same as a mail that was sent."""
    finished: Any = uneventful()
    teller = Teller("test")
    assert teller.tell(RunEvent("failed", Client().get_pipeline_run(finished.id)))
    assert (teller.sent, teller.failed, teller.unmailed) == (0, 0, 1)


def test_what_nobody_could_deliver_waits_in_the_run(
    register: Callable[..., Any], server: SMTPServer
) -> None:
    """Without a ledger an alert goes to the run's metadata, redacted, and from there once."""
    server.users.clear()
    server.on("rcpt", "451 4.3.0 Try again later")
    alerter = register(
        smtp_server="localhost",
        smtp_port=server.port,
        smtp_ca_file=str(server.ca_file),
        deadline=2.0,
        ledger="off",
        run_alerts="none",
    )
    finished: Any = uneventful()
    context = RunContext(run=Client().get_pipeline_run(finished.id))
    to = {"recipient_email": "oncall@example.com"}
    secret = "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a"
    assert (
        alerter.post_about(
            context, f"Accuracy fell\n{secret} password=hunter2 " + 70_000 * "x", to
        )
        is False
    )
    recording.close()
    kept = str(Client().get_pipeline_run(finished.id).run_metadata)
    assert "zenmail-undelivered-" in kept
    assert secret not in kept
    assert "hunter2" not in kept
    assert len(kept) < 40_000
    server.forget()
    for _ in range(2):
        watcher = Watcher(Teller("test"), lookback=timedelta(hours=1), patience=86_400.0)
        watcher.look()
    mails = [mail for mail in server.mails if mail.recipients == ["oncall@example.com"]]
    assert [str(mail.message["Subject"]) for mail in mails] == ["Accuracy fell"]
