"""Subjects fit an inbox; names lose their middle."""

from __future__ import annotations

import pytest

from zenmail.composing.headline import shortened, subject_line


@pytest.mark.parametrize(
    ("names", "detail", "subject"),
    [
        (("train", "churn_training"), "KeyError", "Failed: train · churn_training: KeyError"),
        (("forecast",), "2 of 40 failed", "Failed: forecast: 2 of 40 failed"),
        (("", "churn"), "", "Failed: churn"),
        ((), "", "Failed"),
    ],
)
def test_subject_leads_with_the_verdict(
    names: tuple[str, ...], detail: str, subject: str
) -> None:
    """Short names stand whole."""
    assert subject_line("Failed", *names, detail=detail) == subject


@pytest.mark.parametrize("length", [20, 60, 200])
def test_what_matters_stands_within_fifty_characters(length: int) -> None:
    """However long the names, the exception's type and both names' ends are there."""
    step, pipeline = "a" + "s" * length + "z", "b" + "p" * length + "y"
    subject = subject_line("Failed", step, pipeline, detail="UnicodeDecodeError")
    assert len(subject) <= 50
    assert subject.startswith("Failed: as")
    assert subject.endswith("y: UnicodeDecodeError")


def test_a_name_keeps_both_ends() -> None:
    """Only its middle goes, and not more than has to."""
    assert shortened("feature_store_production", 11) == "featu…ction"
    assert shortened("short", 5) == "short"
