"""The stock hooks' texts: recognised whole, or left alone."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from zenmail_zenml.alerts.standard_hooks import parse_hook_text

SUCCESS = (
    "*Success Hook Notification! Step completed successfully*\n\n"
    "Pipeline name: `train`\nRun name: `train-2026_11_25-00_41_35`\nStep name: `fit`\n"
    "Parameters: `{'epochs': 3, 'tag': 'a`b'}`\n"
)


def raise_deep(depth: int) -> None:
    """Raise a long message from some frames down, with a cause."""
    if depth:
        raise_deep(depth - 1)
    try:
        raise KeyError("key")
    except KeyError as error:
        raise ValueError("the model " * 12 + "is gone\nand `__init__` is <module>") from error


def drawn(width: int) -> str:
    """Return a traceback as rich draws it on a terminal of this width."""
    output = io.StringIO()
    try:
        raise_deep(2)
    except ValueError:
        Console(file=output, width=width).print_exception(show_locals=False)
    return output.getvalue()


def failure(width: int = 80, kind: str = "ValueError") -> str:
    """Return the stock failure hook's text."""
    head = SUCCESS.replace(
        "*Success Hook Notification! Step completed successfully*",
        "*Failure Hook Notification! Step failed!*",
    )
    return f"{head}Exception: `(<class '{kind}'>) {drawn(width)}`\n\n"


def recognised(text: str) -> dict[str, Any]:
    """Return what is recognised, which is something."""
    found = parse_hook_text(text)
    assert found is not None
    return found


def test_success_has_title_and_facts() -> None:
    """A success text gives the notification's title and each fact; parameters by name."""
    found = recognised(SUCCESS)
    assert found["title"] == "Pipeline Success Notification"
    assert found["severity"] == "success"
    assert found["facts"] == {
        "Pipeline": "train",
        "Run": "train-2026_11_25-00_41_35",
        "Step": "fit",
        "Parameters": {"epochs": 3, "tag": "a`b"},
    }


def test_failure_that_is_handled_no_more() -> None:
    """Outside of the handler the exception's kind is mailed, and nothing of rich's box."""
    found = recognised(failure())
    assert found["title"] == "Pipeline Failure Alert"
    assert found["severity"] == "error"
    assert found["error"] == "ValueError"
    assert "traceback" not in found


def test_the_exception_that_is_handled_is_shown_itself() -> None:
    """Inside the handler, as ZenML calls the hook, Python's own traceback is mailed."""
    found = {}
    try:
        raise_deep(1)
    except ValueError:
        found = recognised(failure(60))
    message = "ValueError: " + "the model " * 12 + "is gone\nand `__init__` is <module>"
    assert found["error"] == f"KeyError: 'key'\nIt ended in {message}"
    text = found["traceback"]
    assert not any(mark in text for mark in "╭╰│❱")
    assert text.count("Traceback (most recent call last):") == 2
    assert ", in raise_deep\n" in text
    assert "KeyError: 'key'" in text
    assert "# " not in text
    assert '    raise ValueError("the model " * 12' in found["traceback"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*Failure Hook Notification! Step failed!*",
        "*Failure Hook Notification! Step failed!* in production",
        SUCCESS + "and more of my own",
        "Note: " + SUCCESS,
        SUCCESS.replace("Step name", "Task name"),
        failure() + "my own words",
        "╭─ Traceback ─╮\n│ mine │\n╰─╯",
    ],
)
def test_other_text_is_left_alone(text: str) -> None:
    """What is not exactly a stock hook's text is nobody's but the user's."""
    assert parse_hook_text(text) is None
