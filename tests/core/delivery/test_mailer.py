from __future__ import annotations

import logging
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel, SecretBytes, SecretStr

from zenmail import (
    AccessToken,
    Alert,
    Attachment,
    ConfigurationError,
    DeadlineExceeded,
    DeliveryPolicy,
    Email,
    Mailer,
    MailTooLarge,
    MissingExtra,
    PermanentFailure,
    PluginHost,
    Receipt,
    Retry,
    SendRequest,
    TemporaryFailure,
    TokenRequest,
    TransportOptions,
    UnknownOutcome,
    hookimpl,
)
from zenmail.delivery import attempts

Make = Callable[..., Any]
EVERYBODY = ("b@example.com", "c@example.com", "zoe@example.com")
B, C, D = EVERYBODY


class RunStoppedError(Exception):
    """What a signal handler raises to end a run."""


def test_send_alert_composes_and_sends(scripted: Make, mailer_of: Make) -> None:
    """An alert reaches the transport as one mail to all its recipients."""
    one = scripted()
    receipt = mailer_of(one).send_alert(
        Alert(title="Step failed"),
        sender="a@example.com",
        to="b@example.com",
        bcc=["c@example.com"],
        subject_prefix="[ZenML]",
    )
    assert receipt.outcome == "delivered"
    assert receipt.accepted == (B, C)
    assert receipt.attempts == 1
    assert one.requests[0].email.subject == "[ZenML] Step failed"
    assert receipt.message_id == one.requests[0].email.message_id


def test_temporary_failure_is_tried_again(
    scripted: Make, mailer_of: Make, email: Email
) -> None:
    """After a temporary failure the same mail, same Message-ID, is tried again."""
    one = scripted(TemporaryFailure("busy"), TemporaryFailure("busy"), "ok")
    receipt = mailer_of(one).send(email)
    assert (receipt.outcome, receipt.attempts) == ("delivered", 3)
    assert {request.email.message_id for request in one.requests} == {email.message_id}
    assert receipt.detail == ""
    assert receipt.code == ""


