"""Behaviour of values: shown as people read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import pytest

from zenmail.composing.values import duration, format_metric, format_value


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    y: int


class Pair(NamedTuple):
    x: int
    y: int


class Scalar:
    """A number of a foreign library, such as a tensor of one element."""

    ndim = 0

    def item(self) -> float:
        return 0.5


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        (20240101, "20240101"),
        (True, "True"),
        (None, "None"),
        (0.1 + 0.2, "0.3"),
        (Colour.RED, "red"),
        (b"ab\xff", "ab\\xff"),
        (Path("a/b"), "a/b"),
        (Scalar(), "0.5"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc), "2026-01-02 03:04:05 UTC"),
        (timedelta(seconds=125), "2 min 05 s"),
        ([1, 2], "1, 2"),
        (Point(1, 2), "x: 1, y: 2"),
        (Pair(1, 2), "x: 1, y: 2"),
        (list(range(25)), ", ".join(map(str, range(20))) + ", and 5 more"),
        ({"a": {"b": 1}}, "a.b: 1"),
    ],
)
def test_values_are_readable(value: object, text: str) -> None:
    """Values of every kind are shown as people read them, whole numbers digit by digit."""
    assert format_value(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.912345678, "0.91235"),
        (1204331, "1,204,331"),
        (1234.5678, "1,234.6"),
        (3e-7, "3e-07"),
        (float("nan"), "not a number"),
        (float("inf"), "infinite"),
        (0.0, "0"),
        ("n/a", "n/a"),
        (10**400, "about 10^400"),
        (Scalar(), "0.5"),
        (1e300, "1e+300"),
    ],
)
def test_metrics_have_sensible_digits(value: object, text: str) -> None:
    """Measured values have five significant digits and groups of thousands."""
    assert format_metric(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (0.042, "42 ms"),
        (0.1, "0.1 s"),
        (9.96, "10 s"),
        (65, "1 min 05 s"),
        (7800, "2 h 10 min"),
        (200_000, "2 d 7 h"),
        (float("nan"), "n/a"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """Time spans are told in the units that matter."""
    assert duration(seconds) == text
