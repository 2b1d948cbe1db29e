"""What changed in the data that a failed step read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from zenmail_zenml.alerts.data_changes import compare_data

pytestmark = [pytest.mark.zenml, pytest.mark.once]


def compared(was: dict[str, Any], now: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return kind, before and after of each change from one version of a table to the next."""
    old, new = (
        SimpleNamespace(
            id=number,
            version=str(number),
            content_hash=None,
            artifact=SimpleNamespace(name="orders"),
            run_metadata=metadata,
        )
        for number, metadata in enumerate((was, now), 1)
    )
    steps: list[Any] = [
        {"fit": SimpleNamespace(name="fit", inputs={"rows": [it]}, outputs={})}
        for it in (new, old)
    ]
    client: Any = SimpleNamespace(
        list_artifact_versions=lambda **_: SimpleNamespace(items=[old, new])
    )
    return [(it.kind, it.before, it.after) for it in compare_data(steps[0], steps[1], client)]


FULL = {"shape": (48_211, 1), "dtype": {"amount": "float64"}}


@pytest.mark.parametrize(
    ("now", "change"),
    [
        ({"shape": (48_900, 1)}, ("alike", "v1, 48,211 rows", "v2, 48,900 rows")),
        (
            {"shape": (0, 1), "dtype": {"amount": "object"}},
            ("shape", "v1, 48,211 rows", "v2, 0 rows"),
        ),
        (
            {"dtype": {"amount": "object"}},
            (
                "shape",
                "v1, 48,211 rows, float64 column amount",
                "v2, 48,211 rows, object column amount",
            ),
        ),
        (
            {"shape": (0, 1), "dtype": {"sum": "int64"}},
            (
                "shape",
                "v1, 48,211 rows, float64 column amount, no sum",
                "v2, 0 rows, no amount, int64 column sum",
            ),
        ),
    ],
)
def test_a_table_says_what_matters(now: dict[str, Any], change: tuple[str, str, str]) -> None:
    """Rows and columns count; without rows, the columns' types do not."""
    assert compared(FULL, {**FULL, **now}) == [change]


def test_the_same_metadata_is_no_change() -> None:
    """A new version each run says nothing by itself."""
    assert compared(FULL, FULL) == []
