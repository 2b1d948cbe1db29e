"""The generic step with our alerter and with one that knows text only."""

# No postponed annotations here: ZenML 0.94 cannot read those of a step.
import importlib.util
import logging
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from zenml import pipeline

from zenmail.testing.smtp_server import SMTPServer
from zenmail_zenml import (
    AlerterImage,
    AlerterMessage,
    SMTPEmailAlerterParameters,
    SMTPEmailAlerterPayload,
    alerter_post_step,
)

pytestmark = pytest.mark.zenml

TEXT_ONLY = """
from typing import Optional
from zenml.alerter.base_alerter import (
    BaseAlerter, BaseAlerterConfig, BaseAlerterFlavor, BaseAlerterStepParameters
)

class ChatParameters(BaseAlerterStepParameters):
    channel: str = "general"

class ChatAlerter(BaseAlerter):
    posted = []
    answer = True

    def post(self, message, params=None):
        assert isinstance(message, str)
        self.posted.append((message, params))
        return self.answer

    def ask(self, question, params=None):
        return True

class ChatFlavor(BaseAlerterFlavor):
    @property
    def name(self):
        return "chat"

    @property
    def implementation_class(self):
        return ChatAlerter
"""


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


PNG = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 8, 2, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(b"\0" + b"\xff\0\0" * 2))
    + _chunk(b"IEND", b"")
)


@pytest.fixture(scope="module")
def chat_flavor(zenml_store: Path) -> Any:
    """A flavor whose alerter takes nothing but text, as Slack's and Discord's do."""
    from zenml.client import Client
    from zenml.enums import StackComponentType

    path = zenml_store / "chat_flavor.py"
    path.write_text(TEXT_ONLY)
    spec = importlib.util.spec_from_file_location("chat_flavor", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["chat_flavor"] = module
    spec.loader.exec_module(module)
    Client().create_flavor("chat_flavor.ChatFlavor", StackComponentType.ALERTER)
    return module


@pytest.fixture
def chat(chat_flavor: Any, zenml_store: Path) -> Any:
    """Make a stack with the text-only alerter the active one; return its class."""
    from zenml.client import Client
    from zenml.enums import StackComponentType
    from zenml.utils import source_utils

    source_utils.set_custom_source_root(str(zenml_store))
    client = Client()
    before = client.active_stack_model.id
    if not client.list_stacks(name="chat").items:
        client.create_stack_component("chat", "chat", StackComponentType.ALERTER, {})
        client.create_stack(
            "chat",
            {
                StackComponentType.ORCHESTRATOR: "default",
                StackComponentType.ARTIFACT_STORE: "default",
                StackComponentType.ALERTER: "chat",
            },
        )
    client.activate_stack("chat")
    chat_flavor.ChatAlerter.posted.clear()
    chat_flavor.ChatAlerter.answer = True
    yield chat_flavor.ChatAlerter
    client.activate_stack(before)


def post(*args: Any, **kwargs: Any) -> Any:
    """Run a pipeline of the step alone; return what the step returned."""

    @pipeline(enable_cache=False)
    def posting() -> None:
        alerter_post_step(*args, **kwargs)

    from zenml.client import Client

    finished: Any = posting()
    run = Client().get_pipeline_run(finished.id)
    return run.steps["alerter_post_step"].output.load()


def test_message_and_parameters_survive_the_journey(alerter: Any, server: SMTPServer) -> None:
    """A message with a picture and typed parameters arrive as they were given."""
    message = AlerterMessage(
        title="Trained",
        body="Loss: 0.1",
        severity="success",
        metadata={"epoch": 7},
        images=[
            AlerterImage.model_validate({"content": PNG, "alt": "The loss over the epochs"})
        ],
    )
    params = SMTPEmailAlerterParameters(
        cc=["two@example.com"],
        subject="Trained again",
        metrics={"loss": 0.1},
        payload=SMTPEmailAlerterPayload(pipeline_name="train"),
    )
    assert post(message, params) is True
    (mail,) = server.mails
    assert mail.recipients == ["default@example.com", "two@example.com"]
    assert mail.message["Subject"] == "Trained again"
    pictures = [part for part in mail.message.walk() if part.get_content_type() == "image/png"]
    assert [part.get_content() for part in pictures] == [PNG]
    html = mail.message.get_body(("html",))
    assert html is not None
    assert "The loss over the epochs" in html.get_content()


def test_text_alone(alerter: Any, server: SMTPServer) -> None:
    """Text is posted as by the alerter's own method."""
    assert post("Done\nAll of it") is True
    assert server.mails[0].message["Subject"] == "Done"


def test_a_lost_message_is_false(alerter: Any, server: SMTPServer) -> None:
    """The step is completed and returns that the message was lost."""
    server.on("rcpt", "550 5.1.1 Unknown user")
    assert post("Done") is False


def test_a_lost_message_fails_the_step_on_demand(alerter: Any, server: SMTPServer) -> None:
    """With fail_on_lost the step fails, and says why."""
    server.on("rcpt", "550 5.1.1 Unknown user")
    with pytest.raises(Exception, match=r"Unknown user|failure in step"):
        post("Done", fail_on_lost=True)


def test_another_alerter_gets_text_and_its_own_parameters(chat: Any) -> None:
    """An alerter that knows text only gets the whole message as text, without settings."""
    message = AlerterMessage(
        title="Trained",
        body="Loss: 0.1, password=hunter2",
        metadata={"epoch": 7, "recipient_email": "a@example.com"},
    )
    assert post(message, {"channel": "alerts"}) is True
    ((text, params),) = chat.posted
    assert text == "Trained\n\nLoss: 0.1, password=[redacted]\n\nepoch: 7"
    assert params.channel == "alerts"


def test_another_alerter_that_fails_is_named(
    chat: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """When an alerter returns False the log says which, and what was lost."""
    chat.answer = False
    with caplog.at_level(logging.ERROR, logger="zenmail_zenml"):
        assert post("Lost words") is False
    assert "'chat' (chat) did not deliver: 'Lost words'" in caplog.text
    with pytest.raises(Exception, match=r"did not deliver|failure in step"):
        post("Lost words", fail_on_lost=True)


def test_our_hooks_reach_another_alerter(
    chat: Any, canaries: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an e-mail alerter the hooks post their text, redacted as a mail is."""
    from zenmail_zenml import smtp_email_alerter_failure_hook

    secret = canaries["app password"]
    monkeypatch.setenv("SERVICE_PASSWORD", secret)
    smtp_email_alerter_failure_hook(ValueError(f"nothing left of {secret}"))
    ((text, _),) = chat.posted
    assert "ValueError: nothing left of [redacted]" in text
    assert secret not in text


def test_no_alerter_at_all(zenml_store: Path) -> None:
    """A stack without an alerter is a mistake that the error tells how to mend."""
    with pytest.raises(Exception, match=r"has no alerter|failure in step"):
        post("Done")
