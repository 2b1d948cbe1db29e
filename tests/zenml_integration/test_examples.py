"""Every example runs on a real ZenML store, and mails what it says."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest

from zenmail.testing.smtp_server import SMTPServer

from .conftest import USER

pytestmark = [pytest.mark.zenml, pytest.mark.once]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
Register = Callable[..., Any]


@pytest.fixture
def example(zenml_store: Path) -> Iterator[Callable[[str], ModuleType]]:
    """Import an example by its path, as ZenML can import it again."""
    from zenml.utils import source_utils

    loaded: list[str] = []

    def load(path: str) -> ModuleType:
        file = EXAMPLES / path
        source_utils.set_custom_source_root(str(file.parent))
        spec = importlib.util.spec_from_file_location(file.stem, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[file.stem] = module
        loaded.append(file.stem)
        spec.loader.exec_module(module)
        return module

    yield load
    for name in loaded:
        del sys.modules[name]
    source_utils.set_custom_source_root(None)


@pytest.fixture
def mailbox(register: Register, tmp_path: Path) -> Callable[[], list[EmailMessage]]:
    """Make a stack active whose alerter keeps mails as files; return a reader of them."""
    folder = tmp_path / "mails"
    register(transport="file", transport_options={"folder": str(folder)})
    return lambda: _read(folder)


def _read(folder: Path) -> list[EmailMessage]:
    """Read the mails; those of one second are in no order."""
    return [
        message_from_bytes(path.read_bytes(), policy=policy.default)
        for path in sorted(folder.glob("*.eml"))
    ]


def _text_of(message: EmailMessage, kind: str = "plain") -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def test_every_pipeline_is_tested() -> None:
    """Each example's pipeline has a test here, and a name of its own; the README lists all."""
    mine = Path(__file__).read_text(encoding="utf-8")
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    names: list[str] = []
    for path in EXAMPLES.rglob("*.py"):
        example = path.relative_to(EXAMPLES)
        assert f"({example.parts[0]})" in listed
        found = re.findall(r"@pipeline.*\ndef (\w+)", path.read_text(encoding="utf-8"))
        if found:
            assert f'"{example}"' in mine
        names += found
    # One store serves all: a run that fails would be "recovered" by another's good one.
    assert len(names) == len({*names}) > 10


def test_training_report(example: Callable[[str], ModuleType], mailbox: Any) -> None:
    """The report has metrics, a table, and a picture in the HTML."""
    example("training_report.py").training_report()
    (mail,) = mailbox()
    assert "Training report" in mail["Subject"]
    assert "loss" in _text_of(mail)
    pictures = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert len(pictures) == 1
    assert pictures[0].get_payload(decode=True)[:4] == b"\x89PNG"
    assert f"cid:{pictures[0]['Content-ID'].strip('<>')}" in _text_of(mail, "html")
    assert re.search(r"By epoch\s+epoch +loss\s[-\s]+1 +2.05", _text_of(mail))


def test_failure_alert(example: Callable[[str], ModuleType], mailbox: Any) -> None:
    """The mail says why the step failed; password and token are not in it."""
    with pytest.raises(Exception, match=r"load|no route to host"):
        example("failure_alert.py").loading()
    (mail,) = mailbox()
    whole = _text_of(mail) + _text_of(mail, "html") + mail["Subject"]
    assert "no route to host" in whole
    assert "ConnectionError" in whole
    assert "orders" in whole
    assert "hunter2" not in whole
    assert "tok-2f9d81c7e5b34a60" not in whole


def test_dynamic_summary(example: Callable[[str], ModuleType], mailbox: Any) -> None:
    """A dynamic run ends with one mail that names its steps."""
    import zenml

    if tuple(map(int, zenml.__version__.split(".")[:2])) < (0, 95):
        pytest.skip("dynamic pipelines came with ZenML 0.95")
    example("dynamic_summary.py").census()
    (mail,) = mailbox()
    whole = _text_of(mail)
    assert "census" in whole
    assert "count" in whole
    assert "add" in whole


