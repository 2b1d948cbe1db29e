"""The demo's mails, read back as they arrived."""

from __future__ import annotations

from pathlib import Path

import pytest

from zenmail import Attachment, Email, Mailer
from zenmail_zenml.cli.demo_sinks import open_sink, read_email

pytestmark = pytest.mark.zenml


def test_a_mail_survives_the_way_through_its_bytes() -> None:
    """Subject, both texts and attachments are those that were sent."""
    email = Email(
        sender="Ä <a@example.com>",
        to=["b@example.com"],
        subject="Größe",
        text="text\n",
        html="<p>html</p>\n",
        attachments=(Attachment(filename="a.csv", content=b"1,2", content_type="text/csv"),),
    )
    found = read_email(email.as_bytes())
    assert (found.sender, found.subject) == (email.sender, email.subject)
    assert (found.text.strip(), (found.html or "").strip()) == ("text", "<p>html</p>")
    assert [(item.filename, item.read()) for item in found.attachments] == [("a.csv", b"1,2")]
    assert found.message_id == email.message_id


def test_mails_of_an_earlier_demo_are_not_shown_again(tmp_path: Path) -> None:
    """The file sink returns only what was added since it was opened."""
    email = Email(sender="a@example.com", to=["b@example.com"], subject="s", text="t")
    with Mailer("file", options={"folder": tmp_path}) as mailer:
        mailer.send(email)
        with open_sink("file", tmp_path) as sink:
            assert sink.received() == []
            mailer.send(email)
            assert len(sink.received()) == 1
