"""The suite finds what it is there to find: each broken transport fails its test."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ConfigDict, SecretStr

from zenmail import (
    Check,
    PluginHost,
    Receipt,
    SendRequest,
    TransportOptions,
    VerifyRequest,
    hookimpl,
)
from zenmail.testing import Arrived, TransportConformance


class Options(TransportOptions):
    """Options of the transports here."""

    # No canary: some transports here give it away, as they are to be caught at.
    token: SecretStr = SecretStr("logged-on-purpose")


class NestedOptions(Options):
    """Options with secrets in them."""

    headers: dict[str, SecretStr]
    keys: list[SecretStr]


class Good:
    """A transport that does all it has to."""

    def __init__(self) -> None:
        self.mails: list[Arrived] = []
        self.refused: set[str] = set()

    @hookimpl
    def transport_options(self) -> type[Options]:
        """Return the class of the options."""
        return Options

    @hookimpl
    def send_email(self, request: SendRequest[Options]) -> Receipt:
        """Keep the mail."""
        accepted = self.recipients(request)
        content = b"".join(self.content(request))
        self.mails.append(Arrived(content, accepted, self.sender(request)))
        return Receipt(
            accepted=accepted,
            refused={
                name: "No such user."
                for name in request.envelope.recipients
                if name in self.refused
            },
        )

    def recipients(self, request: SendRequest[Options]) -> tuple[str, ...]:
        """Return who gets it."""
        return tuple(n for n in request.envelope.recipients if n not in self.refused)

    def sender(self, request: SendRequest[Options]) -> str:
        """Return who it is from."""
        return request.envelope.sender

    def content(self, request: SendRequest[Options]) -> list[bytes]:
        """Return what it holds."""
        return [request.email.as_bytes()]


class ByHeaders(Good):
    """Takes the recipients from the headers."""

    def recipients(self, request: SendRequest[Options]) -> tuple[str, ...]:
        return request.email.envelope.recipients


class HeaderSender(Good):
    """Takes the sender from the header."""

    def sender(self, request: SendRequest[Options]) -> str:
        return request.email.envelope.sender


class TellsBcc(Good):
    """Writes a Bcc header."""

    def content(self, request: SendRequest[Options]) -> list[bytes]:
        bcc = ", ".join(request.envelope.recipients).encode()
        return [b"Bcc: " + bcc + b"\r\n" + request.email.as_bytes()]


class Ascii(Good):
    """Loses what is not ASCII."""

    def content(self, request: SendRequest[Options]) -> list[bytes]:
        return [request.email.replace(text="?").as_bytes()]


class Truncates(Good):
    """Cuts large mails off."""

    def content(self, request: SendRequest[Options]) -> list[bytes]:
        return [request.email.as_bytes()[:1_000_000]]


class Forgets(Good):
    """Says nothing of refused recipients, and of nobody else either."""

    @hookimpl
    def send_email(self, request: SendRequest[Options]) -> Receipt:
        super().send_email(request)
        return Receipt(accepted=request.envelope.recipients[:1])


class Gossips(Good):
    """Its receipt names somebody who was not asked about."""

    @hookimpl
    def send_email(self, request: SendRequest[Options]) -> Receipt:
        super().send_email(request)
        return Receipt(accepted=(*request.envelope.recipients, "me@example.com"))


class SendsTwice(Good):
    """Sends each mail twice."""

    @hookimpl
    def send_email(self, request: SendRequest[Options]) -> Receipt:
        super().send_email(request)
        return super().send_email(request)


class Late(Good):
    """Claims to keep the deadline, and does not."""

    class LateOptions(Options):
        """Options that claim too much."""

        keeps_deadline = True

    @hookimpl
    def transport_options(self) -> type[Options]:
        return self.LateOptions

    @hookimpl
    def send_email(self, request: SendRequest[Options]) -> Receipt:
        time.sleep(request.deadline.remaining() + 0.1)
        return super().send_email(request)


class LogsSecret(Good):
    """Logs its token."""

    @hookimpl
    def send_email(self, request: SendRequest[Options]) -> Receipt:
        logging.getLogger("bad").debug("%s", request.options.token.get_secret_value())
        return super().send_email(request)


class OpenOptions(TransportOptions):
    """Options that anybody may read."""

    api_key: str | None = None


class OpenSecret(Good):
    """Declares its key as text."""

    @hookimpl
    def transport_options(self) -> type[Any]:
        return OpenOptions


class Mixes(Good):
    """Shares one buffer among threads."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer = b""
        self.meet = threading.Barrier(2, timeout=5)

    def content(self, request: SendRequest[Options]) -> list[bytes]:
        self.buffer = request.email.as_bytes()
        if request.email.subject in ("No. 0", "No. 1"):
            self.meet.wait()
        return [self.buffer]


class SendsToVerify(Good):
    """Sends a mail in order to check itself."""

    @hookimpl
    def verify_transport(self, request: VerifyRequest[Options]) -> list[Any]:
        self.mails.append(Arrived(b"test"))
        return [Check("send", "passed")]