def test_amazon_ses(
    example: Callable[[str], ModuleType],
    register: Register,
    amazon_ses: str,
    canaries: dict[str, str],
) -> None:
    """The mails of hook and step go to a server that speaks SES."""
    from moto.ses.models import ses_backends
    from zenml.client import Client

    keys = {"id": canaries["AWS key"], "key": canaries["AWS secret"]}
    Client().create_secret("amazon", keys)
    options = {
        "region": "eu-west-1",
        "endpoint_url": amazon_ses,
        "access_key_id": "{{amazon.id}}",
        "secret_access_key": "{{amazon.key}}",
    }
    register(transport="ses", transport_options=options)
    example("amazon_ses.py").churn()
    sent = ses_backends["123456789012"]["eu-west-1"].sent_messages
    assert [{*message.destinations} for message in sent] == [{"default@example.com"}] * 2


def test_staging_redirect(
    example: Callable[[str], ModuleType], register: Register, tmp_path: Path
) -> None:
    """The customer gets nothing, staging does, and the team's copy goes through."""
    folder = tmp_path / "mails"
    register(
        transport="file",
        transport_options={"folder": str(folder), "keep_envelope": True},
        redirect_to="staging@example.com",
        redirect_allow="*@team.example.com",
    )
    example("staging_redirect.py").forecast()
    (kept,) = (json.loads(path.read_text()) for path in folder.glob("*.json"))
    assert set(kept["recipients"]) == {"staging@example.com", "dev@team.example.com"}
    (mail,) = _read(folder)
    assert "boss@customer.example" in mail["X-Zenmail-Redirected-From"]


