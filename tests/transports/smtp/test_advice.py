from __future__ import annotations

import pytest

from zenmail import MailTooLarge, PermanentFailure, TemporaryFailure
from zenmail_transports.smtp.advice import advise, failure
from zenmail_transports.smtp.replies import Reply


@pytest.mark.parametrize(
    ("code", "text", "phase", "words"),
    [
        (534, "5.7.9 Application-specific password required", "auth", "app password"),
        (535, "5.7.8 Username and Password not accepted", "auth", "username and password"),
        (
            535,
            "5.7.139 Authentication unsuccessful, basic authentication is disabled",
            "auth",
            "oauth",
        ),
        (
            550,
            "5.7.30 Basic authentication is not supported for Client Submission",
            "auth",
            "oauth",
        ),
        (535, "5.7.3 Authentication unsuccessful", "auth", "service principal"),
        (550, "5.4.5 Daily sending quota exceeded", "dot", "quota"),
        (454, "Throttling failure: Maximum sending rate exceeded.", "body", "Amazon SES"),
        (550, "5.7.515 Access denied", "body", "DMARC"),
        (552, "5.3.4 Message size exceeds fixed limit", "body", "smaller"),
        (
            550,
            "5.7.60 SMTP; Client does not have permissions to send as this sender",
            "sender",
            "Send as",
        ),
        (554, "5.2.252 SendAsDenied", "body", "Send as"),
        (530, "5.7.0 Must issue a STARTTLS command first", "sender", "starttls"),
        (530, "5.7.57 Client not authenticated to send mail", "sender", "username"),
        (530, "5.7.0 Authentication Required", "sender", "username"),
        (554, "Message rejected: Email address is not verified.", "body", "Amazon SES"),
        (550, "5.7.1 Relaying denied", "recipient", "login"),
        (550, "5.1.1 No such user", "recipient", "address"),
        (452, "4.2.2 Mailbox full", "recipient", "full"),
        (550, "whatever", "sender", "sender"),
    ],
)
def test_advice(code: int, text: str, phase: str, words: str) -> None:
    """What a provider answers is met with what to do about it."""
    assert words.lower() in advise(Reply(code, (text,)), phase).lower()


@pytest.mark.parametrize(
    ("code", "kind"),
    [(421, TemporaryFailure), (554, PermanentFailure), (354, TemporaryFailure)],
)
@pytest.mark.parametrize("phase", ["greeting", "ehlo", "auth", "sender", "data", "body"])
def test_failures_are_sorted_by_the_first_digit(
    code: int, kind: type[Exception], phase: str
) -> None:
    """4yz is temporary, 5yz permanent, anything else no success either."""
    error = failure(Reply(code, ("text",)), phase)
    assert type(error) is kind
    assert error.code
    assert error.remedy
    assert "text" in error.message


@pytest.mark.parametrize("phase", ["sender", "recipient", "data", "body"])
@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (550, "5.4.5 Daily user sending limit exceeded.", PermanentFailure),
        (452, "5.4.5 Quota exceeded", TemporaryFailure),
        (454, "Throttling failure: Daily message quota exceeded.", TemporaryFailure),
    ],
)
def test_a_used_up_quota_has_a_code_of_its_own(
    code: int, text: str, kind: type[Exception], phase: str
) -> None:
    """Whenever the server says it, an account that may send no more is told apart."""
    error = failure(Reply(code, (text,)), phase)
    assert type(error) is kind
    assert error.code == "quota"
    assert "wait" in error.remedy


def test_too_large_carries_the_limit() -> None:
    """A refusal for size carries the limit that the server announced."""
    error = failure(Reply(552, ("5.3.4 too big",)), "body", limit=1000)
    assert isinstance(error, MailTooLarge)
    assert error.limit == 1000
    assert not isinstance(failure(Reply(552, ("5.2.2 full",)), "body"), MailTooLarge)
