"""What is not imported before it is needed, and what is imported before it is too late."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.once

_HOST = ("zenmail.delivery.mailer", "zenmail.alert")
_HEAVY = ("boto3", "jinja2", "markdown_it", "msal", "requests", "rich", "smtplib", "zenml")
# What a process that sends a mail made without an alert has no use for.
_UNUSED = (
    *_HEAVY,
    "asyncio",
    "click",
    "email_validator",
    "zenmail.alert",
    "zenmail.delivery.background",
    "zenmail.composing.builder",
    "zenmail.ledger.storms",
    "zenmail.ledger.outbox",
    "zenmail.redaction.redact",
    "zenmail.composing.render",
)
# The libraries and modules of the standard library that a mail over TLS cannot do without.
_LIBRARIES = """
import email.utils, importlib.metadata, logging, pathlib, secrets, ssl, sys, pluggy
from pydantic import BaseModel, SecretStr
class Options(BaseModel):
    port: int = 587
Options()
print(len(sys.modules))
"""
_SENDING = """
import json, sys
from zenmail import Email, Mailer
with Mailer("smtp", options=json.loads(sys.argv[1])) as mailer:
    mail = Email(sender="a@example.com", to=["b@example.com"], subject="One", text="One")
    before = set(sys.modules)
    mailer.send(mail).raise_for_outcome()
    after = set(sys.modules)
print(json.dumps([sorted(before), sorted(after)]))
"""


def run(program: str, *arguments: str) -> str:
    """Return what a fresh interpreter prints."""
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import zenmail", (*_HEAVY, "pluggy", "pydantic", "socket", "ssl")),
        (
            "from zenmail import TransportOptions",
            (*_HEAVY, *_HOST),
        ),
        ("from zenmail import Email, Mailer", _UNUSED),
        ("import zenmail_transports.smtp", (*_UNUSED, _HOST[0])),
        ("import zenmail_zenml.import_paths", (*_HEAVY, "pydantic", "zenmail")),
    ],
)
def test_an_import_leaves_heavy_libraries_alone(statement: str, heavy: tuple[str, ...]) -> None:
    """A process that never renders, sends by SES or talks to ZenML does not pay for them."""
    program = f"import sys; {statement}; print(*(set({heavy!r}) & set(sys.modules)))"
    assert run(program).split() == []


def test_the_hook_of_zenml_imports_two_modules() -> None:
    """All that ``import zenml`` pays for is the hook and the finder it installs."""
    program = """
import importlib.metadata, sys
before = set(sys.modules)
(hook,) = importlib.metadata.entry_points(group="zenml.init_hooks", name="zenmail")
hook.load()()
print(*(set(sys.modules) - before))
"""
    assert {*run(program).split()} - {"__future__"} == {
        "zenmail_zenml",
        "zenmail_zenml.import_paths",
    }


@pytest.fixture
def options(authority: Any, sink: Any) -> str:
    """Return the options of a mailer to the sink, as JSON."""
    return json.dumps(
        {
            "host": "localhost",
            "port": sink.ports["full"],
            "security": "starttls",
            "username": "user",
            "password": "not-a-secret",
            "ca_file": str(authority),
        }
    )


def test_sending_a_mail_needs_neither_templates_nor_a_provider(options: str) -> None:
    """After a mail was sent, nothing is there that it had no use for."""
    _, after = json.loads(run(_SENDING, options))
    assert not {*_UNUSED} & {*after}


def test_sending_imports_nothing(options: str) -> None:
    """All that a send needs is there when the mailer is made: a fork may be a send away."""
    before, after = json.loads(run(_SENDING, options))
    assert before == after


def test_sending_takes_few_modules_beside_those_of_the_libraries(options: str) -> None:
    """The modules of zenmail and what they add to its libraries stay a fraction of these."""
    libraries = int(run(_LIBRARIES))
    _, after = json.loads(run(_SENDING, options))
    assert len(after) < 1.3 * libraries


@pytest.mark.parametrize(
    ("arguments", "idle"),
    [
        (["--help"], (*_HEAVY, "pydantic", "ssl")),
        # The transport smtp describes their options.
        (["send", "--help"], _HEAVY),
        (["doctor", "--help"], _HEAVY),
    ],
)
def test_the_command_line_explains_itself_without_the_libraries(
    arguments: list[str], idle: tuple[str, ...]
) -> None:
    """Help comes at once: neither ZenML nor what sends mails is imported for it."""
    program = f"""
import sys
from zenmail.cli import main
sys.argv[1:] = {arguments!r}
try:
    main()
finally:
    print("imported:", *(set({idle!r}) & set(sys.modules)))
"""
    assert run(program).splitlines()[-1] == "imported:"
