"""What a step's image needs: pinned, with the extras of transports and token sources."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import Distribution
from importlib.util import find_spec
from typing import Any

import pytest

pytestmark = pytest.mark.zenml
needs_boto3 = pytest.mark.skipif(find_spec("boto3") is None, reason="boto3 is not installed")


@needs_boto3
def test_requirements_are_pinned_and_of_no_path(register: Callable[..., Any]) -> None:
    """ZenML's own collection for a stack holds zenmail, with the extra that SES needs."""
    from packaging.requirements import Requirement
    from zenml.client import Client

    version = Distribution.from_name("zenmail").version
    register(transport="ses", fallback_transport="console", transport_options={"region": "x"})
    collected = Client().active_stack.requirements()
    assert f"zenmail[ses]=={version}" in collected
    assert all(Requirement(item).url is None for item in collected)


LOGIN = {"host": "localhost", "username": "u", "oauth": "google"}


@pytest.mark.parametrize("written", [json.dumps, dict])
@pytest.mark.parametrize(
    ("setting", "value", "others"),
    [
        ("transport_options", LOGIN, {}),
        ("fallback_options", LOGIN, {"transport": "console", "fallback_transport": "smtp"}),
        (
            "fallback_options",
            {"smtp": LOGIN, "file": {"folder": "mails"}},
            {"transport": "console", "fallback_transport": "smtp, file"},
        ),
    ],
)
def test_requirements_follow_the_token_source(
    register: Callable[..., Any],
    written: Callable[[Any], Any],
    setting: str,
    value: dict[str, Any],
    others: dict[str, Any],
) -> None:
    """Who logs in with a token needs the extra for it, whichever way the options are given."""
    alerter = register(**{setting: written(value)}, **others)
    assert any(text.startswith("zenmail[oauth]") for text in alerter.requirements)


@pytest.mark.skipif(find_spec("requests") is None, reason="requests is not installed")
def test_graph_needs_the_extra_of_its_tokens(register: Callable[..., Any]) -> None:
    """The transport has its token source without naming it."""
    alerter = register(transport="graph", transport_options={"mailbox": "a@example.com"})
    assert any(text.startswith("zenmail[oauth]") for text in alerter.requirements)