def test_pauses_grow(
    scripted: Make, mailer_of: Make, email: Email, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pauses between attempts grow, and end before the deadline does."""
    pauses: list[float] = []
    monkeypatch.setattr(attempts, "time", SimpleNamespace(sleep=pauses.append))
    monkeypatch.setattr(attempts, "random", SimpleNamespace(uniform=lambda _, most: most))

    def busy(request: Any) -> Any:
        raise TemporaryFailure("busy")

    receipt = mailer_of(scripted(busy), deadline=7.9).send(email)
    assert receipt.outcome == "deferred"
    assert pauses == [0.25, 0.5, 1.0, 2.0, 4.0]


def throttled(seconds: float) -> TemporaryFailure:
    """Return what a server says that wants to be left alone for a while."""
    failure = TemporaryFailure("throttled")
    failure.retry_after = seconds
    return failure


def test_a_server_is_left_alone_for_as_long_as_it_asks(
    scripted: Make, mailer_of: Make, email: Email, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pause is what the server asked for where that is longer than ours."""
    pauses: list[float] = []
    monkeypatch.setattr(attempts, "time", SimpleNamespace(sleep=pauses.append))
    receipt = mailer_of(scripted(throttled(20.0), "ok"), deadline=60.0).send(email)
    assert (receipt.outcome, receipt.attempts) == ("delivered", 2)
    (pause,) = pauses
    assert 15.0 < pause <= 20.0


def test_what_is_throttled_beyond_the_deadline_goes_elsewhere_at_once(
    scripted: Make, mailer_of: Make, email: Email
) -> None:
    """Alone it is deferred after one try; a fallback gets the mail without a wait."""
    receipt = mailer_of(scripted(throttled(3600.0)), deadline=60.0).send(email)
    assert (receipt.outcome, receipt.attempts) == ("deferred", 1)
    one, two = scripted(throttled(3600.0)), scripted()
    assert mailer_of(one, two, deadline=60.0).send(email).transport == "two"
    assert len(one.requests) == 1


def test_only_the_deferred_are_tried_again(
    scripted: Make, mailer_of: Make, email: Email
) -> None:
    """Each recipient has an outcome: accepted and refused ones are left alone."""
    one = scripted(
        Receipt(accepted=(B,), refused={C: "550 no"}, deferred={D: "451 later"}), "ok"
    )
    receipt = mailer_of(one).send(email)
    assert one.envelopes == [EVERYBODY, (D,)]
    assert receipt.outcome == "partial"
    assert receipt.accepted == (B, D)
    assert receipt.refused == {C: "550 no"}
    assert receipt.deferred == {}


def test_permanent_failure_is_not_repeated(
    scripted: Make, mailer_of: Make, email: Email
) -> None:
    """A permanent failure is tried once, and says who was refused and what to do."""
    one = scripted(
        PermanentFailure("wrong password", code="auth-refused", remedy="Look it up.")
    )
    receipt = mailer_of(one).send(email)
    assert (receipt.outcome, receipt.attempts, receipt.code) == ("refused", 1, "auth-refused")
    assert receipt.refused == dict.fromkeys(EVERYBODY, "wrong password")
    assert receipt.remedy == "Look it up."
    with pytest.raises(PermanentFailure):
        receipt.raise_for_outcome()


def test_missing_extra_is_permanent_and_keeps_its_remedy(
    scripted: Make, mailer_of: Make, email: Email
) -> None:
    """A transport whose dependency is missing says how to install it, once."""
    one = scripted(MissingExtra("no boto3", remedy='pip install "zenmail[ses]"'))
    receipt = mailer_of(one).send(email)
    assert (receipt.outcome, receipt.attempts) == ("refused", 1)
    assert receipt.remedy == 'pip install "zenmail[ses]"'
    assert receipt.code == "extra-missing"


def test_unknown_is_left_under_at_most_once(
    scripted: Make, mailer_of: Make, email: Email
) -> None:
    """A mail that may have arrived is neither sent again nor given to the fallback."""
    one, two = scripted(UnknownOutcome("lost after the body")), scripted()
    receipt = mailer_of(one, two).send(email)
    assert (receipt.outcome, receipt.attempts) == ("unknown", 1)
    assert receipt.unknown == dict.fromkeys(EVERYBODY, "lost after the body")
    assert two.requests == []


def test_unknown_is_sent_again_under_at_least_once(
    scripted: Make, mailer_of: Make, email: Email
) -> None:
    """Under at_least_once it is sent again with the same Message-ID."""
    one = scripted(UnknownOutcome("lost after the body"), "ok")
    receipt = mailer_of(one, retry=Retry(policy="at_least_once")).send(email)
    assert (receipt.outcome, receipt.attempts) == ("delivered", 2)
    assert receipt.unknown == {}
    assert one.requests[0].email.as_bytes() == one.requests[1].email.as_bytes()


def test_unknown_stays_unknown_when_nothing_better_comes(
    scripted: Make, mailer_of: Make, email: Email
) -> None:
    """Under at_least_once a doubt that no later attempt settles is reported as one."""
    one = scripted(UnknownOutcome("lost"), TemporaryFailure("busy"))
    receipt = mailer_of(one, retry=Retry(policy="at_least_once"), deadline=1.0).send(email)
    assert receipt.outcome == "unknown"
    assert set(receipt.unknown) == set(EVERYBODY)
    assert receipt.deferred == {}


def test_one_unknown_recipient_of_a_receipt(
    scripted: Make, mailer_of: Make, email: Email
) -> None:
    """A transport may be in doubt about some recipients and sure about others."""
    one = scripted(Receipt(accepted=(B, C), unknown={D: "no answer"}))
    receipt = mailer_of(one).send(email)
    assert receipt.outcome == "unknown"
    assert receipt.accepted == (B, C)
    assert receipt.unknown == {D: "no answer"}


def test_fallback_takes_over(
    scripted: Make, mailer_of: Make, email: Email, caplog: pytest.LogCaptureFixture
) -> None:
    """What the first transport cannot deliver, the next one does; log and notes say why."""
    one, two = scripted(PermanentFailure("wrong password")), scripted()
    receipt = mailer_of(one, two).send(email)
    assert (receipt.outcome, receipt.transport) == ("delivered", "two")
    assert receipt.notes == ("Transport 'one' could not deliver: wrong password",)
    assert "Transport 'one' cannot deliver (wrong password); trying 'two'." in caplog.text


def test_a_wait_for_the_deadline_is_announced(
    scripted: Make, mailer_of: Make, email: Email, caplog: pytest.LogCaptureFixture
) -> None:
    """Who waits because the server is away learns why, and for how long at most; once."""
    away = [TemporaryFailure("The server is away.") for _ in range(3)]
    assert mailer_of(scripted(*away, "ok")).send(email).delivered
    lines = [line for line in caplog.messages if "Trying again" in line]
    assert len(lines) == 1
    assert re.fullmatch(r"The server is away. Trying again for up to \d+ s.", lines[0])


def test_fallback_gets_whoever_has_nothing_yet(
    scripted: Make, mailer_of: Make, email: Email
) -> None:
    """Refused and deferred recipients go to the next transport, accepted ones do not."""
    one = scripted(Receipt(accepted=(B,), refused={C: "550"}, deferred={D: "451"}))
    two = scripted()
    receipt = mailer_of(one, two).send(email)
    assert two.envelopes == [(C, D)]
    assert receipt.outcome == "delivered"
    assert receipt.refused == receipt.deferred == {}


def test_a_hiccup_does_not_change_the_transport(
    scripted: Make, mailer_of: Make, email: Email
) -> None:
    """One temporary failure is tried again on the same transport before the next."""
    one, two = scripted(TemporaryFailure("busy"), "ok"), scripted()
    assert mailer_of(one, two).send(email).transport == "one"
    assert two.requests == []


def test_transports_take_turns_until_the_deadline(
    scripted: Make, mailer_of: Make, email: Email
) -> None:
    """When the last transport fails for the time being, the first gets another turn."""
    busy = TemporaryFailure("busy")
    one, two = scripted(busy, busy, "ok"), scripted(busy)
    receipt = mailer_of(one, two).send(email)
    assert (receipt.outcome, receipt.transport) == ("delivered", "one")
    assert len(two.requests) == 1


def test_one_temporary_among_permanent_failures_counts_as_deferred(
    scripted: Make, mailer_of: Make, email: Email
) -> None:
    """The mail is refused only when no transport could take it later."""
    one, two = scripted(TemporaryFailure("busy")), scripted(PermanentFailure("no"))
    receipt = mailer_of(one, two, deadline=1.0).send(email)
    assert receipt.outcome == "deferred"
    assert receipt.refused == {}


def test_a_hanging_transport_leaves_time_for_the_next(
    scripted: Make, mailer_of: Make, email: Email
) -> None:
    """A transport that uses up its time leaves an equal share to the one behind it."""
    given: list[float] = []
    seen: list[float] = []

    def hang(request: Any) -> Any:
        given.append(request.deadline.remaining())
        time.sleep(given[0])
        raise DeadlineExceeded("The deadline passed while it connected.")

    def quick(request: Any) -> Receipt:
        seen.append(request.deadline.remaining())
        return Receipt(accepted=request.envelope.recipients)

    receipt = mailer_of(scripted(hang), scripted(quick), deadline=2.0).send(email)
    assert (receipt.outcome, receipt.transport) == ("delivered", "two")
    assert given[0] <= 1.0
    assert seen[0] > 0.3


def test_a_failing_transport_leaves_its_time_to_the_next(
    scripted: Make, mailer_of: Make, email: Email
) -> None:
    """What the first does not use, the last may use; one alone gets it all."""
    seen: list[float] = []

    def quick(request: Any) -> Receipt:
        seen.append(request.deadline.remaining())
        return Receipt(accepted=request.envelope.recipients)

    mailer_of(scripted(PermanentFailure("no")), scripted(quick), deadline=20).send(email)
    mailer_of(scripted(quick), deadline=20).send(email)
    assert min(seen) > 19


def test_the_reason_outlives_the_deadline(
    scripted: Make, mailer_of: Make, email: Email
) -> None:
    """That the time was over does not hide what it was spent on."""
    one = scripted(
        TemporaryFailure("connection refused", code="connect"), DeadlineExceeded("time is over")
    )
    receipt = mailer_of(one, deadline=1.0).send(email)
    assert receipt.detail == "connection refused"
    assert receipt.code == "connect"


@pytest.mark.parametrize("watched", [True, False])
def test_foreign_exceptions_are_temporary_and_named(
    scripted: Make, mailer_of: Make, email: Email, watched: bool
) -> None:
    """Whatever a stranger's transport raises names the transport, and is tried again."""
    one = scripted(KeyError("token"), "ok", watched=watched)
    assert mailer_of(one).send(email).outcome == "delivered"
    lasting = scripted(ValueError("x" * 10_000 + "\r\n"), watched=watched)
    receipt = mailer_of(lasting, deadline=0.5).send(email)
    assert receipt.outcome == "deferred"
    assert receipt.transport == "one"
    assert receipt.detail.startswith("The transport 'one' failed: ValueError: xxx")
    assert len(receipt.detail) <= 1000
    assert receipt.code == "transport-exception"


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_a_watched_transport_ends_nobody(
    scripted: Make, mailer_of: Make, email: Email, error: BaseException
) -> None:
    """A stranger's transport that calls sys.exit ends neither the process nor the send."""
    one, two = scripted(error, watched=True), scripted()
    receipt = mailer_of(one, two).send(email)
    assert (receipt.outcome, receipt.transport) == ("delivered", "two")


def test_a_transport_that_hangs_is_given_up_on(
    scripted: Make, mailer_of: Make, email: Email
) -> None:
    """A transport that ignores the deadline is left alone; the mail may have arrived."""
    release = threading.Event()
    one = scripted(lambda request: release.wait(30), watched=True)
    started = time.monotonic()
    receipt = mailer_of(one, deadline=0.5).send(email)
    seconds = time.monotonic() - started
    release.set()
    assert (receipt.outcome, receipt.code) == ("unknown", "deadline")
    assert seconds < 10


@pytest.mark.parametrize("answer", [None, True, {"accepted": [B]}])
@pytest.mark.parametrize("watched", [True, False])
def test_no_receipt_is_no_success(
    scripted: Make, mailer_of: Make, email: Email, answer: Any, watched: bool
) -> None:
    """A transport that returns something else has an unknown outcome, not a copy."""
    one = scripted(answer, watched=watched)
    receipt = mailer_of(one).send(email)
    assert (receipt.outcome, receipt.code) == ("unknown", "transport-broken")
    assert "'one'" in receipt.detail
    assert len(one.requests) == 1


@pytest.mark.parametrize("policy", ["at_most_once", "at_least_once"])
def test_a_receipt_that_forgets_or_invents_recipients(
    scripted: Make, mailer_of: Make, email: Email, policy: DeliveryPolicy
) -> None:
    """Forgotten recipients are unknown and not sent to again; invented ones change nothing."""
    one = scripted(Receipt(accepted=("B@EXAMPLE.com", "mallory@example.com"), refused={C: ""}))
    receipt = mailer_of(one, retry=Retry(policy=policy)).send(email)
    assert receipt.outcome == "unknown"
    assert receipt.accepted == (B,)
    assert receipt.refused == {C: "refused"}
    assert set(receipt.unknown) == {D}
    assert "mallory@example.com" in receipt.notes[0]
    assert len(one.requests) == 1


def test_secrets_are_taken_out_of_receipts_and_logs(
    scripted: Make, mailer_of: Make, email: Email, caplog: pytest.LogCaptureFixture
) -> None:
    """No secret of the options stands in a receipt or in the log."""
    canary = "canary-password-7f3a"
    host = PluginHost()
    host.register_transport(
        "one", scripted(PermanentFailure(f"login as {canary}", remedy=canary))
    )
    host.register_transport(
        "two", scripted(Receipt(refused={B: canary, C: canary, D: "no"}, notes=(canary,)))
    )
    mailer = Mailer("one", options={"password": canary}, fallbacks=["two"], plugins=host)
    receipt = mailer.send(email)
    assert receipt.outcome == "refused"
    assert canary not in repr(receipt) + receipt.describe() + caplog.text + repr(mailer)
    assert "[redacted]" in receipt.refused[B]


class _Login(BaseModel):
    token: SecretStr


@dataclass
class _Key:
    value: SecretStr


class _NestedOptions(TransportOptions):
    login: _Login
    data: SecretBytes
    keys: frozenset[SecretStr]
    headers: dict[str, _Key]


class _Tells:
    """A transport that says what it was told."""

    @hookimpl
    def transport_options(self) -> type[TransportOptions]:
        return _NestedOptions

    @hookimpl
    def send_email(self, request: SendRequest[_NestedOptions]) -> Receipt:
        options = request.options
        secrets = [options.login.token, *options.keys, options.headers["X-Key"].value]
        words = [secret.get_secret_value() for secret in secrets]
        raise PermanentFailure(" ".join([*words, options.data.get_secret_value().decode()]))


def test_secrets_are_found_however_deep_they_are_nested(email: Email) -> None:
    """Models, sets, records and bytes hold secrets like any other option."""
    host = PluginHost()
    host.register_transport("one", _Tells)
    options = {
        "login": {"token": "canary-token-1"},
        "data": b"canary-token-2",
        "keys": ["canary-token-3"],
        "headers": {"X-Key": {"value": "canary-token-4"}},
    }
    receipt = Mailer("one", options=options, plugins=host).send(email)
    assert receipt.detail == " ".join(["[redacted]"] * 4)


def test_a_token_that_was_fetched_is_a_secret(
    scripted: Make, email: Email, caplog: pytest.LogCaptureFixture
) -> None:
    """What a token source gave out is known when a server or a transport quotes it."""

    class Source:
        @hookimpl
        def fetch_token(self, request: TokenRequest) -> AccessToken:
            return AccessToken("canary-token-91bc", 1.0)  # type: ignore[arg-type]

    def quotes(request: SendRequest[Any]) -> Receipt:
        asked = TokenRequest("a@example.com", (), request.deadline, {})
        token = request.fetch_token("vault", asked)
        raise PermanentFailure(f"401 for {token.value.get_secret_value()} of {token}")

    host = PluginHost()
    host.register_transport("one", scripted(quotes))
    host.register_transport("two", scripted("ok"))
    host.register_token_source("vault", Source)
    receipt = Mailer("one", fallbacks=["two"], plugins=host).send(email)
    assert receipt.delivered
    assert "401 for [redacted] of AccessToken(" in receipt.notes[0]
    assert "canary" not in repr(receipt) + caplog.text


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        ("canary-token-91bc", f"{'x' * 990}canary-token-91bc"),
        ("canary-token-91bc", f"{'x' * 490}canary-token-91bc"),
        ("canary\ttoken\n91bc", "it was canary\ttoken\n91bc"),
        ("canary-token-91bc", "it was canary-\x1b[1mtoken-91bc"),
    ],
    ids=["at the end", "at a cut", "of several lines", "coloured"],
)
@pytest.mark.parametrize("error", [RuntimeError, PermanentFailure])
def test_a_secret_is_known_before_and_after_its_text_is_tidied(
    scripted: Make, email: Email, error: type[Exception], secret: str, says: str
) -> None:
    """Neither half a secret stands in a receipt nor one whose white space was changed."""
    host = PluginHost()
    host.register_transport("one", scripted(error(says)))
    mailer = Mailer(
        "one",
        options={"password": secret},
        plugins=host,
        retry=Retry(max_attempts=1),
        deadline=5,
    )
    receipt = mailer.send(email)
    assert receipt.outcome in ("refused", "deferred")
    assert "canary" not in repr(receipt)
    assert "91bc" not in repr(receipt)


