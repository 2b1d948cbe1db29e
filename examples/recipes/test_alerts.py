"""Test what your code mails; the fixture comes with zenmail."""

from zenmail import Alert, Mailer


def notify(error: str) -> bool:
    """Mail an error; the code under test."""
    with Mailer("smtp", options={"host": "mail.example.com"}) as mailer:
        receipt = mailer.send_alert(
            Alert(title="Step failed", error=error, severity="error"),
            sender="alerts@example.com",
            to="oncall@example.com",
        )
    return receipt.delivered


def test_on_call_gets_the_error(captured_mail) -> None:
    """The mail goes to on call and quotes the error."""
    assert notify("ValueError: no data")
    captured_mail.assert_sent(to="oncall@example.com", text="no data", count=1)


def test_a_rejected_recipient_is_noticed(captured_mail) -> None:
    """The caller learns that nobody got it."""
    captured_mail.refuse("oncall@example.com", "550 5.1.1 No such user")
    assert not notify("ValueError: no data")
