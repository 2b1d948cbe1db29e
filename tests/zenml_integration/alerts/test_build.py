"""What is posted becomes an alert, with the facts of the run around it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from zenmail import Alert
from zenmail_zenml import AlerterMessage, SMTPEmailAlerterParameters
from zenmail_zenml.alerts.build import build_alert
from zenmail_zenml.alerts.run_context import RunContext

pytestmark = pytest.mark.zenml

run: Any = SimpleNamespace(name="train-1", id="run-id", pipeline=SimpleNamespace(name="train"))
step: Any = SimpleNamespace(name="fit")
IN_STEP = RunContext(run=run, step=step)


def build(message: object, *, context: RunContext = IN_STEP, **params: Any) -> Alert:
    """Return the alert for a post."""
    parameters = SMTPEmailAlerterParameters(**params) if params else None
    return build_alert(message, parameters, context, include_pipeline_info=True)


class Unprintable:
    """Has no text."""

    def __str__(self) -> str:
        raise KeyError("text")


def test_text_stays_as_it_is() -> None:
    """Text is not read as Markdown, and facts say where it comes from."""
    alert = build("my_feature_store")
    assert (alert.body, alert.body_format) == ("my_feature_store", "plain")
    assert {"Pipeline": "train", "Run": "train-1", "Step": "fit"}.items() <= alert.facts.items()
    assert alert.thread == "run-id"
    assert alert.list_id == "train"


def test_facts_of_the_user_replace_those_of_the_run() -> None:
    """A fact is shown once, whatever the case of its label."""
    alert = build(AlerterMessage(title="t", metadata={"pipeline": "mine"}))
    assert alert.facts["pipeline"] == "mine"
    assert "Pipeline" not in alert.facts


@pytest.mark.parametrize(
    ("context", "title"),
    [
        (IN_STEP, "Message from step fit"),
        (RunContext(run=run), "Message from pipeline train"),
        (RunContext(), "Message from ZenML"),
    ],
)
def test_nothing_gets_a_title(context: RunContext, title: str) -> None:
    """A post without words is titled after the place it comes from."""
    assert build(None, context=context).title == title
    assert build(None, context=context, subject="Own").title == "Own"


def test_what_has_no_text_is_named() -> None:
    """An object whose str() fails is stated by its type."""
    assert build(Unprintable()).body == "(Unprintable that cannot be shown: KeyError)"


def test_a_missing_attachment_is_a_fact(tmp_path: Path) -> None:
    """The mail goes out with the files that are there, and says which are not."""
    (tmp_path / "there.txt").write_text("x")
    paths = [tmp_path / "there.txt", tmp_path / "gone.txt"]
    alert = build("t", attachments=paths)
    assert [item.filename for item in alert.attachments] == ["there.txt"]
    assert "gone.txt" in str(alert.facts["Not attached"])


def test_an_alert_keeps_what_it_sets() -> None:
    """An `Alert` passes through with the run's facts added."""
    alert = build(Alert(title="Own", severity="error", facts={"Loss": 1}))
    assert (alert.title, alert.severity, alert.facts["Loss"]) == ("Own", "error", 1)
    assert alert.facts["Run"] == "train-1"


@pytest.mark.parametrize(
    ("error", "shown"),
    [(KeyError("model"), "KeyError: 'model'"), (AssertionError(), "AssertionError")],
)
def test_a_posted_exception_is_called_by_its_type(error: Exception, shown: str) -> None:
    """A KeyError says only the key of itself, and a bare AssertionError nothing."""
    alert = build(error)
    assert (alert.subject, alert.error, alert.severity) == (f"Error: {shown}", shown, "error")


def test_what_has_columns_is_a_table() -> None:
    """A mapping and a printed frame: neither's first row is taken for the title."""
    title = "Message from step train"
    context = RunContext(step=SimpleNamespace(name="train"))  # type: ignore[arg-type]
    posted = build_alert({"rows": 12}, None, context, include_pipeline_info=False)
    assert (posted.title, posted.tables) == (title, {"dict": {"rows": 12}})
    printed = "  plan  rows\n0    a    12"
    posted = build_alert(printed, None, context, include_pipeline_info=False)
    assert (posted.title, posted.body) == (title, printed)
