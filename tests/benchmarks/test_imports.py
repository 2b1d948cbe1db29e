"""What is not imported before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

_HEAVY = ("boto3", "jinja2", "markdown_it", "msal", "rich", "smtplib", "zenml")


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import zenmail", _HEAVY),
        ("import zenmail_transports.smtp", ("boto3", "jinja2", "msal", "rich", "zenml")),
        ("import zenmail_zenml.import_paths", (*_HEAVY, "pydantic")),
    ],
)
def test_an_import_leaves_heavy_libraries_alone(statement: str, heavy: tuple[str, ...]) -> None:
    """A process that never renders, sends by SES or talks to ZenML does not pay for them."""
    program = f"import sys; {statement}; print(*(set({heavy!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
