"""The hooks: one mail per failed step, one summary per dynamic run, and nothing in the way."""

import importlib.util
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from zenml import pipeline, step
from zenml.client import Client

from zenmail.testing.smtp_server import ReceivedMail, SMTPServer
from zenmail_zenml import (
    SMTPEmailAlerterSettings,
    smtp_email_alerter_end_hook,
    smtp_email_alerter_failure_hook,
    smtp_email_alerter_start_hook,
    smtp_email_alerter_success_hook,
)
from zenmail_zenml.alerts.run_context import RunContext

pytestmark = pytest.mark.zenml

HOOKS = {
    "on_start": smtp_email_alerter_start_hook,
    "on_success": smtp_email_alerter_success_hook,
    "on_failure": smtp_email_alerter_failure_hook,
    "on_end": smtp_email_alerter_end_hook,
}


@step
def load_rows(rows: int = 3) -> int:
    """Succeed."""
    return rows


@step
def explode(rows: int, api_key: str = "hunter2hunter2") -> None:
    """Fail."""
    raise ValueError(f"no model for {rows} rows\nand a second line")


@step
def post_unheard() -> bool:
    """Post to a server that is not there."""
    alerter: Any = Client().active_stack.alerter
    return bool(alerter.post("Unheard\nwords"))


@step
def post_six() -> None:
    """Post six times."""
    alerter: Any = Client().active_stack.alerter
    for number in range(6):
        alerter.post(f"Alert {number}")


def make_dynamic(name: str, body: Callable[[], None], **hooks: Any) -> Any:
    """Return a dynamic pipeline that ZenML finds under its name in this module."""
    body.__name__ = body.__qualname__ = name
    try:
        return pipeline(dynamic=True, enable_cache=False, **hooks)(body)
    except TypeError:  # this ZenML knows no such hooks
        return None


def _failing() -> None:
    explode(load_rows())


def _fine() -> None:
    load_rows()
    load_rows()


def _posting() -> None:
    post_six()


def _failing_itself() -> None:
    explode.with_options(on_failure=smtp_email_alerter_failure_hook)(load_rows())


dynamic_failing = make_dynamic(
    "dynamic_failing", _failing, on_failure=smtp_email_alerter_failure_hook
)
dynamic_fine = make_dynamic("dynamic_fine", _fine, **HOOKS)
dynamic_storm = make_dynamic("dynamic_storm", _posting, on_end=smtp_email_alerter_end_hook)
dynamic_both = make_dynamic(
    "dynamic_both", _failing_itself, on_failure=smtp_email_alerter_failure_hook
)


def run_level_hooks() -> bool:
    """Whether this ZenML runs a dynamic pipeline's hooks once for the run."""
    try:
        import zenml.hooks.execution  # noqa: F401
    except ImportError:
        return False
    return True


def subjects(server: SMTPServer) -> list[str]:
    """Return the subjects of the mails that arrived, in order."""
    return [str(mail.message["Subject"]) for mail in server.mails]


def text(mail: ReceivedMail) -> str:
    """Return a mail's text part."""
    body = mail.message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def fail(run: Callable[[], Any]) -> None:
    """Run a pipeline that fails."""
    with pytest.raises((ValueError, RuntimeError)):
        run()


def test_a_failed_step_is_one_mail(alerter: Any, server: SMTPServer) -> None:
    """A static pipeline's failure hook mails once: the reason first, no secret, the code."""

    @pipeline(enable_cache=False, on_failure=smtp_email_alerter_failure_hook)
    def static_failing() -> None:
        explode(load_rows())

    fail(static_failing)
    assert subjects(server) == ["Failed: explode · static_failing: ValueError"]
    body = text(server.mails[0])
    assert body.index("no model for 3 rows") < body.index("Traceback")
    assert 'raise ValueError(f"no model' in body
    assert "hunter2hunter2" not in body
    assert "step_runner.py" not in body
    assert "Duration" in body


def test_settings_reach_the_hooks(alerter: Any, server: SMTPServer) -> None:
    """Recipients, prefix and HTML of a step's settings hold for its hooks."""
    settings = SMTPEmailAlerterSettings(
        recipient_email=["one@example.com", "two@example.com"],
        subject_prefix="[prod]",
        include_html=False,
    )
    chosen = load_rows.with_options(
        settings={"alerter": settings}, on_success=smtp_email_alerter_success_hook
    )

    @pipeline(enable_cache=False)
    def with_settings() -> None:
        chosen()

    with_settings()
    (mail,) = server.mails
    assert mail.recipients == ["one@example.com", "two@example.com"]
    assert subjects(server) == ["[prod] Completed: load_rows · with_settings"]
    assert mail.message.get_body(("html",)) is None


@pytest.mark.skipif(not run_level_hooks(), reason="this ZenML copies the hooks onto each step")
def test_a_dynamic_run_is_one_summary(alerter: Any, server: SMTPServer) -> None:
    """A failing dynamic run mails one summary: its steps, what failed and why, and when."""
    fail(dynamic_failing)
    (mail,) = server.mails
    assert subjects(server) == ["Failed: dynamic_failing: 1 of 2 failed"]
    body = text(mail)
    for word in ("completed", "1 of 2 steps failed", "ValueError: no model"):
        assert word in body
    assert body.index("- explode: failed") < body.index("- load_rows: completed")
    bars = mail.message.get_body(("html",))
    assert bars is not None
    assert bars.get_content().count('role="img"') == 2


