"""The stock hooks' texts: recognised whole, or left alone."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from zenmail_zenml.alerts.standard_hooks import parse_hook_text, plain_traceback

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


@pytest.mark.parametrize("width", [60, 80, 200])
def test_failure_has_a_traceback_without_the_box(width: int) -> None:
    """The drawn traceback reads as Python's: causes, frames, the message in one piece."""
    found = recognised(failure(width))
    assert found["title"] == "Pipeline Failure Alert"
    assert found["severity"] == "error"
    text = found["traceback"]
    assert not any(mark in text for mark in "╭╰│❱")
    assert text.count("Traceback (most recent call last):") == 2
    assert ", in raise_deep\n" in text
    assert "    raise_deep(depth - 1)\n" in text
    assert "KeyError: 'key'" in text
    message = "ValueError: " + "the model " * 12 + "is gone\nand `__init__` is <module>"
    assert found["error"] == message
    assert text.endswith(message)


def test_the_exception_that_is_handled_is_shown_itself() -> None:
    """Inside the handler, as ZenML calls the hook, Python's own traceback is mailed."""
    found = {}
    try:
        raise_deep(1)
    except ValueError:
        found = recognised(failure(60))
    assert "# " not in found["traceback"]
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


@given(st.text(alphabet="│╭╰❱ ─Traceback\n`:(1)in <class'>", max_size=400))
def test_nothing_breaks_the_reader(noise: str) -> None:
    """Whatever stands in a box, reading ends with text."""
    head = failure().partition("Exception:")[0]
    found = parse_hook_text(f"{head}Exception: `(<class 'X'>) {noise}`\n\n")
    assert found is None or isinstance(found["traceback"], str)


@pytest.mark.parametrize(
    "piece",
    [
        "│ " + "│   " * 50 + "x\n",
        "│ " + ":1 in " * 20 + "\n",
        "word \n",
        "╭─ Traceback ─╮\n",
        "│ 1" + "1" * 90,
    ],
)
def test_reading_takes_time_in_proportion(piece: str) -> None:
    """Sixteen times the text takes nowhere near two hundred and fifty times the time."""
    start = "╭──────────── Traceback (most recent call last) ────────────╮\n"

    def seconds(times: int) -> float:
        text = start + piece * times
        fastest = float("inf")
        for _ in range(5):
            begun = time.process_time()
            plain_traceback(text)
            fastest = min(fastest, time.process_time() - begun)
        return fastest

    assert seconds(16_000) < 80 * max(seconds(1_000), 1e-3)
