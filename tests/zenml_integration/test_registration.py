"""Registration: offline, one sentence for what is wrong, nothing half-registered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib.metadata import Distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from zenmail import ConfigurationError, UnknownTransport
from zenmail.plugins import PluginHost
from zenmail.testing.smtp_server import SMTPServer
from zenmail_zenml import SMTPEmailAlerterConfig

pytestmark = pytest.mark.zenml
needs_boto3 = pytest.mark.skipif(find_spec("boto3") is None, reason="boto3 is not installed")

GOOD = {
    "sender_email": "alerts@example.com",
    "recipient_email": "oncall@example.com",
    "smtp_server": "smtp.example.com",
    "password": "{{email_credentials.smtp_password}}",
}
BAD: list[tuple[dict[str, Any], str]] = [
    ({"transport": "carrier-pigeon"}, "installed: "),
    (
        {"transport": "console", "transport_options": '{"colour": 1}'},
        "'colour' is not an option",
    ),
    ({"transport_options": "{"}, "transport_options"),
    ({"transport_options": "[1]"}, "transport_options"),
    ({"smtp_port": "0"}, "smtp_port"),
    ({"smtp_port": "many"}, "smtp_port"),
    ({"smtp_server": None}, "'smtp_server' is required"),
    ({"smtp_server": "smtp://example.com"}, "smtp_server"),
    ({"smtp_security": "ssl"}, "smtp_security"),
    ({"smtp_security": "none"}, "would send the password for everybody to read"),
    ({"sender_email": None}, "sender_email is required"),
    ({"sender_email": "alerts"}, "sender_email: 'alerts' is not a mail address"),
    ({"recipient_email": "oncall, b@example.com"}, "recipient_email: 'oncall'"),
    ({"cc": '["oncall"]'}, "cc: 'oncall'"),
    ({"deadline": "-1"}, "deadline"),
    ({"on_delivery_failure": "cry"}, "on_delivery_failure"),
    ({"include_html": "perhaps"}, "include_html"),
    ({"fallback_transport": "pigeon"}, "pigeon"),
    ({"fallback_transport": "file"}, "folder"),
    ({"fallback_options": '{"folder": "x"}'}, "fallback_transport"),
]


def configuration(changes: dict[str, Any]) -> dict[str, Any]:
    """Return a good configuration with some values changed, or taken out."""
    return {name: value for name, value in {**GOOD, **changes}.items() if value is not None}


@pytest.fixture
def zenml(zenml_store: Path) -> Callable[..., Any]:
    """Run ``zenml`` as on the command line."""
    from zenml.cli.cli import cli

    return lambda *arguments: CliRunner().invoke(cli, arguments)


@pytest.fixture
def alerters(zenml_store: Path) -> Callable[[], set[str]]:
    """The names of the registered alerters."""
    from zenml.client import Client
    from zenml.enums import StackComponentType

    return lambda: {
        item.name
        for item in Client().list_stack_components(type=StackComponentType.ALERTER, size=1000)
    }


@pytest.mark.parametrize(("changes", "reason"), BAD)
def test_bad_input_is_one_sentence(
    changes: dict[str, Any],
    reason: str,
    zenml: Callable[..., Any],
    alerters: Callable[[], set[str]],
) -> None:
    """The command line says what is wrong without a traceback, and registers nothing."""
    before = alerters()
    pairs = [f"--{name}={value}" for name, value in configuration(changes).items()]
    result = zenml("alerter", "register", "bad_alerter", "--flavor=smtp_email", *pairs)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    (line,) = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert reason in line
    assert alerters() == before


@pytest.mark.parametrize(("changes", "reason"), BAD)
def test_bad_input_is_a_value_error_in_python(changes: dict[str, Any], reason: str) -> None:
    """From Python the same sentence is a ConfigurationError, which is a ValueError."""
    config = SMTPEmailAlerterConfig(**configuration(changes))
    with pytest.raises(ConfigurationError) as caught:
        assert config.is_valid
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"smtp_port": 465, "cc": ["a@example.com", "B <b@example.com>"]},
        {"smtp_port": "{{mail.port}}", "smtp_security": "{{mail.security}}"},
        {"sender_email": "{{mail.sender}}", "recipient_email": '["{{mail.to}}"]'},
        {"transport": "{{mail.transport}}", "transport_options": '{"anything": 1}'},
        pytest.param(
            {"transport": "ses", "transport_options": {"endpoint_url": "{{mail.url}}"}},
            marks=needs_boto3,
        ),
        {"transport_options": json.dumps({"max_mails": "{{mail.most}}"})},
        {"transport_options": "{{mail.options}}"},
        {"transport": "file", "transport_options": "{{mail.options}}"},
        {"fallback_transport": "file", "fallback_options": "{{mail.options}}"},
        {"smtp_server": None, "transport": "console", "password": None},
        {"smtp_server": None, "transport_options": {"host": "smtp.example.com"}},
        {"smtp_server": "localhost", "password": None, "smtp_security": "none"},
        {"fallback_transport": "file", "fallback_options": '{"folder": "mails"}'},
        {
            "fallback_transport": "file, console",
            "fallback_options": {"file": {"folder": "{{mail.folder}}"}},
        },
        {"smtp_security": "none", "transport_options": {"allow_insecure_login": True}},
        {"smtp_server": "smtp.sendgrid.net"},
    ],
)
def test_good_input_is_valid_without_a_store(changes: dict[str, Any]) -> None:
    """References are taken to be right: no secret is read, no server asked."""
    assert SMTPEmailAlerterConfig(**configuration(changes)).is_valid


def test_the_page_registers_on_the_command_line(
    zenml: Callable[..., Any], alerters: Callable[[], set[str]]
) -> None:
    """The page's own command registers an alerter that a stack can be made of."""
    pairs = [
        "--smtp_server=smtp.gmail.com",
        "--smtp_port=587",
        "--sender_email=me@example.com",
        "--password={{email_credentials.smtp_password}}",
        "--recipient_email=you@example.com",
    ]
    result = zenml("alerter", "register", "page_alerter", "--flavor=smtp_email", *pairs)
    assert result.exit_code == 0, result.output
    assert "page_alerter" in alerters()
    stack = ["-o", "default", "-a", "default", "-al", "page_alerter"]
    assert zenml("stack", "register", "page_stack", *stack).exit_code == 0
    assert zenml("alerter", "describe", "page_alerter").exit_code == 0


