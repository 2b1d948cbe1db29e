"""A typed use of the whole public API; type checkers read it, nobody runs it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from pydantic import SecretStr

from zenmail import (
    AccessToken,
    Alert,
    Attachment,
    Check,
    ConfigurationError,
    Deadline,
    DeliveryError,
    Email,
    Envelope,
    Image,
    Mailbox,
    Mailer,
    MailTooLarge,
    Outcome,
    PermanentFailure,
    PluginHost,
    Receipt,
    SendRequest,
    StepSummary,
    TemporaryFailure,
    TokenRequest,
    TransportOptions,
    VerifyRequest,
    ZenmailError,
    compose,
    hookimpl,
)

alert: Alert = Alert(
    title="Step failed",
    body="It broke.",
    severity="error",
    facts={"pipeline": "train", "rows": 5},
    traceback="Traceback ...",
    next_steps=["Look at the data."],
    url="https://example.com",
    images=[Image(source=b"", alt="A plot")],
    attachments=["model.json", Path("data.csv"), ("a.txt", b"x"), ("b", "x", "text/plain")],
    steps=[StepSummary(name="train", status="failed", seconds=1.5)],
)
more: Alert = alert.with_facts({"run": "1"}).replace(title=ValueError("boom"))
email: Email = compose(
    alert,
    sender="Alerts <alerts@example.com>",
    to=["oncall@example.com"],
    cc=[],
    bcc="a@example.com, b@example.com",
    subject_prefix="[ZenML]",
)
by_hand: Email = Email(
    sender=Mailbox("Alerts", "alerts@example.com"),
    to="oncall@example.com",
    cc=[Mailbox("", "a@example.com"), "b@example.com"],
    subject="Subject",
    text=0.92,
    html="<p>HTML</p>",
    attachments=[Attachment(filename="a", content=b"x"), Path("b")],
    headers={"X-Run": 5},
    importance="high",
)
changed: Email = email.replace(subject="Other")
stored: Email = Email.model_validate_json(email.model_dump_json())
data: bytes = email.as_bytes()
pieces: Iterable[bytes] = email.chunks(smtputf8=False)
length: int = email.size()
envelope: Envelope = email.envelope
sender: str = envelope.sender
recipients: tuple[str, ...] = envelope.recipients
fewer: Envelope = envelope.to(["a@example.com"])


class Options(TransportOptions):
    """The options of a stranger's transport."""

    keeps_deadline: ClassVar[bool] = True
    url: str
    token: SecretStr = SecretStr("")


class Transport:
    """A transport that keeps state."""

    @hookimpl
    def transport_options(self) -> type[Options]:
        """Return the class of the options."""
        return Options

    @hookimpl
    def send_email(self, request: SendRequest[Options]) -> Receipt:
        """Send one mail."""
        url: str = request.options.url
        seconds: float = request.deadline.timeout(f"before {url}")
        if seconds < 1:
            raise TemporaryFailure("Too late.", code="late", remedy="Wait.")
        if request.email.size() > 10:
            raise MailTooLarge("Too large.")
        if not url:
            raise PermanentFailure("No.")
        return Receipt(accepted=["a@example.com"], refused={"b@example.com": "550 no"})

    @hookimpl
    def verify_transport(self, request: VerifyRequest[Options]) -> list[Check]:
        """Check the set-up."""
        return [Check("dns", "passed", request.options.url)]

    @hookimpl
    def close_transport(self) -> None:
        """Let go of everything."""


class Middleware:
    """A plugin around every send."""

    @hookimpl
    def before_render(self, alert: Alert) -> Alert | None:
        """Change the alert."""
        return alert.with_facts({"cluster": "a"})

    @hookimpl
    def before_send(self, email: Email, envelope: Envelope) -> Email | None:
        """Change the mail."""
        return email.replace(headers={**email.headers, "X-Cluster": "a"})

    @hookimpl
    def after_send(self, receipt: Receipt, email: Email) -> None:
        """Take note."""


class Tokens:
    """A source of access tokens."""

    @hookimpl
    def fetch_token(self, request: TokenRequest) -> AccessToken:
        """Return a token."""
        return AccessToken(SecretStr(request.account), expires_at=0.0)


def send(options: dict[str, Any]) -> Outcome:
    """Send a mail and an alert."""
    with Mailer("smtp", options=options, deadline=30.0, plugins=PluginHost()) as mailer:
        receipt: Receipt = mailer.send(email)
        other: Receipt = mailer.send_alert(
            alert, sender="a@example.com", to=["b@example.com"], subject_prefix="[ZenML]"
        )
    try:
        same: Receipt = receipt.raise_for_outcome()
    except DeliveryError as error:
        found: Receipt | None = error.receipt
        code: str = error.code
        print(found, code, error.remedy, error.transport)
        return "deferred"
    except (ConfigurationError, ZenmailError):
        return "refused"
    accepted: tuple[str, ...] = same.accepted
    refused: dict[str, str] = other.refused
    print(accepted, refused, receipt.detail, receipt.attempts, receipt.message_id)
    print(Deadline.after(5.0).share(2).remaining())
    return receipt.outcome
