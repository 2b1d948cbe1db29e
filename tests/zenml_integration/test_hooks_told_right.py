"""What the hooks say when a step is retried, stopped, or part of a dynamic run."""

import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from zenml import pipeline, step
from zenml.client import Client
from zenml.config.retry_config import StepRetryConfig
from zenml.enums import StackComponentType

from zenmail.testing.smtp_server import SMTPServer
from zenmail_zenml import (
    smtp_email_alerter_end_hook,
    smtp_email_alerter_failure_hook,
    smtp_email_alerter_success_hook,
)
from zenmail_zenml.lineage import recording

pytestmark = pytest.mark.zenml


def subjects(server: SMTPServer) -> list[str]:
    """Return the subjects of the mails that arrived, in order."""
    return [str(mail.message["Subject"]) for mail in server.mails]


@step
def never_works() -> None:
    """Fail."""
    raise ValueError("again")


@pytest.mark.skipif(
    version("zenml").startswith("0.94."), reason="this ZenML has no end hook of steps"
)
def test_only_the_last_attempt_is_a_failure(alerter: Any, server: SMTPServer) -> None:
    """A step that fails three times, twice of them to be retried, is one mail of its hook."""
    tried = never_works.with_options(
        retry=StepRetryConfig(max_retries=2), on_end=smtp_email_alerter_end_hook
    )

    @pipeline(enable_cache=False)
    def retried_in_vain() -> None:
        tried()

    with pytest.raises(RuntimeError):
        retried_in_vain()
    run = Client().list_pipeline_runs(pipeline="retried_in_vain").items[0]
    attempts = Client().list_run_steps(pipeline_run_id=run.id, exclude_retried=False).total
    assert attempts == 3
    assert [subject for subject in subjects(server) if "never_works" in subject] == [
        "Failed: never_works · retried_in_vain: ValueError"
    ]


