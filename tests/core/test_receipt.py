"""What a receipt says, and the exceptions it becomes."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from zenmail import (
    ConfigurationError,
    DeliveryError,
    PermanentFailure,
    Receipt,
    TemporaryFailure,
    UnknownOutcome,
)


@pytest.mark.parametrize("outcome", ["delivered", "skipped", "queued"])
def test_what_went_well_raises_nothing(outcome: Any) -> None:
    """The receipt comes back, so that calls can be chained."""
    receipt = Receipt(outcome=outcome)
    assert receipt.raise_for_outcome() is receipt


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"outcome": "refused", "refused": {"a@b": "550"}}, PermanentFailure),
        ({"outcome": "refused"}, PermanentFailure),
        ({"outcome": "deferred", "deferred": {"a@b": "451"}}, TemporaryFailure),
        ({"outcome": "spooled", "deferred": {"a@b": "451"}}, TemporaryFailure),
        ({"outcome": "unknown", "unknown": {"a@b": "lost"}}, UnknownOutcome),
        ({"outcome": "partial", "refused": {"a@b": "550"}}, PermanentFailure),
        (
            {"outcome": "partial", "refused": {"a@b": "550"}, "deferred": {"c@d": "451"}},
            PermanentFailure,
        ),
        ({"outcome": "partial", "deferred": {"a@b": "451"}}, TemporaryFailure),
        ({"outcome": "partial", "unknown": {"a@b": "lost"}}, UnknownOutcome),
    ],
)
def test_what_did_not_is_raised(values: dict[str, Any], error: type[DeliveryError]) -> None:
    """The class says whether to try again; the error holds the receipt."""
    receipt = Receipt(**values, transport="smtp", remedy="Do this.", code="own")
    with pytest.raises(DeliveryError) as caught:
        receipt.raise_for_outcome()
    assert type(caught.value) is error
    assert caught.value.receipt == receipt
    assert caught.value.transport == "smtp"
    assert caught.value.code == "own"
    assert str(caught.value).endswith("Do this.")
    assert pickle.loads(pickle.dumps(caught.value)).receipt == receipt


def test_the_description_names_everybody_once() -> None:
    """One line: outcome, detail, and each recipient whose reason is another."""
    receipt = Receipt(
        outcome="partial",
        detail="550 no such user",
        accepted=["a@x.example"],
        refused={"b@x.example": "550 no such user"},
        deferred={"c@x.example": "The server asks for patience."},
    )
    whole = "partial; 550 no such user; c@x.example: The server asks for patience"
    assert receipt.describe() == whole
    with pytest.raises(PermanentFailure) as caught:
        receipt.raise_for_outcome()
    assert str(caught.value) == f"{whole}."


def test_transports_give_lists() -> None:
    """A list or any iterable of addresses is taken; the receipt itself cannot change."""
    receipt = Receipt(accepted=["a@b"], refused={"c@d": "no"})
    assert receipt.accepted == ("a@b",)
    assert Receipt(accepted=iter(["a@b"])).accepted == ("a@b",)
    with pytest.raises(ValueError, match="frozen"):
        setattr(receipt, "outcome", "refused")  # noqa: B010


@pytest.mark.parametrize("values", [{"accepted": "a@b"}, {"outcome": "fine"}, {"sent": True}])
def test_a_wrong_receipt_is_a_configuration_error(values: dict[str, Any]) -> None:
    """A transport's author reads a sentence, not a report of pydantic's."""
    with pytest.raises(ConfigurationError):
        Receipt(**values)


def test_it_is_copied_pickled_and_stored() -> None:
    """Processes hand receipts to one another."""
    receipt = Receipt(accepted=["a@b"], refused={"c@d": "no"}, notes=["n"], outcome="partial")
    assert copy.deepcopy(receipt) == receipt
    assert pickle.loads(pickle.dumps(receipt)) == receipt
    assert Receipt.model_validate_json(receipt.model_dump_json()) == receipt