def test_text_for_others_lacks_the_secrets_of_the_environment(
    scripted: Make, mailer_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another flavor or ZenML's metadata gets is redacted like a mail."""
    monkeypatch.setenv("SERVICE_PASSWORD", "correct-horse-battery")
    shown = mailer_of(scripted()).hide("it said correct-horse-battery", shapes=True)
    assert shown == "it said [redacted]"


def test_addresses_that_differ_in_case_are_two(scripted: Make, mailer_of: Make) -> None:
    """What is said of one does not count for the other, unless the case is the transport's."""
    big, small = "Bob@example.com", "bob@example.com"
    email = Email(sender="a@example.com", to=[big, small], subject="s", text="t")
    receipt = mailer_of(scripted(Receipt(accepted=(small,), refused={big: "no"}))).send(email)
    assert (receipt.accepted, receipt.refused) == ((small,), {big: "no"})
    receipt = mailer_of(scripted(Receipt(accepted=("BOB@example.com",)))).send(email)
    assert receipt.accepted == (big, small)


def test_pass_through_leaves_at_once(scripted: Make, mailer_of: Make, email: Email) -> None:
    """An exception that ends the run leaves send, whoever's code it was raised in."""
    for watched in (True, False):
        one, two = scripted(RunStoppedError(), watched=watched), scripted()
        mailer = mailer_of(one, two, pass_through=(RunStoppedError,))
        with pytest.raises(RunStoppedError):
            mailer.send(email)
        assert two.requests == []


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGALRM")
@pytest.mark.parametrize("where", ["watch", "pause", "transport"])
def test_a_signal_handler_gets_out_of_send(
    scripted: Make, mailer_of: Make, email: Email, where: str
) -> None:
    """A handler's exception leaves send promptly from the watch, a pause or a transport."""

    def stop(number: int, frame: object) -> None:
        raise RunStoppedError

    release = threading.Event()
    answer = {
        "watch": lambda request: release.wait(20),
        "pause": TemporaryFailure("busy"),
        "transport": lambda request: time.sleep(20),
    }[where]
    mailer = mailer_of(
        scripted(answer, watched=where == "watch"), pass_through=(RunStoppedError,)
    )
    previous = signal.signal(signal.SIGALRM, stop)
    started = time.monotonic()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.4)
        with pytest.raises(RunStoppedError):
            mailer.send(email)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        release.set()
    assert time.monotonic() - started < 5


