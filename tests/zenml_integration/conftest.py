"""One ZenML store for the session, and an SMTP server with STARTTLS and AUTH."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from click.testing import CliRunner

from zenmail.testing.smtp_server import SMTPServer

from .without_fsync import sitecustomize

USER = "relay-account"

# ZenML reads these when it is first imported, which test modules do while they are collected.
os.environ.setdefault("ZENML_ANALYTICS_OPT_IN", "false")
os.environ.setdefault("ZENML_LOGGING_COLORS_DISABLED", "true")
os.environ.setdefault("ZENML_ENABLE_RICH_TRACEBACK", "false")
# At --log-level=DEBUG its own records would cost half as much time again; a test of a pipeline
# in a process of its own looks for secrets in them.
logging.getLogger("zenml").setLevel(logging.INFO)
# ZenML's source root is the folder of the main module, and a worker of pytest-xdist has none.
if not hasattr(sys.modules["__main__"], "__file__"):
    vars(sys.modules["__main__"])["__file__"] = __file__


@pytest.fixture(scope="session")
def zenml_store(
    tmp_path_factory: pytest.TempPathFactory, canaries: dict[str, str]
) -> Iterator[Path]:
    """A ZenML of the tests' own: the flavor and a secret registered, SQLite on disk."""
    folder = tmp_path_factory.mktemp("zenml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZENML_CONFIG_PATH", str(folder / "config"))
        patch.setenv("ZENML_REPOSITORY_PATH", str(folder))
        from zenml.client import Client
        from zenml.config.global_config import GlobalConfiguration
        from zenml.enums import StackComponentType

        GlobalConfiguration._reset_instance()
        Client._reset_instance()
        client = Client()
        client.create_flavor(
            "zenmail_zenml.flavor.SMTPEmailAlerterFlavor", StackComponentType.ALERTER
        )
        client.create_secret("email_credentials", {"smtp_password": canaries["password"]})
        yield folder
        _finish_observing()


def _finish_observing() -> None:
    """Have what is under way end while ZenML's configuration is still the tests' own."""
    from zenmail_zenml.lineage import recording

    for dispatcher, handler in _handlers():
        dispatcher.unregister_event_handler(handler)
        handler.close()
    recording.close()


@pytest.fixture(autouse=True)
def _no_alert_outlives_its_test() -> Iterator[None]:
    """Drop what would be tried again: the test's server has gone, and another test begins."""
    yield
    for _, handler in _handlers():
        with handler._changed:
            handler._due.clear()
            handler._changed.wait_for(lambda it=handler: not it._busy, timeout=10)
            handler._due.clear()


def _handlers() -> list[tuple[Any, Any]]:
    """Return the handlers that this process's runs are reported to, each with who does so."""
    try:
        from zenml.dispatcher import EventDispatcher
    except ImportError:  # before ZenML 0.94.6
        return []
    from zenmail_zenml.watching.handler import RunAlerts

    dispatcher: Any = EventDispatcher()
    return [
        (dispatcher, handler)
        for handler in dispatcher._event_handlers
        if isinstance(handler, RunAlerts)
    ]


@pytest.fixture
def server(canaries: dict[str, str]) -> Iterator[SMTPServer]:
    """An SMTP server that wants STARTTLS and a login."""
    with SMTPServer(users={USER: canaries["password"]}) as running:
        yield running


@pytest.fixture
def register(zenml_store: Path) -> Iterator[Callable[..., Any]]:
    """Make a stack with an alerter of the given configuration the active one."""
    from zenml.client import Client
    from zenml.enums import StackComponentType
    from zenml.utils import source_utils

    # A zenml command that a test ran has set it to the working directory, from where
    # ZenML would load a second copy of this package.
    source_utils.set_custom_source_root(str(zenml_store))
    client = Client()
    before = client.active_stack_model.id

    def do(**configuration: Any) -> Any:
        name = f"alerter-{uuid.uuid4().hex[:8]}"
        values = {
            "sender_email": "alerts@example.com",
            "recipient_email": "default@example.com",
            **configuration,
        }
        client.create_stack_component(
            name=name,
            flavor="smtp_email",
            component_type=StackComponentType.ALERTER,
            configuration=values,
        )
        client.create_stack(
            name=name,
            components={
                StackComponentType.ORCHESTRATOR: "default",
                StackComponentType.ARTIFACT_STORE: "default",
                StackComponentType.ALERTER: name,
            },
        )
        client.activate_stack(name)
        return client.active_stack.alerter

    yield do
    client.activate_stack(before)


@pytest.fixture
def alerter(register: Callable[..., Any], server: SMTPServer) -> Any:
    """An alerter that posts to the server; its password is in ZenML's secret store."""
    return register(
        smtp_server="localhost",
        smtp_port=str(server.port),
        smtp_username=USER,
        password="{{email_credentials.smtp_password}}",
        smtp_ca_file=str(server.ca_file),
    )


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


@pytest.fixture(autouse=True)
def _processes_without_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the processes that a test starts find the same ``sitecustomize``."""
    monkeypatch.setenv("PYTHONPATH", str(Path(sitecustomize.__file__).parent))


@pytest.fixture(autouse=True, scope="session")
def _connections() -> Iterator[None]:
    """Close the connections that the alerters kept, before the session's checks."""
    yield
    with contextlib.suppress(ImportError):
        from zenmail_zenml.mailers import mailers

        mailers.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Take ZenML's own warnings, and its libraries', for what they are: not ours."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore", "error:::zenmail"))


@pytest.fixture
def amazon_ses() -> Iterator[str]:
    """A server that speaks SES and STS and holds no mail yet; returns its address."""
    boto3 = pytest.importorskip("boto3")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    # What moto keeps is one for all its servers in a process.
    reset = Request(f"{endpoint}/moto-api/reset", method="POST")
    try:
        urlopen(reset).close()
        client = boto3.client(
            "sesv2",
            "eu-west-1",
            endpoint_url=endpoint,
            aws_access_key_id="own",
            aws_secret_access_key="own",
        )
        client.create_email_identity(EmailIdentity="example.com")
        yield endpoint
        urlopen(reset).close()
    finally:
        server.stop()
