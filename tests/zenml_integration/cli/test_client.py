"""A ZenML store that is not available is one sentence."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import Result

pytestmark = pytest.mark.zenml

Run = Callable[..., Result]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ImportError("no sqlmodel"), 'pip install "zenmail[local]"'),
        (RuntimeError("Error connecting\nto URL"), "Error connecting to URL"),
    ],
)
def test_a_store_that_cannot_be_used_is_a_users_error(
    zenmail: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, says: str
) -> None:
    """When ZenML does not start, there is one sentence and no traceback."""
    from zenml.client import Client

    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(Client, "zen_store", property(fail))
    for command in (["doctor"], ["send", "Text"], ["outbox", "list"]):
        result = zenmail(*command)
        assert result.exit_code == 2
        assert says in result.stderr
        assert "Traceback" not in result.output