def test_a_large_mail_is_shortened_and_says_so(scripted: Make, mailer_of: Make) -> None:
    """A mail over the server's SIZE goes out once more, smaller, and says what it lost."""
    too_large = MailTooLarge("552 too large")
    too_large.limit = 5_000
    one = scripted(too_large, "ok")
    mail = Email(
        sender="a@example.com",
        to="b@example.com",
        subject="Model trained",
        text="It is ready.",
        html="<html><body class='x'><p>It is ready.</p></body></html>",
        attachments=[Attachment(filename="model.bin", content=bytes(100_000))],
    )
    receipt = mailer_of(one).send(mail)
    assert (receipt.outcome, receipt.attempts) == ("delivered", 2)
    sent = one.requests[1].email
    assert sent.size() <= 5_000
    assert sent.attachments == ()
    assert sent.message_id == mail.message_id
    assert "Left out: model.bin." in sent.text
    assert sent.html is not None
    assert sent.html.index("model.bin") > sent.html.index("<body class='x'>")
    assert any("shortened" in note for note in receipt.notes)


@pytest.mark.parametrize("limit", [0, 1_500, 20_000])
def test_a_large_text_loses_its_middle(scripted: Make, mailer_of: Make, limit: int) -> None:
    """A text that is too large keeps its beginning, and its end with the cause."""
    too_large = MailTooLarge("552 too large")
    too_large.limit = limit
    one = scripted(too_large, "ok")
    mail = Email(
        sender="a@example.com",
        to="b@example.com",
        text="BEGINNING\n" + "ü line\n" * 20_000 + "END",
        html="<p>" + "x" * 200_000,
    )
    assert mailer_of(one).send(mail).outcome == "delivered"
    sent = one.requests[1].email
    assert sent.size() <= (limit or 40_000)
    assert sent.html is None
    assert "BEGINNING" in sent.text
    assert sent.text.rstrip().endswith("END")
    assert "characters left out" in sent.text


