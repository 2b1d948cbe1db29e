"""What every transport has to do, as a suite of tests that its authors subclass.

```python
class TestWebhook(TransportConformance):
    transport = "webhook"

    @pytest.fixture
    def options(self, server):
        return {"url": server.url}

    @pytest.fixture
    def arrived(self, server):
        return lambda: [Arrived(call.content, call.recipients) for call in server.calls]
```
"""

from __future__ import annotations

import logging
import os
import pickle
import sys
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from multiprocessing import get_context
from typing import Any, ClassVar, get_args

import pytest

from ..attachment import Attachment
from ..check import Check
from ..deadline import Deadline
from ..delivery.mailer import Mailer
from ..email import Email, Envelope
from ..errors import DeliveryError, OptionsError
from ..model import secret_values
from ..plugins import PluginHost
from ..receipt import Receipt
from ..redaction.names import secrecy_of
from ..retry import Retry
from ..transport import SendRequest, TransportOptions, VerifyRequest

__all__ = ["Arrived", "TransportConformance"]

_SECONDS = 30.0


@dataclass(frozen=True)
class Arrived:
    """One mail, as it was found at the other end.

    Attributes:
        content: Its bytes.
        recipients: Who the other end was told to give it to; None when it is not told,
            as with a folder of files.
        sender: Who it was told that it is from; None when it is not told.
    """

    content: bytes
    recipients: Collection[str] | None = None
    sender: str | None = None

    def message(self) -> EmailMessage:
        """Return the mail, parsed."""
        return message_from_bytes(self.content, _class=EmailMessage, policy=policy.default)


Options = Mapping[str, Any]
Inbox = Callable[[], list[Arrived]]
Send = Callable[..., Receipt]


