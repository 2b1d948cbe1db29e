from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from zenmail import (
    Alert,
    Attachment,
    Email,
    Mailer,
    OptionsError,
    PermanentFailure,
    Retry,
    TemporaryFailure,
    UnknownOutcome,
    UnknownTransport,
)
from zenmail.testing import CapturedMail


def make_email(**changes: Any) -> Email:
    """Return a mail."""
    values: dict[str, Any] = {
        "sender": "Alerts <alerts@example.com>",
        "to": ["oncall@example.com"],
        "subject": "Step failed",
        "text": "Accuracy fell.\n",
    }
    return Email(**{**values, **changes})


@pytest.mark.parametrize(
    ("transport", "options"),
    [
        ("capture", {}),
        ("smtp", {"host": "mail.invalid", "username": "u", "password": "canary-password-7f3a"}),
        ("file", {"folder": "/nowhere"}),
    ],
)
def test_whatever_is_selected_is_captured(
    captured_mail: CapturedMail, transport: str, options: dict[str, Any]
) -> None:
    """The code under test keeps its transport and options, and nothing leaves the process."""
    with Mailer(transport, options=options) as mailer:
        receipt = mailer.send(make_email(bcc="hidden@example.com"))
    assert receipt.outcome == "delivered"
    (sent,) = captured_mail
    assert sent.transport == transport
    assert sent.envelope.recipients == ("oncall@example.com", "hidden@example.com")
    assert sent.email.subject == "Step failed"


def test_set_ups_are_checked_as_ever(captured_mail: CapturedMail) -> None:
    """A wrong option or an unknown transport fails in the test as it would in production."""
    with pytest.raises(OptionsError):
        Mailer("smtp", options={"hots": "localhost"})
    with pytest.raises(UnknownTransport):
        Mailer("carrier-pigeon")
    assert len(captured_mail) == 0


def test_alerts_are_captured(captured_mail: CapturedMail) -> None:
    """What goes through ``send_alert`` is there as the mail that was composed."""
    with Mailer("capture") as mailer:
        mailer.send_alert(
            Alert(title="Step failed", body="Accuracy **fell**."),
            sender="alerts@example.com",
            to="oncall@example.com",
            subject_prefix="[ZenML]",
        )
    sent = captured_mail.assert_sent(
        to="ONCALL@example.com", subject="[ZenML] Step failed", html="<strong>fell</strong>"
    )
    assert "Accuracy" in sent.email.text


def test_attachments_are_copies(captured_mail: CapturedMail, tmp_path: Path) -> None:
    """A file that is gone after the send is still in the captured mail."""
    file = tmp_path / "metrics.csv"
    file.write_text("a,b")
    with Mailer("capture") as mailer:
        mailer.send(make_email(attachments=[Attachment(path=file)]))
    file.unlink()
    (attachment,) = captured_mail[0].email.attachments
    assert attachment.filename == "metrics.csv"
    assert attachment.read() == b"a,b"


def test_a_failed_assertion_lists_what_was_sent(captured_mail: CapturedMail) -> None:
    """Who reads the failure sees what was asked for, and every mail there is."""
    with Mailer("capture") as mailer:
        mailer.send(make_email())
        mailer.send(make_email(subject="Step done", to=["team@example.com"]))
    with pytest.raises(AssertionError) as failure:
        captured_mail.assert_sent(to="boss@example.com", subject=re.compile("fail"))
    assert str(failure.value) == (
        "0 mails match (to='boss@example.com', subject='fail'), not one or more; sent were:\n"
        "  1. 'Step failed' to oncall@example.com (by capture)\n"
        "  2. 'Step done' to team@example.com (by capture)"
    )
    with pytest.raises(AssertionError, match=r"1\. 'Step failed'"):
        captured_mail.assert_nothing_sent()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"to": "oncall@example.com"}, True),
        ({"to": "other@example.com"}, False),
        ({"subject": "failed"}, True),
        ({"subject": re.compile("^failed")}, False),
        ({"text": "Accuracy"}, True),
        ({"text": "Recall"}, False),
        ({"html": "<p>"}, False),
        ({"sender": "alerts@example.com"}, True),
        ({"transport": "capture"}, True),
        ({"transport": "smtp"}, False),
        ({"count": 1}, True),
        ({"count": 2}, False),
    ],
)
def test_assertions_tell_mails_apart(
    captured_mail: CapturedMail, wanted: dict[str, Any], found: bool
) -> None:
    """Each argument alone decides whether a mail matches."""
    with Mailer("capture") as mailer:
        mailer.send(make_email())
    if found:
        assert captured_mail.assert_sent(**wanted) is captured_mail[0]
    else:
        with pytest.raises(AssertionError):
            captured_mail.assert_sent(**wanted)


def test_nothing_sent_is_an_assertion_too(captured_mail: CapturedMail) -> None:
    """It passes while nothing was sent, and after ``clear``."""
    captured_mail.assert_nothing_sent()
    with Mailer("capture") as mailer:
        mailer.send(make_email())
    captured_mail.clear()
    captured_mail.assert_nothing_sent()


def test_recipients_can_be_refused(captured_mail: CapturedMail) -> None:
    """One recipient's refusal leaves the others their mail, as with a real server."""
    captured_mail.refuse("*@gone.example", "550 5.1.1 Unknown")
    with Mailer("capture") as mailer:
        receipt = mailer.send(make_email(cc="bob@gone.example"))
    assert receipt.outcome == "partial"
    assert receipt.refused == {"bob@gone.example": "550 5.1.1 Unknown"}
    assert captured_mail[0].envelope.recipients == ("oncall@example.com",)


def test_recipients_can_be_deferred(captured_mail: CapturedMail) -> None:
    """The mailer tries again, and gives up as it would with a real server."""
    captured_mail.defer("oncall@example.com")
    with Mailer("capture", retry=Retry(max_attempts=2)) as mailer:
        receipt = mailer.send(make_email())
    assert receipt.outcome == "deferred"
    assert captured_mail.attempts == 2
    captured_mail.assert_nothing_sent()


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (TemporaryFailure("The line is bad."), "deferred"),
        (PermanentFailure("No."), "refused"),
        (UnknownOutcome("The answer was lost."), "unknown"),
    ],
)
def test_outcomes_can_be_simulated(
    captured_mail: CapturedMail, error: Any, outcome: str
) -> None:
    """The receipt is the one that such a failure leads to."""
    captured_mail.fail(error)
    with Mailer("capture", retry=Retry(max_attempts=1)) as mailer:
        assert mailer.send(make_email()).outcome == outcome
        assert mailer.send(make_email()).outcome == "delivered"


def test_a_retry_can_be_tested(captured_mail: CapturedMail) -> None:
    """A failure that heals costs an attempt, not the mail."""
    captured_mail.fail(TemporaryFailure("The line is bad."))
    with Mailer("capture") as mailer:
        receipt = mailer.send(make_email())
    assert receipt.outcome == "delivered"
    assert receipt.attempts == 2
    assert len(captured_mail) == 1


def test_outside_the_fixture_nothing_changes() -> None:
    """The transport ``capture`` is known to tests alone."""
    with pytest.raises(UnknownTransport):
        Mailer("capture")
    mail = CapturedMail()
    with mail.capturing(), Mailer("capture") as mailer:
        mailer.send(make_email())
    assert len(mail) == 1
    with pytest.raises(UnknownTransport):
        Mailer("capture")