class FailsWithoutRemedy(Good):
    """Finds something wrong and does not say what to do."""

    @hookimpl
    def verify_transport(self, request: VerifyRequest[Options]) -> list[Any]:
        return [Check("tcp", "failed", "Refused.")]


class Suite(TransportConformance):
    """The suite, whose tests are called by hand."""

    __test__ = False
    transport = "bad"


FINDS: list[tuple[str, type[Good]]] = [
    ("test_the_envelope_decides_not_the_headers", ByHeaders),
    ("test_the_envelope_decides_not_the_headers", HeaderSender),
    ("test_blind_copies_stay_blind", TellsBcc),
    ("test_every_script_arrives", Ascii),
    ("test_large_mails_arrive", Truncates),
    ("test_everybody_gets_the_mail", Forgets),
    ("test_everybody_gets_the_mail", SendsTwice),
    ("test_the_receipt_names_nobody_else", Gossips),
    ("test_one_refused_recipient_does_not_cost_the_others_their_mail", Forgets),
    ("test_a_transport_that_keeps_deadlines_keeps_them", Late),
    ("test_secrets_stay_secret", LogsSecret),
    ("test_secrets_are_declared", OpenSecret),
    ("test_threads_do_not_mix_mails", Mixes),
    ("test_checking_sends_nothing", SendsToVerify),
    ("test_checking_sends_nothing", FailsWithoutRemedy),
]


def below(fixture: str) -> Callable[..., Any]:
    """Return the function below a fixture of the suite."""
    function: Callable[..., Any] = getattr(TransportConformance, fixture).__wrapped__
    return function


@pytest.fixture
def call(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Callable[[str, Good], None]:
    """Return what runs one test of the suite on a transport."""

    def run(name: str, plugin: Good) -> None:
        host = PluginHost(installed=list)
        host.register_transport("bad", plugin)
        suite = Suite()
        test = getattr(suite, name)
        offered: dict[str, Any] = {
            "options": {},
            "arrived": lambda: list(plugin.mails),
            "refuse": plugin.refused.add,
            "hang": lambda: None,
            "unreachable": None,
            "zenmail_plugins": host,
            "zenmail_secrets": ["logged-on-purpose"],
            "zenmail_mailer": below("zenmail_mailer")(suite, {}, host),
            "zenmail_send": below("zenmail_send")(suite, {}, host),
            "caplog": caplog,
            "capfd": capfd,
        }
        code = test.__func__.__code__
        test(**{name: offered[name] for name in code.co_varnames[1 : code.co_argcount]})

    return run


def test_nested_secrets_are_looked_for() -> None:
    """The suite takes secrets out of lists and mappings of options, too."""

    class Nested(Good):
        @hookimpl
        def transport_options(self) -> type[Any]:
            return NestedOptions

    host = PluginHost(installed=list)
    host.register_transport("bad", Nested)
    find = below("zenmail_secrets")
    options = {"headers": {"X-Key": "one"}, "keys": ["two"]}
    assert sorted(find(Suite(), options, host)) == ["logged-on-purpose", "one", "two"]


@pytest.mark.parametrize(("test", "plugin"), FINDS)
def test_a_broken_transport_fails_its_test(
    call: Callable[[str, Good], None], test: str, plugin: type[Good]
) -> None:
    """What is wrong with the transport is found by the test that is there for it."""
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        call(test, plugin())


@pytest.mark.parametrize("test", sorted({test for test, _ in FINDS}))
def test_a_good_transport_passes(call: Callable[[str, Good], None], test: str) -> None:
    """The same tests let a transport pass that does what it should."""
    try:
        call(test, Good())
    except pytest.skip.Exception:
        assert test in (
            "test_checking_sends_nothing",
            "test_a_transport_that_keeps_deadlines_keeps_them",
        )


def test_lax_options_are_found(call: Callable[[str, Good], None]) -> None:
    """A class of options that takes unknown keys fails two tests."""

    class Loose(TransportOptions):
        model_config = ConfigDict(extra="allow")

    class Tolerant(Good):
        @hookimpl
        def transport_options(self) -> Any:
            return Loose

    with pytest.raises(AssertionError):
        call("test_options_are_declared", Tolerant())
    with pytest.raises(pytest.fail.Exception):
        call("test_unknown_options_are_refused", Tolerant())


def test_a_transport_that_hangs_is_found_out(call: Callable[[str, Good], None]) -> None:
    """The host saves its caller, so the test for the host passes with any transport."""

    class Hangs(Good):
        stop = threading.Event()

        @hookimpl
        def send_email(self, request: SendRequest[Options]) -> Receipt:
            self.stop.wait(20)
            return super().send_email(request)

    try:
        call("test_a_silent_other_end_does_not_hold_the_caller", Hangs())
    finally:
        Hangs.stop.set()
