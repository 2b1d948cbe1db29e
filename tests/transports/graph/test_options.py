"""Options of the graph transport, and what it asks of the machine."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from zenmail import MissingExtra, OptionsError, PluginHost

pytestmark = pytest.mark.extras


@pytest.mark.parametrize(
    "options",
    [
        {"endpoint": "http://graph.microsoft.com/v1.0"},
        {"endpoint": "https://u:p@graph.microsoft.com/v1.0"},
        {"oauth": ""},
        {"mailbx": "a@example.com"},
    ],
)
def test_unusable_options_are_refused(options: dict[str, Any]) -> None:
    """A token never travels in clear, and a misspelt option is named."""
    pytest.importorskip("requests")
    with pytest.raises(OptionsError):
        PluginHost().transport("graph").parse_options(options)


def test_without_requests_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error holds the command that installs what is missing."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r'pip install "zenmail\[oauth\]"'):
        PluginHost().transport("graph")


def test_selecting_it_imports_neither_requests_nor_msal() -> None:
    """They are imported when a mail is sent: registering needs them on no machine."""
    program = (
        "import sys\n"
        "from zenmail import PluginHost\n"
        "PluginHost().transport('graph').parse_options({})\n"
        "print(sorted({'requests', 'msal'} & set(sys.modules)))\n"
    )
    pytest.importorskip("requests")
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr
