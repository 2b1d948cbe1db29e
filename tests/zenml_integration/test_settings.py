"""Settings of all scopes: merged one by one, references resolved, types checked."""

from __future__ import annotations

from typing import Any

import pytest

from zenmail import OptionsError
from zenmail_zenml.settings import Resolved, layer, resolve

pytestmark = pytest.mark.zenml


def settings(**values: Any) -> Resolved:
    """Return settings that send on the console."""
    given = {"transport": "console", "sender_email": "a@example.com", **values}
    return resolve(given, replace=lambda value: value)


def test_narrower_scopes_win_setting_by_setting() -> None:
    """The last scope that sets a value decides; None sets nothing, and "" does."""
    merged = layer(
        [
            {"recipient_email": "a@example.com", "subject_prefix": "[a]", "deadline": 1},
            {"recipient_email": "b@example.com", "subject_prefix": None},
            {"recipient_email": "c@example.com", "cc": "", "subject_prefix": ""},
        ]
    )
    assert merged == {
        "recipient_email": "c@example.com",
        "subject_prefix": "",
        "deadline": 1,
        "cc": "",
    }


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ({"transport_options": {"port": 25}}, {"smtp_port": 26}, {"port": 26}),
        ({"transport_options": '{"port": 25}'}, {"smtp_port": 26}, {"port": 26}),
        ({"smtp_port": 25}, {"transport_options": {"port": 26}}, {"port": 26}),
        ({"transport_options": {"port": 25, "oauth": "x"}}, {"smtp_port": 26},
         {"port": 26, "oauth": "x"}),
        ({"smtp_port": 25, "transport_options": {"oauth": "x"}}, {"transport": "console"}, {}),
        ({"transport": "console", "transport_options": {"html_folder": "x"}},
         {"transport": "smtp", "smtp_port": 26}, {"port": 26}),
    ],
)  # fmt: skip
def test_options_follow_their_transport(
    wide: dict[str, Any], narrow: dict[str, Any], expected: dict[str, Any]
) -> None:
    """A flat setting wins over a wider scope's option; options go with their transport."""
    merged = layer([wide, narrow])
    assert resolve(merged, replace=lambda value: value).options() == expected


SECRETS = {
    "{{mail.to}}": "b@example.com",
    "{{mail.team}}": "c@example.com, d@example.com",
    "{{mail.options}}": '{"host": "localhost", "port": 25, "oauth": "x"}',
}


def look_up(value: Any) -> Any:
    """Put secrets in place of references, as ZenML's store would."""
    if isinstance(value, dict):
        return {name: look_up(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [look_up(item) for item in value]
    return SECRETS.get(value, value) if isinstance(value, str) else value


@pytest.mark.parametrize(
    "given",
    [
        "{{mail.to}}, {{mail.team}}",
        '["{{mail.to}}", "{{mail.team}}"]',
        ["{{mail.to}}", "{{mail.team}}"],
        "b@example.com; {{mail.team}}",
    ],
)
def test_a_reference_may_stand_in_a_list(given: Any) -> None:
    """For one address or for several, with commas and in JSON."""
    chosen = resolve({"recipient_email": given}, replace=look_up)
    assert chosen.recipient_email == ("b@example.com", "c@example.com", "d@example.com")


def test_a_flat_setting_wins_over_options_that_are_a_reference() -> None:
    """The options are read for that; without a narrower setting they are not."""
    scopes: list[dict[str, Any]] = [
        {"transport_options": "{{mail.options}}"},
        {"smtp_port": 26},
    ]
    merged = layer(scopes, replace=look_up)
    options = resolve(merged, replace=look_up).options()
    assert options == {"host": "localhost", "port": 26, "oauth": "x"}
    assert layer(scopes[:1], replace=look_up) == scopes[0]


def test_options_of_several_fallbacks_go_by_name() -> None:
    """Each fallback gets its own options; those of nobody are refused."""
    chosen = settings(
        fallback_transport="file, console", fallback_options={"file": {"folder": "mails"}}
    )
    assert chosen.fallbacks() == [("file", {"folder": "mails"}), ("console", {})]
    with pytest.raises(OptionsError, match="not a fallback transport"):
        settings(
            fallback_transport="file, console", fallback_options={"folder": "mails"}
        ).fallbacks()
