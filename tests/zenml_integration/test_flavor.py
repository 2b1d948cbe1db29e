"""The flavor registers, and its component loads even without the transport."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from zenmail import UnknownTransport
from zenmail.plugins import PluginHost
from zenmail_zenml import SMTPEmailAlerter, SMTPEmailAlerterFlavor
from zenmail_zenml.cli.client import FLAVOR, FLAVOR_SOURCE

pytestmark = pytest.mark.zenml


def test_the_command_line_knows_the_flavor() -> None:
    """`zenmail register` uses the flavor's own name and source, without importing ZenML."""
    flavor = SMTPEmailAlerterFlavor()
    assert flavor.name == FLAVOR
    assert f"{type(flavor).__module__}.{type(flavor).__name__}" == FLAVOR_SOURCE
    assert flavor.implementation_class is SMTPEmailAlerter


def test_describe_shows_the_descriptions(zenml: Callable[..., Any]) -> None:
    """`zenml alerter flavor describe` says what a setting is for, and its default."""
    result = zenml("alerter", "flavor", "describe", "smtp_email")
    assert result.exit_code == 0, result.output
    assert "Port of the SMTP server." in " ".join(result.output.split())


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
        alerter.post("Hello", {"on_delivery_failure": "raise"})
