"""What an Alert takes, refuses, and how it is stored."""

from __future__ import annotations

import copy
import pickle
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zenmail import Alert, ConfigurationError, Image, StepSummary


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (5, "5"), (ValueError("boom"), "ValueError: boom"), (b"x", "x")],
)
@pytest.mark.parametrize("field", ["title", "body", "error", "traceback"])
def test_no_type_of_text_loses_an_alert(field: str, value: object, text: str) -> None:
    """What a program has at hand becomes text."""
    assert getattr(Alert(**{field: value}), field) == text  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"severity": "fatal"}, "severity"),
        ({"sevrity": "info"}, "'sevrity' is not an argument"),
        ({"facts": 5}, "facts"),
        ({"steps": [{"status": "failed"}]}, "steps.0.name"),
        ({"attachments": ["/no/such/file"]}, "no such file"),
        ({"occurred_at": "hunter2"}, "occurred_at"),
    ],
)
def test_what_is_unusable_is_refused_in_a_sentence(values: dict[str, Any], says: str) -> None:
    """The error names the argument and repeats no value."""
    with pytest.raises(ConfigurationError) as caught:
        Alert(**values)
    assert says in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "validation error" not in str(caught.value)


@given(st.text(), st.binary(), st.dictionaries(st.text(), st.integers() | st.text()))
def test_an_alert_survives_json(text: str, content: bytes, facts: dict[str, Any]) -> None:
    """Texts, pictures and files come back to the byte, surrogates aside."""
    alert = Alert(
        title=text,
        facts=facts,
        images=[Image(source=content, alt=text)],
        attachments=[("a.bin", content)],
        steps=[StepSummary(name="train", status="failed", seconds=1.5)],
    )
    assert Alert.model_validate_json(alert.model_dump_json()) == alert


def test_a_picture_by_its_path_is_stored_as_path(tmp_path: Path) -> None:
    """Only bytes become a data: URL."""
    stored = Image(source=tmp_path / "a.png").model_dump_json()
    assert Image.model_validate_json(stored).source == str(tmp_path / "a.png")
    assert Image(source="data:image/png;base64,iVBORw==").source == b"\x89PNG"


def test_it_is_copied_and_pickled() -> None:
    """Processes hand alerts to one another."""
    alert = Alert(title="t", images=[Image(source=b"x")], facts={"a": 1})
    assert copy.deepcopy(alert) == alert
    assert pickle.loads(pickle.dumps(alert)) == alert


def test_facts_are_added_and_replaced() -> None:
    """The later fact wins; the first alert stays as it is."""
    alert = Alert(facts={"a": 1, "b": 2})
    assert alert.with_facts({"b": 3, "c": 4}).facts == {"a": 1, "b": 3, "c": 4}
    assert alert.facts == {"a": 1, "b": 2}
    with pytest.raises(ConfigurationError):
        alert.replace(severity="fatal")


def test_sentences_without_end_are_cut() -> None:
    """What never ends, or is no list at all, neither fills the memory nor loses the alert."""
    assert len(Alert(title="x", next_steps=map(str, count())).next_steps) == 1_000
    assert Alert(title="x", next_steps=5).next_steps == ("5",)  # type: ignore[arg-type]
