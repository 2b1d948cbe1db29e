from __future__ import annotations

import pytest

from zenmail import MailTooLarge, PermanentFailure, TemporaryFailure
from zenmail_transports.smtp.advice import advise, failure
from zenmail_transports.smtp.replies import Reply


@pytest.mark.parametrize(
    ("code", "text", "phase", "words"),
    [
        (534, "5.7.9 Application-specific password required", "auth", "app password"),
        (535, "5.7.8 Username and Password not accepted", "auth", "`username` and `password`"),
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
        (
            504,
            "5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname",
            "recipient",
            "ehlo_name",
        ),
        (550, "EHLO name [127.0.0.1] is not a FQDN", "sender", "ehlo_name"),
        (550, "Authentication required", "recipient", "`username` and `password`"),
        (554, "5.7.1 You must be authenticated to send", "sender", "`username` and `password`"),
        (421, "4.7.1 Error: no client certificate", "sender", "client_cert_file"),
        (553, "5.6.7 Mailbox name not supported", "recipient", "ASCII"),
        (555, "5.5.4 Unsupported option: SMTPUTF8", "sender", "ASCII"),
        (432, "4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", "body", "rate"),
        (554, "5.2.2 mailbox full; STOREDRV.Submission", "body", "sender's own mailbox"),
        (451, "Authentication failed: Maximum credits exceeded", "auth", "quota"),
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
        (
            550,
            "5.7.233 Your message can't be sent because your tenant exceeded its daily limit",
            PermanentFailure,
        ),
        (
            554,
            "5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException",
            PermanentFailure,
        ),
        (550, "5.7.1 Daily SMTP relay limit exceeded for customer", PermanentFailure),
        (451, "Authentication failed: Maximum credits exceeded", TemporaryFailure),
        (554, "5.2.2 mailbox full; STOREDRV.Submission", PermanentFailure),
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


def test_a_refusal_without_a_login_asks_for_one() -> None:
    """What a server does not explain is met with a login where there was none."""
    denied = Reply(554, ("5.7.1 <host>: Client host rejected: Access denied",))
    assert "username" in advise(denied, "recipient", anonymous=True)
    assert "username" not in advise(denied, "recipient")
    spam = Reply(554, ("5.7.1 Message looks like spam",))
    assert "username" not in advise(spam, "body", anonymous=True)


@pytest.mark.parametrize("text", ["5.2.2 Mailbox is over quota", "5.1.1 Limit: unknown user"])
def test_a_recipient_s_quota_is_not_the_account_s(text: str) -> None:
    """A full mailbox of a recipient is a refusal of that recipient."""
    assert failure(Reply(552, (text,)), "recipient").code == "recipient-refused"


def test_a_missing_client_certificate_is_permanent() -> None:
    """No other try will have a certificate, whatever the code is (Postfix: 421)."""
    error = failure(Reply(421, ("4.7.1 Error: No client certificate",)), "ehlo")
    assert isinstance(error, PermanentFailure)
    assert error.code == "client-certificate"


def test_too_large_carries_the_limit() -> None:
    """A refusal for size carries the limit that the server announced."""
    error = failure(Reply(552, ("5.3.4 too big",)), "body", limit=1000)
    assert isinstance(error, MailTooLarge)
    assert error.limit == 1000
    assert not isinstance(failure(Reply(552, ("5.2.2 full",)), "body"), MailTooLarge)