@pytest.fixture
def pigeon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """A third party's transport, installed until the patch is undone."""
    info = tmp_path / "zenmail_pigeon-2.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: zenmail-pigeon\nVersion: 2.1\n"
    )
    (info / "entry_points.txt").write_text(
        "[zenmail.transports]\npigeon = zenmail_transports.console\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        yield patch


def test_a_stack_loads_where_its_transport_is_missing(
    register: Callable[..., Any], pigeon: pytest.MonkeyPatch, zenml: Callable[..., Any]
) -> None:
    """Listing and loading work without the third party's package; sending says what lacks."""
    from zenml.client import Client

    alerter = register(transport="pigeon")
    assert "zenmail-pigeon==2.1" in alerter.requirements
    pigeon.undo()
    assert not [offer for offer in PluginHost().installed() if offer.name == "pigeon"]
    listed = zenml("stack", "list")
    assert listed.exit_code == 0
    active: Any = Client().active_stack.alerter
    assert active.name == alerter.name
    with pytest.raises(UnknownTransport, match="No transport is called 'pigeon'"):
        alerter.post("Hello")


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


def test_a_step_may_select_another_transport(
    register: Callable[..., Any], server: SMTPServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The options of the transport that is left out stay behind with it."""
    alerter = register(
        smtp_server="localhost",
        transport_options={"port": server.port, "ca_file": str(server.ca_file)},
    )
    assert alerter.post("On the console", {"transport": "console"}) is True
    assert not server.mails
    assert "On the console" in "".join(capsys.readouterr())