def test_shortening_is_tried_once(scripted: Make, mailer_of: Make, email: Email) -> None:
    """A server that takes not even the shortened mail has refused it."""
    too_large = MailTooLarge("552 too large")
    receipt = mailer_of(scripted(too_large)).send(email.replace(text="line\n" * 9000))
    assert (receipt.outcome, receipt.attempts, receipt.code) == ("refused", 2, "too-large")


def test_an_attachment_that_has_gone_stops_nothing(
    scripted: Make, mailer_of: Make, tmp_path: Any
) -> None:
    """When an attached file vanishes before the mail is sent, the mail goes without it."""
    path = tmp_path / "log.txt"
    path.write_text("x")
    mail = Email(sender="a@example.com", to=B, text="t", attachments=[path])
    path.unlink()
    one = scripted(lambda request: (request.email.as_bytes(), Receipt(accepted=(B,)))[1])
    assert mailer_of(one).send(mail).outcome == "delivered"
    assert "log.txt" in one.requests[0].email.text


def test_dry_run_does_everything_but_send(
    scripted: Make, mailer_of: Make, email: Email
) -> None:
    """A dry run runs the middleware and says that nothing was sent."""
    seen: list[str] = []

    class Watcher:
        @hookimpl
        def after_send(self, receipt: Receipt, email: Email) -> None:
            seen.append(receipt.outcome)

    one = scripted()
    receipt = mailer_of(one, dry_run=True, middleware={"w": Watcher()}).send(email)
    assert receipt.outcome == "skipped"
    assert one.requests == []
    assert seen == ["skipped"]
    receipt.raise_for_outcome()