class TransportConformance:
    """The tests. Subclass it, set `transport`, and override the fixtures.

    ``options`` and ``arrived`` are required. What the other fixtures return makes further
    tests run; those whose fixture returns None are skipped.

    Attributes:
        transport: The name that users select it by, from an entry point.
        plugin: The transport itself, when no entry point names it.
        sends_mail: Whether what arrives is the mail's own bytes (RFC 5322), not a
            rendering of it for people.
        attachment_bytes: How large an attachment has to arrive; for providers that take less
            than 3 MB.
    """

    transport: ClassVar[str] = ""
    plugin: ClassVar[object] = None
    sends_mail: ClassVar[bool] = True
    attachment_bytes: ClassVar[int] = 3_072_000

    # Fixtures for authors.

    @pytest.fixture
    def options(self) -> Options:
        """The transport's options, as a user would type them."""
        raise NotImplementedError("override the fixture 'options'")

    @pytest.fixture
    def arrived(self) -> Inbox:
        """Return what returns the mails at the other end, in the order of their arrival."""
        raise NotImplementedError("override the fixture 'arrived'")

    @pytest.fixture
    def refuse(self) -> Callable[[str], None] | None:
        """Return what makes the other end refuse a recipient permanently."""
        return None

    @pytest.fixture
    def hang(self) -> Callable[[], None] | None:
        """Return what makes the other end fall silent for half a minute or more."""
        return None

    @pytest.fixture
    def unreachable(self) -> Options | None:
        """Options that lead nowhere, such as a port that nobody listens on."""
        return None

    # What the tests use.

    @pytest.fixture
    def zenmail_plugins(self) -> PluginHost:
        """A plugin host that knows the transport."""
        host = PluginHost()
        if self.plugin is not None:
            host.register_transport(self.transport, self.plugin)
        return host

    @pytest.fixture
    def zenmail_secrets(self, options: Options, zenmail_plugins: PluginHost) -> list[str]:
        """Every secret among the options."""
        parsed = zenmail_plugins.transport(self.transport).parse_options(options)
        return [secret for secret in secret_values(parsed) if secret]

    @pytest.fixture
    def zenmail_mailer(
        self, options: Options, zenmail_plugins: PluginHost
    ) -> Callable[..., Mailer]:
        """Return what makes a mailer of the options, or of others."""
        usual = {"options": options, "deadline": _SECONDS, "plugins": zenmail_plugins}
        return lambda **more: Mailer(self.transport, **{**usual, **more})

    @pytest.fixture
    def zenmail_send(self, options: Options, zenmail_plugins: PluginHost) -> Send:
        """Return what has the transport alone send a mail, and closes it."""

        def send(
            email: Email, envelope: Envelope | None = None, seconds: float = _SECONDS
        ) -> Receipt:
            transport = zenmail_plugins.transport(self.transport)
            request: SendRequest[Any] = SendRequest(
                email=email,
                envelope=envelope or email.envelope,
                options=transport.parse_options(options),
                deadline=Deadline.after(seconds),
                fetch_token=zenmail_plugins.fetch_token,
            )
            try:
                return transport.send(request)
            finally:
                zenmail_plugins.close()

        return send

    def _mail(self, **changes: Any) -> Email:
        values: dict[str, Any] = {
            "sender": "Alerts <alerts@example.com>",
            "to": ["oncall@example.com"],
            "subject": "Step failed",
            "text": "Accuracy fell.\n",
        }
        return Email(**{**values, **changes})

    # The tests.

    def test_options_are_declared(self, zenmail_plugins: PluginHost) -> None:
        """``transport_options`` returns a class of options that refuses unknown keys."""
        transport = zenmail_plugins.transport(self.transport)
        assert issubclass(transport.options_type, TransportOptions)
        assert transport.options_type.model_config.get("extra") == "forbid"
        assert transport.options_type.model_config.get("frozen") is True

    def test_secrets_are_declared(self, zenmail_plugins: PluginHost) -> None:
        """An option with the name of a secret is a SecretStr; only so zenmail knows it."""
        fields = zenmail_plugins.transport(self.transport).options_type.model_fields
        shown = [
            name
            for name, field in fields.items()
            if secrecy_of(name) and str in (field.annotation, *get_args(field.annotation))
        ]
        assert not shown, f"declare as pydantic.SecretStr: {', '.join(shown)}"

    def test_unknown_options_are_refused(
        self, options: Options, zenmail_plugins: PluginHost
    ) -> None:
        """A misspelt option is named before anything is sent."""
        transport = zenmail_plugins.transport(self.transport)
        with pytest.raises(OptionsError, match="no_such_option"):
            transport.parse_options({**options, "no_such_option": 1})

    def test_everybody_gets_the_mail(self, arrived: Inbox, zenmail_send: Send) -> None:
        """The receipt accepts each recipient, and the mail arrives once."""
        email = self._mail(to=["a@example.com", "b@example.com"], cc="c@example.com")
        receipt = zenmail_send(email)
        assert isinstance(receipt, Receipt)
        assert set(receipt.accepted) == set(email.envelope.recipients)
        assert not receipt.refused
        assert not receipt.deferred
        mails = arrived()
        assert mails
        told = [mail.recipients for mail in mails if mail.recipients is not None]
        if told:
            names = [name for recipients in told for name in recipients]
            assert sorted(names) == sorted(email.envelope.recipients)
        else:
            assert len(mails) == 1

    def test_the_envelope_decides_not_the_headers(
        self, arrived: Inbox, zenmail_send: Send
    ) -> None:
        """A redirected mail goes to the envelope's recipients alone."""
        email = self._mail(to="shown@example.com", cc="shown-too@example.com")
        envelope = Envelope("bounces@example.com", ("staging@example.com",))
        receipt = zenmail_send(email, envelope)
        assert receipt.accepted == ("staging@example.com",)
        assert arrived()
        for mail in arrived():
            if mail.recipients is not None:
                assert set(mail.recipients) == {"staging@example.com"}
            if mail.sender is not None:
                assert mail.sender == "bounces@example.com"

    def test_the_receipt_names_nobody_else(self, zenmail_send: Send) -> None:
        """Accepted, refused and deferred are recipients of the envelope, each once."""
        email = self._mail(to="shown@example.com", bcc=["a@example.com", "b@example.com"])
        envelope = email.envelope.to(["a@example.com", "b@example.com"])
        receipt = zenmail_send(email, envelope)
        named = [*receipt.accepted, *receipt.refused, *receipt.deferred]
        assert sorted(named) == ["a@example.com", "b@example.com"]

    def test_blind_copies_stay_blind(self, arrived: Inbox, zenmail_send: Send) -> None:
        """Nothing of the mail names a Bcc recipient."""
        zenmail_send(self._mail(bcc="hidden@example.com"))
        assert arrived()
        for mail in arrived():
            if self.sends_mail:
                assert b"hidden@example.com" not in mail.content
            assert b"\nbcc:" not in mail.content.lower()

    def test_every_script_arrives(self, arrived: Inbox, zenmail_send: Send) -> None:
        """Subject and text arrive in whatever script, and lines however long."""
        text = "Gr\u00fc\u00dfe, \u65e5\u672c\u8a9e, \u2713\n" + "long " * 400 + "\n.\n..end\n"
        email = self._mail(subject="Schritt fehlgeschlagen \u2713", text=text)
        zenmail_send(email)
        (mail, *_) = arrived()
        if self.sends_mail:
            message = mail.message()
            assert message["Subject"] == email.subject
            assert message["Message-ID"] == email.message_id
            body = message.get_body(("plain",))
            assert body is not None
            assert body.get_content().replace("\r\n", "\n") == email.text
        else:
            shown = mail.content.decode("utf-8")
            assert email.subject in shown
            assert "Gr\u00fc\u00dfe, \u65e5\u672c\u8a9e, \u2713" in shown

    def test_large_mails_arrive(self, arrived: Inbox, zenmail_send: Send) -> None:
        """An attachment of 3 MB, or as large as the provider takes, arrives whole."""
        data = bytes(range(256)) * (self.attachment_bytes // 256)
        email = self._mail(attachments=[Attachment(filename="model.bin", content=data)])
        receipt = zenmail_send(email)
        assert receipt.accepted
        (mail, *_) = arrived()
        if self.sends_mail:
            (attached,) = mail.message().iter_attachments()
            assert attached.get_content() == data
        else:
            assert b"model.bin" in mail.content

    def test_one_refused_recipient_does_not_cost_the_others_their_mail(
        self, arrived: Inbox, refuse: Callable[[str], None] | None, zenmail_send: Send
    ) -> None:
        """The receipt says who was refused and why; the others have the mail."""
        if refuse is None:
            pytest.skip("the fixture 'refuse' returns None")
        refuse("nobody@example.com")
        email = self._mail(to=["a@example.com", "nobody@example.com", "b@example.com"])
        receipt = zenmail_send(email)
        assert set(receipt.accepted) == {"a@example.com", "b@example.com"}
        assert list(receipt.refused) == ["nobody@example.com"]
        assert receipt.refused["nobody@example.com"]
        for mail in arrived():
            if mail.recipients is not None:
                assert "nobody@example.com" not in mail.recipients

    def test_a_silent_other_end_does_not_hold_the_caller(
        self, hang: Callable[[], None] | None, zenmail_mailer: Callable[..., Mailer]
    ) -> None:
        """The mailer comes back soon after its deadline, and claims no delivery."""
        if hang is None:
            pytest.skip("the fixture 'hang' returns None")
        hang()
        started = time.monotonic()
        with zenmail_mailer(deadline=1.0) as mailer:
            receipt = mailer.send(self._mail())
            seconds = time.monotonic() - started
        assert receipt.outcome in ("deferred", "unknown")
        assert seconds < 15

    def test_a_transport_that_keeps_deadlines_keeps_them(
        self,
        hang: Callable[[], None] | None,
        zenmail_plugins: PluginHost,
        zenmail_send: Send,
    ) -> None:
        """Without the host's help, too, if ``keeps_deadline`` says so."""
        options_type = zenmail_plugins.transport(self.transport).options_type
        if hang is None or not options_type.keeps_deadline:
            pytest.skip("the fixture 'hang' returns None, or keeps_deadline is False")
        hang()
        started = time.monotonic()
        with pytest.raises(DeliveryError):
            zenmail_send(self._mail(), seconds=1.0)
        assert time.monotonic() - started < 15

    def test_failures_become_receipts(
        self, unreachable: Options | None, zenmail_mailer: Callable[..., Mailer]
    ) -> None:
        """When the other end is not there the receipt says so, with a code and a reason."""
        if unreachable is None:
            pytest.skip("the fixture 'unreachable' returns None")
        with zenmail_mailer(
            options=unreachable, deadline=5.0, retry=Retry(max_attempts=1)
        ) as mailer:
            receipt = mailer.send(self._mail())
        assert receipt.outcome in ("deferred", "refused", "unknown")
        assert receipt.detail
        assert receipt.code

    def test_secrets_stay_secret(
        self,
        options: Options,
        unreachable: Options | None,
        zenmail_secrets: list[str],
        zenmail_plugins: PluginHost,
        zenmail_mailer: Callable[..., Mailer],
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        """No option declared as a secret is in a repr, a log, a receipt or on the terminal."""
        if not zenmail_secrets:
            pytest.skip("no option is a SecretStr")
        parse = zenmail_plugins.transport(self.transport).parse_options
        caplog.set_level(logging.DEBUG)
        written = []
        for given in [options] if unreachable is None else [options, unreachable]:
            retry = Retry(max_attempts=1)
            with zenmail_mailer(options=given, deadline=5.0, retry=retry) as mailer:
                receipt = mailer.send(self._mail())
            written += [repr(receipt), repr(pickle.dumps(receipt)), repr(parse(given))]
            written.append(str(parse(given)))
        with pytest.raises(OptionsError) as refused:
            parse({**options, "bad": 1})
        captured = capfd.readouterr()
        written += [str(refused.value), repr(refused.value), captured.out, captured.err]
        written.append(caplog.text)
        for secret in zenmail_secrets:
            assert all(secret not in text for text in written)

    def test_threads_do_not_mix_mails(
        self, arrived: Inbox, zenmail_mailer: Callable[..., Mailer]
    ) -> None:
        """Eight threads share a mailer; each of their mails arrives once, and whole."""
        with zenmail_mailer() as mailer, ThreadPoolExecutor(8) as pool:

            def send(number: int) -> str:
                text = f"mark-{number}-\n" * 200
                return mailer.send(self._mail(subject=f"No. {number}", text=text)).outcome

            assert list(pool.map(send, range(8))) == ["delivered"] * 8
        contents = [mail.content for mail in arrived()]
        for number in range(8):
            mark = f"mark-{number}-".encode()
            assert sum(content.count(mark) for content in contents) == 200
            assert len([content for content in contents if mark in content]) == 1

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_a_forked_child_sends_too(
        self, arrived: Inbox, zenmail_mailer: Callable[..., Mailer]
    ) -> None:
        """Parent and child share no connection: both deliver, before and after the fork."""

        def send_around_a_fork() -> bool:
            with zenmail_mailer() as mailer:

                def delivers(text: str) -> bool:
                    return mailer.send(self._mail(text=text)).delivered

                return (
                    delivers("from-before")
                    and _in_a_child(lambda: delivers("from-child"))
                    and delivers("from-parent")
                )

        # In a process of its own, since the other end's threads may hold OpenSSL's locks here.
        assert _in_a_child(send_around_a_fork)
        contents = [mail.content for mail in arrived()]
        for mark in (b"from-before", b"from-child", b"from-parent"):
            assert sum(content.count(mark) for content in contents) == 1

    def test_checking_sends_nothing(
        self, options: Options, arrived: Inbox, zenmail_plugins: PluginHost
    ) -> None:
        """``verify_transport``, if there is one, yields checks and leaves no mail."""
        transport = zenmail_plugins.transport(self.transport)
        if not transport.verifies:
            pytest.skip("the transport has no verify_transport")
        request: VerifyRequest[Any] = VerifyRequest(
            envelope=self._mail().envelope,
            options=transport.parse_options(options),
            deadline=Deadline.after(_SECONDS),
            fetch_token=zenmail_plugins.fetch_token,
        )
        checks = [*transport.verify(request)]
        zenmail_plugins.close()
        assert checks
        assert all(isinstance(check, Check) for check in checks)
        assert all(check.remedy for check in checks if check.status == "failed")
        assert not arrived()

    def test_closing_is_harmless(self, zenmail_plugins: PluginHost, zenmail_send: Send) -> None:
        """A transport may be closed before its first mail, and twice, and sends again."""
        zenmail_plugins.transport(self.transport)
        zenmail_plugins.close()
        zenmail_plugins.close()
        assert zenmail_send(self._mail()).accepted


def _in_a_child(does: Callable[[], bool]) -> bool:
    """Return what a forked child finds, or False if it takes for ever."""
    child = get_context("fork").Process(target=lambda: sys.exit(not does()))
    child.start()
    child.join(4 * _SECONDS)
    child.kill()
    child.join()
    return child.exitcode == 0
