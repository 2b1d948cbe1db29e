"""The alerter over a real SMTP server: what is mailed, to whom, with which settings."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zenmail import ConfigurationError, PermanentFailure
from zenmail.testing.smtp_server import SMTPServer
from zenmail_zenml import (
    AlerterMessage,
    SMTPEmailAlerterParameters,
    SMTPEmailAlerterPayload,
)

pytestmark = pytest.mark.zenml
SECRET = "{{email_credentials.smtp_password}}"


def texts(server: SMTPServer) -> list[str]:
    """Return the text part of each mail that arrived."""
    parts = [mail.message.get_body(("plain",)) for mail in server.mails]
    return [part.get_content() for part in parts if part is not None]


def test_a_text_arrives_whole_under_its_first_line(alerter: Any, server: SMTPServer) -> None:
    """The first line is the subject; all lines stand in the mail, and the login worked."""
    assert alerter.post("Training done\nAccuracy: 0.92") is True
    mail = server.mails[0]
    assert mail.recipients == ["default@example.com"]
    assert mail.message["Subject"] == "Training done"
    assert "Training done" in texts(server)[0]
    assert "Accuracy: 0.92" in texts(server)[0]
    assert mail.encrypted
    assert mail.username == "relay-account"


@pytest.mark.parametrize("message", [None, "", "  \n", 42, ["a"], AlerterMessage()])
def test_anything_can_be_posted(alerter: Any, server: SMTPServer, message: Any) -> None:
    """None, nothing, white space and what is no text arrive with a subject."""
    assert alerter.post(message) is True
    subject = server.mails[0].message["Subject"]
    assert subject
    assert "None" not in subject


def test_ask_says_what_to_use_instead(alerter: Any) -> None:
    """A mail cannot be waited for, and the error names alerters that can."""
    with pytest.raises(NotImplementedError, match=r"Slack.*Discord"):
        alerter.ask("Deploy?")


def test_parameters_win_over_the_configuration(alerter: Any, server: SMTPServer) -> None:
    """Recipients, subject, payload and HTML of the parameters are those of the mail."""
    params = SMTPEmailAlerterParameters(
        recipient_email="one@example.com, two@example.com",
        cc='["three@example.com"]',
        bcc=["four@example.com"],
        reply_to="five@example.com",
        sender_name="Nightly",
        subject="Other",
        subject_prefix="[X]",
        html_body="<p>own</p>",
        payload=SMTPEmailAlerterPayload.model_validate(
            {"pipeline_name": "train", "step_name": "fit", "region": "eu"}
        ),
    )
    assert alerter.post("Body", params) is True
    mail = server.mails[0]
    assert mail.recipients == [
        f"{name}@example.com" for name in ("one", "two", "three", "four")
    ]
    assert mail.message["Subject"] == "[X] Other"
    assert mail.message["From"] == "Nightly <alerts@example.com>"
    assert mail.message["Reply-To"] == "five@example.com"
    assert "four" not in mail.content.decode()
    html = mail.message.get_body(("html",))
    assert html is not None
    assert "<p>own</p>" in html.get_content()
    assert all(word in texts(server)[0] for word in ("Body", "train", "fit", "eu"))


def test_metadata_sets_what_are_settings_and_shows_the_rest(
    alerter: Any, server: SMTPServer
) -> None:
    """Metadata with a setting's name acts as one; other metadata is shown as facts."""
    message = AlerterMessage(
        title="Notice\n",
        body="__init__ of my_feature_store",
        metadata={"recipient_email": "team@example.com", "include_html": False, "epoch": 7},
    )
    assert alerter.post(message) is True
    mail = server.mails[0]
    assert mail.recipients == ["team@example.com"]
    assert mail.message["Subject"] == "Notice"
    assert mail.message.get_body(("html",)) is None
    assert "__init__ of my_feature_store" in texts(server)[0]
    assert "epoch" in texts(server)[0]
    assert "team@example.com" not in texts(server)[0]