def test_a_stopped_step_is_not_completed(
    alerter: Any, server: SMTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ZenML calls the end hook without an exception while it handles its own interrupt."""
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        smtp_email_alerter_end_hook(None)
    (subject,) = subjects(server)
    assert subject.startswith("Stopped")
    smtp_email_alerter_end_hook(None)
    assert subjects(server)[1].startswith("Completed")


def test_a_dynamic_failure_names_the_step_s_own_error(alerter: Any, server: SMTPServer) -> None:
    """ZenML's wrapper, nested or not, is taken off: error and traceback are the step's."""
    exceptions = pytest.importorskip("zenml.exceptions")
    if not hasattr(exceptions, "StepExecutionException"):
        pytest.skip("this ZenML wraps no exceptions")
    wrap = exceptions.StepExecutionException
    try:
        raise ValueError("no rows")
    except ValueError as error:
        inner = error
    wrapped = wrap("outer", original_exception=wrap("inner", original_exception=inner))
    smtp_email_alerter_failure_hook(wrapped)
    (mail,) = server.mails
    assert mail.message["Subject"].endswith(": ValueError")
    body = mail.message.get_body(("plain",))
    assert body is not None
    assert "no rows" in body.get_content()
    assert "StepExecutionException" not in body.get_content()
    assert 'raise ValueError("no rows")' in body.get_content()


def test_nobody_learns_of_bcc_from_the_metadata(
    register: Callable[..., Any], server: SMTPServer
) -> None:
    """The record of a mail names its recipients, but none that are hidden from the others."""
    server.users.clear()
    register(
        smtp_server="localhost",
        smtp_port=server.port,
        smtp_ca_file=str(server.ca_file),
        bcc="Hidden <hidden@example.com>",
    )
    hooked = quiet.with_options(on_success=smtp_email_alerter_success_hook)

    @pipeline(enable_cache=False)
    def with_bcc() -> None:
        hooked()

    run: Any = with_bcc()
    recording.close()
    (mail,) = server.mails
    assert "hidden@example.com" in mail.recipients
    recorded = Client().get_pipeline_run(run.id).steps["quiet"].run_metadata
    assert "default@example.com" in str(recorded)
    assert "hidden@example.com" not in str(recorded)


@step
def quiet() -> None:
    """Succeed."""


def test_text_for_another_alerter_holds_no_secret_and_names_the_run(
    zenml_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is handed to an alerter of another flavor is redacted and says where it is from."""
    from zenmail_zenml import hooks

    posted: list[str] = []

    class Chat:
        def post(self, text: str) -> bool:
            posted.append(text)
            return True

    monkeypatch.setattr(hooks, "_find_alerters", lambda: [Chat()])
    hooked = guarded.with_options(on_failure=smtp_email_alerter_failure_hook)

    @pipeline(enable_cache=False)
    def to_chat() -> None:
        hooked()

    with pytest.raises(RuntimeError):
        to_chat()
    (text,) = posted
    run = Client().list_pipeline_runs(pipeline="to_chat").items[0]
    assert run.name in text
    assert "to_chat" in text
    assert "hunter2hunter2" not in text


@step
def guarded(api_key: str = "hunter2hunter2") -> None:
    """Fail and say too much."""
    raise ValueError(f"api_key={api_key}")


@step
def post_from_a_thread() -> None:
    """Post from a thread that has none of the step's context."""
    alerter: Any = Client().active_stack.alerter
    thread = threading.Thread(target=alerter.post, args=["from a thread"])
    thread.start()
    thread.join()


def test_a_thread_of_a_step_posts_as_the_step(alerter: Any, server: SMTPServer) -> None:
    """Its mail names run and step, takes the step's settings, and joins the conversation."""
    settings = {"alerter": {"recipient_email": "step@example.com"}}
    posting = post_from_a_thread.with_options(
        settings=settings, on_success=smtp_email_alerter_success_hook
    )

    @pipeline(enable_cache=False)
    def threaded() -> None:
        posting()

    run: Any = threaded()
    from_thread, from_hook = server.mails
    assert from_thread.recipients == ["step@example.com"]
    body = from_thread.message.get_body(("plain",))
    assert body is not None
    assert run.name in body.get_content()
    assert from_thread.message["References"] == from_hook.message["References"] is not None


@step
def promises_a_number() -> int:
    """Return what was not promised."""
    return "text"  # type: ignore[return-value]


def test_a_failure_after_the_success_hook_is_told_as_well(
    alerter: Any, server: SMTPServer
) -> None:
    """ZenML stores outputs after the hook: the failure follows in the same conversation."""
    pytest.importorskip("zenml.dispatcher")
    hooked = promises_a_number.with_options(on_success=smtp_email_alerter_success_hook)

    @pipeline(enable_cache=False)
    def contradicted() -> None:
        hooked()

    with pytest.raises(Exception, match="promises_a_number"):
        contradicted()
    for _ in range(300):
        if len(server.mails) > 1:
            break
        time.sleep(0.2)
    completed, failed = server.mails
    assert completed.message["Subject"] == "Completed: promises_a_number · contradicted"
    assert failed.message["Subject"].startswith("Failed: ")
    assert failed.message["References"] == completed.message["References"] is not None


def test_each_of_two_alerters_has_its_own_settings(
    register: Callable[..., Any], server: SMTPServer
) -> None:
    """A hook mails through both, and the settings for one do not reach the other."""
    if version("zenml") < "0.94.3":
        pytest.skip("a stack has one alerter")
    server.users.clear()
    smtp = {"smtp_server": "localhost", "smtp_port": server.port}
    smtp["smtp_ca_file"] = str(server.ca_file)
    first, second = register(**smtp), register(**smtp)
    client = Client()
    client.update_stack(
        client.active_stack_model.id,
        component_updates={StackComponentType.ALERTER: [first.id, second.id]},
    )
    components = [item for item in client.active_stack.all_components if item.name != "default"]
    both: list[Any] = [item for item in components if item.type.value == "alerter"]
    assert len(both) == 2
    settings: dict[str, Any] = {
        f"alerter:{alerter.name}": {"recipient_email": f"{alerter.name}@example.com"}
        for alerter in both
    }

    hooked = quiet.with_options(on_success=smtp_email_alerter_success_hook)

    @pipeline(enable_cache=False, settings=settings)
    def two_alerters() -> None:
        hooked()

    two_alerters()
    assert [mail.recipients for mail in server.mails] == [
        [f"{alerter.name}@example.com"] for alerter in both
    ]