@pytest.mark.parametrize("deadline", [0, -1, 1e10, float("inf"), float("nan")])
def test_deadline_is_checked(deadline: float) -> None:
    """A deadline is a number of seconds above 0 and no more than a day."""
    with pytest.raises(ConfigurationError, match="deadline"):
        Mailer("console", deadline=deadline)


def test_fifty_threads_share_a_mailer(scripted: Make, mailer_of: Make, email: Email) -> None:
    """Each of 50 threads gets the receipt of its own mail."""
    mailer = mailer_of(scripted("ok", watched=True))
    receipts: dict[str, Receipt] = {}

    def send(number: int) -> None:
        mail = email.replace(message_id=f"<{number}@example.com>")
        receipts[mail.message_id] = mailer.send(mail)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(receipts) == 50
    assert all(receipt.message_id == name for name, receipt in receipts.items())
    assert all(receipt.delivered for receipt in receipts.values())


def test_verify_reports_and_never_raises(
    scripted: Make, mailer_of: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """A transport that fails to check itself yields a failed check."""
    caplog.set_level(logging.DEBUG)

    def plugin(transport: Any, error: Exception) -> Any:
        class Verifying(type(transport)):  # type: ignore[misc]
            @hookimpl
            def verify_transport(self, request: Any) -> Any:
                raise error

        return Verifying(["ok"], transport.options)

    one, two = (
        plugin(scripted(), KeyError("x")),
        plugin(scripted(), MissingExtra("m", remedy="r")),
    )
    checks = mailer_of(one, two, scripted()).verify()
    assert [check.status for check in checks["one"]] == ["failed"]
    assert checks["two"][0].remedy == "r"
    assert checks["three"] == []


@pytest.mark.parametrize(
    "setting",
    [
        {"deadline": "30"},
        {"deadline": None},
        {"retry": "at_least_once"},
        {"retry": 0},
        {"redirect": "staging@example.com"},
        {"alerts_per_run": "5"},
        {"fallbacks": None},
        {"fallbacks": [5]},
        {"fallbacks": [("console",)]},
        {"fallbacks": [("console", 5)]},
        {"fallbacks": "consol"},
        {"options": 5},
        {"options": [1]},
        {"ledger": 5},
    ],
    ids=str,
)
def test_settings_of_another_type_are_refused(setting: dict[str, Any]) -> None:
    """A setting that is none at all gets a sentence, not a traceback."""
    with pytest.raises(ConfigurationError):
        Mailer("console", **setting)


@pytest.mark.parametrize("name", [None, 5, b"smtp", ["smtp"]], ids=str)
def test_a_transport_that_is_no_name_is_refused(name: Any) -> None:
    """What cannot be a transport's name gets a sentence, not a traceback."""
    with pytest.raises(ConfigurationError, match="must be a string"):
        Mailer(name)


@pytest.mark.parametrize("other", [None, "It failed", {"title": "x"}], ids=str)
def test_what_is_neither_mail_nor_alert_is_refused(other: Any) -> None:
    """Whoever sends a text is told what to make of it."""
    with Mailer("console", dry_run=True) as mailer:
        with pytest.raises(ConfigurationError, match=r"send_alert"):
            mailer.send(other)
        with pytest.raises(ConfigurationError, match=r"Alert\(title="):
            mailer.send_alert(other, sender="a@example.com", to="b@example.com")


def test_a_single_fallback_may_be_its_name() -> None:
    """A text is one name, not a sequence of letters."""
    Mailer("console", fallbacks="console").close()


@pytest.mark.parametrize(
    "argument",
    [{"sender": 5}, {"include_html": "perhaps"}, {"redact": "perhaps"}, {"templates": 5}],
    ids=str,
)
def test_arguments_of_another_type_are_refused(argument: dict[str, Any]) -> None:
    """An argument of an alert that is none at all is an error of zenmail's own kind."""
    arguments: dict[str, Any] = {"sender": "a@example.com", "to": "b@example.com", **argument}
    with Mailer("console", dry_run=True) as mailer, pytest.raises(ConfigurationError):
        mailer.send_alert(Alert(title="Done"), **arguments)


def test_invalid_recipients_are_refused_and_the_others_get_the_mail(
    scripted: Make, mailer_of: Make
) -> None:
    """A malformed address is reported as a server's 550 is, and costs nobody else the mail."""
    one = scripted()
    receipt = mailer_of(one).send_alert(
        Alert(title="Step failed"),
        sender="a@example.com",
        to=["b@example.com", "bob.@example.com"],
        reply_to=["c@example.com", "nobody"],
    )
    assert receipt.accepted == (B,)
    assert receipt.outcome == "partial"
    assert list(receipt.refused) == ["bob.@example.com"]
    assert "bob" in receipt.detail
    assert (receipt.code, bool(receipt.remedy)) == ("address", True)


def test_no_retry_is_cut_shorter_than_the_last_one_took(
    scripted: Make, mailer_of: Make
) -> None:
    """A deferral stays one when a further try could not end in time."""

    def defer(_: object) -> Receipt:
        time.sleep(0.6)
        raise TemporaryFailure("451 Later")

    one = scripted(*[defer] * 5)
    receipt = mailer_of(one, deadline=1.2).send(
        Email(sender="a@example.com", to="b@example.com", text="x")
    )
    assert receipt.outcome == "deferred"
    assert receipt.attempts == 1


def test_the_detail_of_a_partial_success_is_that_of_those_left(
    scripted: Make, mailer_of: Make
) -> None:
    """What the server said of the mail matters less than why somebody lacks it."""
    one = scripted(
        Receipt(accepted=[B], refused={C: "550 5.1.1 Unknown"}, detail="250 2.0.0 Ok")
    )
    receipt = mailer_of(one).send(Email(sender="a@example.com", to=[B, C], text="x"))
    assert receipt.outcome == "partial"
    assert receipt.detail == "550 5.1.1 Unknown"