def test_third_party_transport(
    example: Callable[[str], ModuleType],
    register: Register,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A transport of a package of its own is found by name and sends."""
    project = EXAMPLES / "third_party_transport"
    declared = (project / "pyproject.toml").read_text(encoding="utf-8")
    entry = re.search(r"^jsonl = \"(\w+)\"$", declared, re.MULTILINE)
    assert entry is not None
    # What pip would leave behind.
    info = tmp_path / "zenmail_jsonl-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: zenmail-jsonl\nVersion: 0.1.0\n"
    )
    (info / "entry_points.txt").write_text(f"[zenmail.transports]\njsonl = {entry[1]}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(project))
    file = tmp_path / "mails.jsonl"
    register(transport="jsonl", transport_options={"file": str(file)})
    example("third_party_transport/pipeline.py").telling()
    (line,) = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    assert line["subject"] == "Sent by a transport of our own"
    assert line["to"] == ["default@example.com"]


def test_recipe_only_on_failure(example: Callable[[str], ModuleType], mailbox: Any) -> None:
    """The step that completes sends nothing."""
    with pytest.raises(Exception, match=r"train|Loss"):
        example("recipes/only_on_failure.py").nightly()
    (mail,) = mailbox()
    assert "Loss is NaN after 48211 rows" in _text_of(mail)


def test_recipe_two_teams(example: Callable[[str], ModuleType], mailbox: Any) -> None:
    """Each team gets the mail about its step."""
    example("recipes/two_teams.py").features()
    to = {mail["To"]: mail["Subject"] for mail in mailbox()}
    assert {*to} == {"data@example.com", "default@example.com"}
    assert to["data@example.com"].startswith("[data]")
    assert "train" in to["default@example.com"]


@pytest.mark.parametrize(("stage", "sent"), [("staging", 0), ("production", 1)])
def test_recipe_mute_in_staging(
    example: Callable[[str], ModuleType],
    mailbox: Any,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    sent: int,
) -> None:
    """Only production mails."""
    monkeypatch.setenv("STAGE", stage)
    example("recipes/mute_in_staging.py").run()
    assert len(mailbox()) == sent


def test_recipe_one_mail_a_day(example: Callable[[str], ModuleType], mailbox: Any) -> None:
    """The mail counts the runs that ended since yesterday, and lists them."""
    example("staging_redirect.py").forecast()
    example("recipes/one_mail_a_day.py").daily_digest()
    (mail,) = [mail for mail in mailbox() if "runs since yesterday" in mail["Subject"]]
    assert "forecast" in _text_of(mail)
    assert "completed" in _text_of(mail)


def test_recipe_ci(
    example: Callable[[str], ModuleType], server: SMTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing command is mailed with what it printed; its status is passed on."""
    variables = {
        "SMTP_SERVER": "localhost", "SMTP_PORT": str(server.port), "SMTP_USERNAME": USER,
        "SMTP_PASSWORD": server.users[USER], "SMTP_CA_FILE": str(server.ca_file),
    }  # fmt: skip
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    main = example("recipes/ci.py").main
    assert main([sys.executable, "-c", "pass"]) == 0
    failing = "print('assert 2 == 3'); raise SystemExit('no disk')"
    assert main([sys.executable, "-c", failing]) == 1
    (mail,) = server.mails
    assert b"no disk" in mail.content
    assert b"assert 2 =3D=3D 3" in mail.content or b"assert 2 == 3" in mail.content


def test_recipe_notebook_and_threads(
    example: Callable[[str], ModuleType], mailbox: Any
) -> None:
    """Each thread's mail is delivered."""
    assert example("recipes/notebook_and_threads.py").main() == [True] * 3
    assert {mail["Subject"].split()[0] for mail in mailbox()} == {"baseline", "small", "large"}


def test_recipe_several_alerters(
    example: Callable[[str], ModuleType], mailbox: Any, tmp_path: Path
) -> None:
    """The team gets one mail, on call the other."""
    if version("zenml") < "0.94.3":
        pytest.skip("this ZenML gives a step the settings of one alerter")
    from zenml.client import Client
    from zenml.enums import StackComponentType

    kind, folder = StackComponentType.ALERTER, tmp_path / "oncall"
    configuration: dict[str, Any] = {
        "transport": "file", "transport_options": {"folder": str(folder)},
        "sender_email": "alerts@example.com", "recipient_email": "oncall@example.com",
    }  # fmt: skip
    Client().create_stack_component("oncall_alerter", "smtp_email", kind, configuration)
    try:
        example("recipes/several_alerters.py").monitoring()
    finally:
        Client().delete_stack_component("oncall_alerter", kind)
    assert [mail["To"] for mail in mailbox()] == ["default@example.com"]
    assert [mail["To"] for mail in _read(folder)] == ["oncall@example.com"]


def test_recipe_from_airflow(example: Callable[[str], ModuleType], mailbox: Any) -> None:
    """The message goes to its own recipient, as Markdown."""
    example("recipes/from_airflow.py").daily()
    (mail,) = mailbox()
    assert mail["To"] == "boss@example.com"
    assert "<strong>loaded</strong>" in _text_of(mail, "html")


def test_recipe_from_prefect(example: Callable[[str], ModuleType], mailbox: Any) -> None:
    """Subject and recipient are those of the call."""
    example("recipes/from_prefect.py").daily()
    (mail,) = mailbox()
    assert (mail["To"], mail["Subject"]) == ("boss@example.com", "Load done")


def test_recipe_from_smtplib(example: Callable[[str], ModuleType], server: SMTPServer) -> None:
    """It returns who did not get the mail."""
    server.on("rcpt", "550 5.1.1 No such user", times=1)
    options = server.options(username=USER, password=server.users[USER])
    send_mail = example("recipes/from_smtplib.py").send_mail
    to = ["gone@example.com", "team@example.com"]
    assert send_mail("Done", "12 rows were added.", to, options) == ["gone@example.com"]
    assert server.mails[0].recipients == ["team@example.com"]


def test_recipe_testing_alerts() -> None:
    """Its tests pass in a pytest of their own."""
    path = EXAMPLES / "recipes/test_alerts.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--noconftest",
               "-c", os.devnull, "--rootdir", str(path.parent), str(path)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "2 passed" in done.stdout, done.stdout


def test_recipe_kubernetes_with_the_watcher() -> None:
    """The pod's command is one that zenmail takes."""
    from zenmail.cli.app import app
    from zenmail_zenml.cli.watch import watch

    deployment = (EXAMPLES / "watching/deployment.yaml").read_text(encoding="utf-8")
    command = re.search(r"command: \[zenmail, watch, (.+)\]", deployment)
    assert command is not None
    parent = click.Context(app, **app.context_settings)
    watch.make_context("watch", command[1].split(", "), parent=parent)
