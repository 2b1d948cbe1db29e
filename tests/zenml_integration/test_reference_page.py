"""The samples of the alerter's reference page, word for word."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from zenmail.testing.smtp_server import ReceivedMail, SMTPServer

pytestmark = [pytest.mark.zenml, pytest.mark.once]

PAGE = Path(
    os.environ.get("ZENMAIL_REFERENCE_PAGE")
    or Path(__file__).parents[3] / "shared/reference/smtp-email-alerter.md"
)
# The page's third Python sample goes on where the second one ends.
DIRECT, SETTINGS, PARAMETERS, HTML, STANDARD, ENHANCED, GENERIC = range(7)


@pytest.fixture(scope="session")
def samples() -> list[str]:
    """The page's Python samples, in order."""
    if not PAGE.is_file():
        pytest.skip(f"the reference page is not here: {PAGE}")
    found = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(found) == 7
    return found


@pytest.fixture
def load(zenml_store: Path) -> Callable[[str], ModuleType]:
    """Write source into ZenML's source root and import it."""

    def do(source: str) -> ModuleType:
        name = f"page_sample_{len(list(zenml_store.glob('page_sample_*.py')))}"
        path = zenml_store / f"{name}.py"
        path.write_text(source, encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module

    return do


def part(mail: ReceivedMail, kind: str) -> str:
    """Return the mail's text or HTML, or "" when it has none."""
    body = mail.message.get_body((kind,))
    return body.get_content() if body is not None else ""


def test_direct_post(
    samples: list[str], load: Callable[[str], Any], alerter: Any, server: SMTPServer
) -> None:
    """The page's first sample mails its sentence, and says from where."""
    load(samples[DIRECT]).my_pipeline()
    (mail,) = server.mails
    assert mail.recipients == ["default@example.com"]
    assert mail.message["Subject"] == "Pipeline step completed successfully!"
    for kind in ("plain", "html"):
        assert "Pipeline step completed successfully!" in part(mail, kind)
        assert "my_pipeline" in part(mail, kind)
        assert "send_email_alert" in part(mail, kind)


def test_step_settings(
    samples: list[str], load: Callable[[str], Any], alerter: Any, server: SMTPServer
) -> None:
    """A step's settings choose recipient and prefix."""
    load(samples[SETTINGS]).my_pipeline()
    (mail,) = server.mails
    assert mail.recipients == ["team@example.com"]
    assert mail.message["Subject"] == "[URGENT] Critical alert: Database backup required!"
    assert "Database backup required!" in part(mail, "plain")
    assert "Database backup required!" in part(mail, "html")


def test_parameters_and_payload(
    samples: list[str], load: Callable[[str], Any], alerter: Any, server: SMTPServer
) -> None:
    """Parameters choose recipient and subject; the payload is shown."""
    from zenml.client import Client

    load(samples[PARAMETERS]).my_pipeline()
    (mail,) = server.mails
    assert mail.recipients == ["team@example.com"]
    assert mail.message["Subject"] == "Pipeline Execution Update"
    for kind in ("plain", "html"):
        assert "all validation tests passing." in part(mail, kind)
        for fact in ("my_pipeline", "send_pipeline_status", Client().active_stack.name):
            assert fact in part(mail, kind)


def test_custom_html(
    samples: list[str], load: Callable[[str], Any], alerter: Any, server: SMTPServer
) -> None:
    """The HTML part is the user's own, the text part the message."""
    head, _, tail = samples[PARAMETERS].partition("@pipeline")
    call = tail.replace("send_pipeline_status()", "send_custom_html_email()")
    load(f"{head}\n{samples[HTML]}\n@pipeline{call}").my_pipeline()
    (mail,) = server.mails
    assert mail.message["Subject"] == "Model Training Results"
    assert "Recall: 88.7%" in part(mail, "plain")
    html = part(mail, "html")
    assert "Model Training Complete</h1>" in html
    assert "max-width: 600px; margin: 0 auto;" in html
    assert '<a href="https://cloud.zenml.io" style="color: #4A6CFA;">' in html


@pytest.mark.parametrize("outcome", ["success", "failure"])
def test_standard_hooks(
    samples: list[str],
    load: Callable[[str], Any],
    alerter: Any,
    server: SMTPServer,
    outcome: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The stock hooks' text becomes a notification with facts, or an alert with a traceback."""
    import random

    module = load(samples[STANDARD])
    monkeypatch.setattr(random, "random", lambda: 0.4 if outcome == "failure" else 0.6)
    if outcome == "failure":
        with pytest.raises(RuntimeError):
            module.my_pipeline()
    else:
        # The sample returns a str from a step that promises none, which ZenML refuses
        # after the hook has run.
        with pytest.raises(Exception, match=r".*"):
            module.my_pipeline()
    mail = server.mails[0]
    title = {
        "success": "Pipeline Success Notification",
        "failure": "Pipeline Failure Alert",
    }[outcome]
    assert mail.message["Subject"] == title
    for kind in ("plain", "html"):
        assert title in part(mail, kind)
        assert all(word in part(mail, kind) for word in ("my_pipeline", "risky_step"))
        assert "Hook Notification" not in part(mail, kind)
        assert "╭" not in part(mail, kind)
    if outcome == "failure":
        assert len(server.mails) == 1
        assert "RuntimeError: Step failed with a simulated error" in part(mail, "plain")
        assert 'raise RuntimeError("Step failed with a simulated error")' in part(mail, "plain")


@pytest.mark.parametrize("outcome", ["success", "failure"])
def test_email_hooks(
    samples: list[str],
    load: Callable[[str], Any],
    alerter: Any,
    server: SMTPServer,
    outcome: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The e-mail hooks say in the subject what happened, and why below."""
    import random

    module = load(samples[ENHANCED])
    monkeypatch.setattr(random, "random", lambda: 0.4 if outcome == "failure" else 0.6)
    with pytest.raises(Exception, match=r".*"):
        module.my_pipeline()
    mail = server.mails[0]
    subject = mail.message["Subject"]
    assert "risky_step" in subject
    assert "my_pipeline" in subject
    if outcome == "failure":
        assert len(server.mails) == 1
        assert subject.startswith("Failed: ")
        assert ": RuntimeError" in subject
        text = part(mail, "plain")
        assert text.count("RuntimeError: Step failed with a simulated error") == 2
        assert text.index("RuntimeError") < text.index("Traceback")
        assert "step_runner.py" not in text
    else:
        # The same pipeline may have failed before, in the other case.
        assert subject.startswith(("Completed: ", "Recovered: "))


def test_generic_step(
    samples: list[str], load: Callable[[str], Any], alerter: Any, server: SMTPServer
) -> None:
    """The generic step mails an AlerterMessage; its metadata chooses the recipient."""
    load(samples[GENERIC]).notification_pipeline()
    (mail,) = server.mails
    assert mail.recipients == ["team@example.com"]
    assert mail.message["Subject"] == "Pipeline Notification"
    for kind in ("plain", "html"):
        assert "Pipeline execution started!" in part(mail, kind)
        assert "notification_pipeline" in part(mail, kind)
        assert "include_pipeline_info" not in part(mail, kind)
