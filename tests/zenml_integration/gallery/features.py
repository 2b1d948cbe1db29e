"""The team's own code, which the pipelines of the gallery call."""

from __future__ import annotations

from typing import Any


def customers(rows: int = 40) -> Any:
    """Return a table of customers, with two dozen columns."""
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]

    columns: dict[str, Any] = {
        "customer_id": [f"C-{100_000 + 37 * row}" for row in range(rows)],
        "signed_up": [
            pd.Timestamp("2024-03-01") + pd.Timedelta(days=11 * row) if row % 5 else pd.NaT
            for row in range(rows)
        ],
        "plan": [("basic", "family", "business_annual")[row % 3] for row in range(rows)],
        "monthly_charges": [29.849999999999998 + 7.3 * row for row in range(rows)],
        "churn_probability": [0.1253718293 + row / 73 for row in range(rows)],
        "tenure_months": [row * 3 for row in range(rows)],
    }
    for number in range(18):
        columns[f"embedding_{number:02}"] = [(row + number) / 7 for row in range(rows)]
    return pd.DataFrame(columns)


def add_lifetime_value(frame: Any) -> Any:
    """Add the column that the model needs most."""
    return frame.assign(lifetime_value=frame["monthly_charges"] * frame["tenure_in_months"])


def score_customer(row: Any) -> float:
    """Return a customer's score; a missing plan is a mistake in the data."""
    weights = {"basic": 0.2, "family": 0.4}
    return weights[row["plan"]] * float(row["monthly_charges"])


def score_all(frame: Any) -> Any:
    """Return the scores of all customers, through pandas."""
    return frame.apply(score_customer, axis=1)


def resolve(name: str, depth: int) -> str:
    """Follow references between features, too far."""
    if depth == 0:
        raise LookupError(f"feature view {name!r} refers to itself")
    return resolve(f"{name[:24]}", depth - 1)
