"""Messages and parameters: what they take, and how they split settings from content."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from pydantic import ValidationError

from zenmail_zenml import (
    AlerterImage,
    AlerterMessage,
    SMTPEmailAlerterParameters,
    SMTPEmailAlerterPayload,
)

pytestmark = pytest.mark.zenml


class Figure:
    """Draws itself, as a matplotlib figure does."""

    def savefig(self, target: Any, **options: str) -> None:
        target.write(f"{options['format']} bytes".encode())


def test_messages_as_text() -> None:
    """A message reads as text wherever text is wanted."""
    assert str(AlerterMessage(title="A", body="B")) == "A\n\nB"
    assert str(AlerterMessage()) == ""


@pytest.mark.parametrize(
    ("given", "source"),
    [
        ("plot.png", "plot.png"),
        (b"raw", b"raw"),
        (Figure(), b"png bytes"),
        ({"content": b"raw", "alt": "A plot"}, b"raw"),
        ({"content": base64.b64encode(b"raw").decode()}, b"raw"),
        (AlerterImage(path="plot.png"), "plot.png"),
    ],
)
def test_an_image_is_a_path_bytes_or_a_figure(given: Any, source: str | bytes) -> None:
    """Each form gives the same picture, also after ZenML stored the message as JSON."""
    message = AlerterMessage(images=[given])
    stored = AlerterMessage.model_validate_json(message.model_dump_json())
    assert stored.images is not None
    assert [image.source for image in stored.images] == [source]


def test_metadata_is_split_into_settings_and_facts() -> None:
    """What has a setting's name is one; everything else is shown."""
    message = AlerterMessage(metadata={"cc": "a@example.com", "epoch": 7})
    assert message.settings == {"cc": "a@example.com"}
    assert message.facts == {"epoch": 7}


def test_parameters_separate_settings_from_content() -> None:
    """Only the settings that are set take part in merging the scopes."""
    params = SMTPEmailAlerterParameters(subject="s", cc=["a@example.com"], dry_run=False)
    assert params.settings() == {"cc": ["a@example.com"], "dry_run": False}
    with pytest.raises(ValidationError):
        SMTPEmailAlerterParameters.model_validate({"colour": "red"})


def test_a_payload_has_labels() -> None:
    """The known attributes get a label, others keep their name, None is not shown."""
    payload = SMTPEmailAlerterPayload.model_validate({"pipeline_name": "train", "region": "eu"})
    assert payload.facts == {"Pipeline": "train", "region": "eu"}