@pytest.mark.skipif(not run_level_hooks(), reason="this ZenML copies the hooks onto each step")
def test_all_hooks_of_a_dynamic_run(alerter: Any, server: SMTPServer) -> None:
    """Start and summary are mailed once each, however many hooks speak of the end."""
    dynamic_fine()
    assert subjects(server) == [
        "Started: dynamic_fine",
        "Completed: dynamic_fine",
    ]
    assert "2 steps" in text(server.mails[1])


@pytest.mark.skipif(not run_level_hooks(), reason="this ZenML runs no hooks for a run")
def test_a_run_ends_with_its_digest_and_its_summary(
    register: Callable[..., Any], server: SMTPServer, tmp_path: Path
) -> None:
    """Of six alerts two go alone; the digest of four and the summary follow at the end."""
    register(
        smtp_server="localhost",
        smtp_port=str(server.port),
        smtp_username="relay-account",
        password="{{email_credentials.smtp_password}}",
        smtp_ca_file=str(server.ca_file),
        max_alerts_per_run=2,
        # Without one, the counts lie where every process of the user finds them.
        ledger=str(tmp_path / "ledger.db"),
    )
    dynamic_storm()
    first, second, digest, last = subjects(server)
    assert (first, second) == ("Alert 0", "Alert 1")
    assert "4" in digest
    assert last == "Completed: dynamic_storm"


@pytest.mark.skipif(not run_level_hooks(), reason="this ZenML has no such hooks of steps")
def test_a_step_of_a_dynamic_run_mails_for_itself(alerter: Any, server: SMTPServer) -> None:
    """A failed step's own mail and the run's summary are two mails, and not more."""
    fail(dynamic_both)
    first, second = subjects(server)
    assert first.startswith("Failed: explode · dynamic_both")
    assert second.startswith("Failed: dynamic_both")


def test_a_server_that_is_down_fails_no_run(
    register: Callable[..., Any], server: SMTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The run is completed, and the log says once per mail what was lost."""
    port = server.port
    server.close()
    register(smtp_server="127.0.0.1", smtp_port=port, deadline=1.0)
    hooked = load_rows.with_options(on_success=smtp_email_alerter_success_hook)

    @pipeline(enable_cache=False)
    def unheard() -> None:
        hooked()
        post_unheard()

    with caplog.at_level(logging.ERROR, logger="zenmail_zenml"):
        run: Any = unheard()
    assert str(run.status) == "completed"
    lost = [
        record.getMessage()
        for record in caplog.records
        if record.name == "zenmail_zenml.posting"
    ]
    assert len(lost) == 2
    assert "load_rows" in lost[0]
    assert "'Unheard' to default@example.com" in lost[1]


def test_a_broken_hook_fails_no_step(
    alerter: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A mistake of ours is a line in the log; the step and its exception are untouched."""

    def broken(*_: object) -> None:
        raise TypeError("our mistake")

    monkeypatch.setattr("zenmail_zenml.hooks._failure", broken)

    @pipeline(enable_cache=False, on_failure=smtp_email_alerter_failure_hook)
    def unlucky() -> None:
        explode(load_rows())

    fail(unlucky)
    assert "our mistake" in caplog.text
    assert "no model for 3 rows" in caplog.text


def test_the_end_is_mailed_if_the_configuration_cannot_be_read(
    alerter: Any, server: SMTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two mails are better than none where ZenML does not say which hooks are set."""

    class Unread:
        """A step whose details ZenML has to be asked for, and it is away."""

        name = "fit"

        @property
        def config(self) -> Any:
            raise ConnectionError("ZenML is away")

    context = RunContext(step=cast(Any, Unread()))
    monkeypatch.setattr("zenmail_zenml.hooks.current_context", lambda: context)
    smtp_email_alerter_end_hook(ValueError("no model"))
    assert subjects(server) == ["Failed: fit: ValueError"]


def test_a_hook_that_is_imported_twice_finds_the_alerter(
    alerter: Any, server: SMTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second copy of the hooks mails a failure as an error, with its traceback in place.

    ZenML imports a copy under a longer name where zenmail lies below its source root.
    """
    import zenmail_zenml

    before = set(sys.modules)
    spec = importlib.util.spec_from_file_location(
        "copy_of_zenmail_zenml", zenmail_zenml.__file__
    )
    assert spec is not None
    assert spec.loader is not None
    copy = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, copy)
    spec.loader.exec_module(copy)
    try:
        hooks = importlib.import_module(f"{spec.name}.hooks")
        try:
            raise ValueError("no model")
        except ValueError as error:
            hooks.smtp_email_alerter_failure_hook(error)
    finally:
        for name in set(sys.modules) - before:
            if name.startswith(spec.name):
                del sys.modules[name]
    (mail,) = server.mails
    assert str(mail.message["Subject"]) == "Failed: ValueError"
    assert b"no model" in mail.content
    assert text(mail).startswith("Error: ")
    assert "Raised at " in text(mail)