def test_a_lost_mail_is_false_and_one_line_in_the_log(
    alerter: Any, server: SMTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The line says what was lost, to whom and why."""
    server.on("rcpt", "550 5.1.1 Unknown user")
    with caplog.at_level(logging.INFO):
        assert alerter.post("Model drifted\nBadly") is False
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == 1
    line = errors[0].getMessage()
    assert all(
        word in line for word in ("Model drifted", "default@example.com", "Unknown user")
    )


def test_a_kept_mail_is_one_line_that_names_the_command(
    register: Callable[..., Any],
    server: SMTPServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The line says that the ledger keeps the mail, and how to send it later."""
    address = {"smtp_server": "localhost", "smtp_port": server.port}
    server.close()
    alerter = register(**address, ledger=str(tmp_path / "ledger.db"), deadline=0.2)
    assert alerter.post("Model drifted") is False
    lines = [line for line in caplog.messages if "Model drifted" in line]
    assert len(lines) == 1
    assert "kept in the ledger" in lines[0]
    assert lines[0].endswith("Send it later: zenmail outbox flush")


def test_no_secret_of_the_options_is_in_the_log_of_a_lost_mail(
    register: Callable[..., Any],
    server: SMTPServer,
    canaries: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A subject that quotes a secret, wherever that is set, is shown without it."""
    alerter = register(
        transport_options={
            **server.options(username="relay-account"),
            "password": "{{email_credentials.smtp_password}}",
        }
    )
    server.on("rcpt", "550 5.1.1 Unknown user")
    assert alerter.post(f"Nobody knows {canaries['password']} here") is False
    assert "Nobody knows [redacted] here" in caplog.text
    assert canaries["password"] not in caplog.text


def test_a_lost_mail_raises_for_those_who_want_it(alerter: Any, server: SMTPServer) -> None:
    """With on_delivery_failure="raise" the reason is an exception."""
    server.on("rcpt", "550 5.1.1 Unknown user")
    with pytest.raises(PermanentFailure, match="Unknown user"):
        alerter.post("x", SMTPEmailAlerterParameters(on_delivery_failure="raise"))


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"transport": "carrier-pigeon"}, "carrier-pigeon"),
        ({"recipient_email": "nobody"}, "nobody"),
        ({"recipient_email": ""}, "has no recipient"),
        ({"deadline": "soon"}, "deadline"),
        ({"password": "{{no_such.secret}}"}, "no_such"),
        ({"password": "{{email_credentials.nothing}}"}, "nothing"),
    ],
)
def test_a_wrong_set_up_raises_at_once(
    alerter: Any, server: SMTPServer, params: dict[str, Any], reason: str
) -> None:
    """A misconfiguration is an error that names the culprit, for those who want errors."""
    with pytest.raises(ConfigurationError, match=reason):
        alerter.post("x", SMTPEmailAlerterParameters(**params, on_delivery_failure="raise"))
    assert not server.mails


def test_a_wrong_set_up_fails_no_long_step(
    alerter: Any, server: SMTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    """By default a misconfiguration is one line in the log, as any mail that is not sent."""
    with caplog.at_level(logging.ERROR, logger="zenmail_zenml"):
        assert alerter.post("x", {"recipient_email": "nobody"}) is False
        assert alerter.post("x", {"no_such_parameter": 1}) is False
    first, second = (record.getMessage() for record in caplog.records)
    assert "'nobody' is not a mail address" in first
    assert "no_such_parameter" in second
    assert not server.mails
    with pytest.raises(ConfigurationError, match="no_such_parameter"):
        alerter.post("x", {"no_such_parameter": 1, "on_delivery_failure": "raise"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"transport_options": {"password": SECRET, "no_such_option": 1}},
        {"transport_options": {"password": SECRET}, "recipient_email": "nobody"},
    ],
)
def test_no_secret_is_in_the_frames_of_a_wrong_set_up(
    alerter: Any, canaries: dict[str, str], wrong: dict[str, Any]
) -> None:
    """ZenML's log at DEBUG shows the variables of every frame that an error came through."""
    with pytest.raises(ConfigurationError) as caught:
        alerter.post("x", {**wrong, "on_delivery_failure": "raise"})
    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = [frame for frame in report.stack if frame.filename != __file__]
    assert frames
    assert not any(
        canaries["password"] in value
        for frame in frames
        for value in (frame.locals or {}).values()
    )


def test_every_value_may_be_a_secret_reference(
    register: Callable[..., Any], server: SMTPServer
) -> None:
    """Numbers, switches, lists and nested options come from the store, too."""
    from zenml.client import Client

    Client().create_secret(
        "everything",
        {
            "host": "localhost",
            "port": str(server.port),
            "to": "one@example.com, two@example.com",
            "html": "false",
            "prefix": "[secret]",
            "user": "relay-account",
            "ca": str(server.ca_file),
            "deadline": "20",
        },
    )
    alerter = register(
        smtp_server="{{everything.host}}",
        smtp_port="{{everything.port}}",
        recipient_email="{{everything.to}}",
        include_html="{{everything.html}}",
        subject_prefix="{{ everything.prefix }}",
        deadline="{{everything.deadline}}",
        transport_options={
            "username": "{{everything.user}}",
            "password": "{{email_credentials.smtp_password}}",
            "ca_file": "{{everything.ca}}",
        },
    )
    assert alerter.post("Hello") is True
    assert server.mails[0].recipients == ["one@example.com", "two@example.com"]
    assert server.mails[0].message["Subject"] == "[secret] Hello"
    assert server.mails[0].message.get_body(("html",)) is None


def test_the_login_is_the_sender_when_none_is_named(
    register: Callable[..., Any], server: SMTPServer
) -> None:
    """With a password and no user name the sender's address logs in."""
    server.users["alerts@example.com"] = server.users["relay-account"]
    alerter = register(
        smtp_server="localhost",
        smtp_port=server.port,
        sender_email="Alerts <alerts@example.com>",
        password="{{email_credentials.smtp_password}}",
        smtp_ca_file=str(server.ca_file),
    )
    assert alerter.post("Hello") is True
    assert server.mails[0].username == "alerts@example.com"


def test_connections_are_kept_between_posts(alerter: Any, server: SMTPServer) -> None:
    """Two posts with the same settings share a connection."""
    assert alerter.post("One") is True
    assert alerter.post("Two") is True
    assert len(server.mails) == 2
    assert server.connections == 1


def test_secrets_are_not_in_the_repr(register: Callable[..., Any]) -> None:
    """A password given in clear stands in no repr of the alerter or its configuration."""
    alerter = register(
        smtp_server="localhost",
        password="canary-password-7f3a",
        transport_options={"client_key_password": "canary-key-password-5b1d"},
    )
    shown = f"{alerter!r} {alerter} {alerter.config!r} {alerter.config}"
    assert "canary" not in shown
    assert "alerts@example.com" in shown


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


KEYS = {
    # No canary: ZenML asks STS with it, and botocore logs that.
    "aws_access_key_id": "own",
    "aws_secret_access_key": "canary/aws+secret/4d5e",
}


@pytest.fixture
def ses(amazon_ses: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server, as the only one that AWS's clients know of."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", amazon_ses)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return amazon_ses


def test_the_connector_gives_the_session(register: Callable[..., Any], ses: str) -> None:
    """With --connector the alerter sends through SES without keys of its own."""
    pytest.importorskip("aws_profile_manager", reason="ZenML's AWS connector is not installed")
    from moto.ses.models import ses_backends
    from zenml.client import Client
    from zenml.enums import StackComponentType
    from zenml.stack import StackComponent

    client = Client()
    alerter = register(transport="ses")
    connector: Any
    connector, _ = client.create_service_connector(
        name=f"connector-{alerter.name}",
        connector_type="aws",
        auth_method="secret-key",
        resource_type="aws-generic",
        configuration={**KEYS, "region": "eu-west-1"},
        verify=False,
    )
    client.update_stack_component(
        alerter.id, StackComponentType.ALERTER, connector_id=connector.id
    )
    model = client.get_stack_component(StackComponentType.ALERTER, alerter.id)
    connected: Any = StackComponent.from_model(model)
    assert connected.connector == connector.id
    assert connected.post("Over the connector") is True
    (sent,) = ses_backends["123456789012"]["eu-west-1"].sent_messages
    assert set(sent.destinations) == {"default@example.com"}
    assert "Over the connector" in sent.raw_data


def test_a_malformed_address_costs_nobody_else_the_mail(
    alerter: Any, server: SMTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The valid recipients of a post get the mail, and the log names the invalid one."""
    message = AlerterMessage(
        body="x", metadata={"recipient_email": ["ada@example.com", "bob.@example.com"]}
    )
    assert alerter.post(message) is False
    assert server.mails[0].recipients == ["ada@example.com"]
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert "bob.@example.com" in line
    assert "ada@" not in line


@pytest.mark.parametrize("name", ["ML @ ACME, Berlin", 'The "best" <team>; or: so', "a\\b"])
def test_any_sender_name_arrives(alerter: Any, server: SMTPServer, name: str) -> None:
    """A display name is quoted where it needs quotation marks."""
    assert alerter.post("Body", SMTPEmailAlerterParameters(sender_name=name)) is True
    (sender,) = server.mails[0].message["From"].addresses
    assert sender.display_name == name
    assert sender.addr_spec == "alerts@example.com"
