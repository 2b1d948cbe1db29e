"""Several mails in flight: each has its own verdict, whatever becomes of the others."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from zenmail import (
    Attachment,
    Deadline,
    Email,
    Envelope,
    Ledger,
    Mailer,
    PermanentFailure,
    PluginHost,
    Receipt,
    Retry,
    SendRequest,
    TemporaryFailure,
    TransportOptions,
    UnknownOutcome,
    Worker,
    ZenmailError,
    hookimpl,
)
from zenmail.retry import DeliveryPolicy
from zenmail.testing.smtp_server import Cut, Delay, Drop, Inject, Phase, SMTPServer
from zenmail_transports.smtp import SMTPOptions, SMTPTransport
from zenmail_transports.smtp.dialogue import Capabilities
from zenmail_transports.smtp.replies import Reply
from zenmail_transports.smtp.transaction import Transaction
from zenmail_transports.smtp.window import Verdict, converse_together
from zenmail_transports.smtp.wire import Lost

from .conftest import CHUNKING, Client

Start = Callable[..., SMTPServer]
pytestmark = pytest.mark.once

NIGHTLY = os.environ.get("ZENMAIL_HYPOTHESIS_PROFILE") == "nightly"
OK, NO, BYE = Reply(250, ("",)), Reply(550, ("",)), Reply(421, ("",))
# What the server answers to a mail, and to the RSET before the next one.
ONE = [OK, OK, OK]


def mails(count: int) -> list[Email]:
    """Return so many mails, each to a recipient of its own."""
    return [
        Email(sender="a@example.com", to=[f"r{number}@example.com"], subject="x", text="y")
        for number in range(count)
    ]


def send_all(
    client: Client, server: SMTPServer, emails: Sequence[Email], **options: Any
) -> list[Receipt | ZenmailError]:
    """Send mails at once."""
    return client.transport.send_emails(
        [client.request(server, email, **options) for email in emails]
    )


def verdict(answer: Receipt | ZenmailError) -> str:
    """Name what is said of a mail to one recipient."""
    if isinstance(answer, Receipt):
        return "accepted" if answer.accepted else "refused" if answer.refused else "temporary"
    names: dict[type, str] = {
        TemporaryFailure: "temporary",
        PermanentFailure: "refused",
        UnknownOutcome: "unknown",
    }
    return next(name for kind, name in names.items() if isinstance(answer, kind))


def copies(server: SMTPServer) -> Counter[str]:
    """Count the copies that the server has for each recipient."""
    return Counter(address for mail in list(server.mails) for address in mail.recipients)


# --- the dialogue


def judged(answer: list[Reply] | Lost, count: int = 3) -> tuple[bytes, list[str]]:
    """Return what is said, and the verdict on each mail, when this is the answer to it."""
    transactions = [
        Transaction(
            Envelope("a@x.example", (f"{number}@x.example",)),
            Capabilities({"PIPELINING": "", "CHUNKING": ""}),
            size=3,
            chunks=lambda: [b"x\r\n"],
            proven=True,
        )
        for number in range(count)
    ]
    dialogue = converse_together(transactions)
    flight = next(dialogue)
    said = b"".join(flight.pieces)
    try:
        if isinstance(answer, Lost):
            dialogue.throw(answer)
        else:
            assert len(answer) == flight.replies
            dialogue.send(answer)
    except StopIteration as stop:
        verdicts: list[Verdict] = stop.value
        return said, [_name(one) for one in verdicts]
    raise AssertionError("a window is one flight")


def _name(found: Verdict) -> str:
    if found is None:
        return "not taken"
    if isinstance(found, Transaction):
        return "accepted" if found.accepted else "refused" if found.refused else "temporary"
    return verdict(found)


def test_one_flight_for_all() -> None:
    """All mails travel at once, each from a fresh state of the server."""
    said, verdicts = judged([*ONE, OK, *ONE, OK, *ONE])
    assert verdicts == ["accepted"] * 3
    assert said == b"RSET\r\n".join(
        b"MAIL FROM:<a@x.example>\r\nRCPT TO:<%d@x.example>\r\nBDAT 3 LAST\r\nx\r\n" % number
        for number in range(3)
    )


@pytest.mark.parametrize(
    "answers", [[OK, NO, NO], [NO, NO, NO], [OK, OK, NO]], ids=["RCPT", "MAIL", "BDAT"]
)
def test_refusal_touches_no_other(answers: list[Reply]) -> None:
    """Wherever one mail is refused, the others are delivered."""
    _, verdicts = judged([*ONE, OK, *answers, OK, *ONE])
    assert verdicts == ["accepted", "refused", "accepted"]


@pytest.mark.parametrize("count", range(11))
def test_loss_leaves_unknown_what_was_sent(count: int) -> None:
    """Answered mails have their verdict; of the rest, only what was not sent is certain."""
    said, _ = judged([*ONE, OK, *ONE, OK, *ONE])
    third = said.rindex(b"RSET")
    answers = [*ONE, OK, *ONE, OK, *ONE][:count]
    failure = TemporaryFailure("It broke.")
    answered = ["accepted"] * (count >= 3) + ["accepted"] * (count >= 7)

    lost = Lost(failure, answers, sent=True, handed_over=len(said))
    assert judged(lost)[1] == answered + ["unknown"] * (3 - len(answered))
    lost = Lost(failure, answers, sent=False, handed_over=third + 10)
    unknown = ["unknown"] * (2 - len(answered))
    assert judged(lost)[1] == [*answered, *unknown, "not taken"]


@pytest.mark.parametrize("count", range(11))
def test_421_in_any_place_ends_all_that_follow(count: int) -> None:
    """A server that says goodbye has not taken what it has not answered."""
    said, _ = judged([*ONE, OK, *ONE, OK, *ONE])
    answers = [*[*ONE, OK, *ONE, OK, *ONE][:count], BYE]
    lost = Lost(TemporaryFailure("It broke."), answers, sent=True, handed_over=len(said))
    answered = (count >= 3) + (count >= 7)
    assert judged(lost)[1] == ["accepted"] * answered + ["not taken"] * (3 - answered)


def test_answers_out_of_step_prove_nothing() -> None:
    """When a server has sent more than was asked for, no answer can be matched."""
    failure = TemporaryFailure("It sent more than was asked for.", code="protocol")
    lost = Lost(failure, [NO, *ONE, OK, *ONE, OK, OK, OK], sent=True, handed_over=999)
    assert judged(lost)[1] == ["unknown"] * 3


# --- over a connection


def test_window_grows(client: Client, start: Start) -> None:
    """The first mail goes alone, then 5, 10 and so on are in flight on one connection."""
    server = start(extensions=CHUNKING, settle=0.05)
    answers = send_all(client, server, mails(40))
    assert [verdict(one) for one in answers] == ["accepted"] * 40
    assert [mail.recipients for mail in server.mails] == [
        [f"r{number}@example.com"] for number in range(40)
    ]
    assert server.connections == 1
    # Greeting, EHLO, two for the first mail, and four flights: 5, 10, 20 and 4.
    assert server.round_trips[0] == 8


@pytest.mark.parametrize(
    "extensions", [("PIPELINING",), ("CHUNKING",), ()], ids=["no CHUNKING", "no PIPELINING", ""]
)
def test_server_that_cannot(client: Client, start: Start, extensions: tuple[str, ...]) -> None:
    """Where an extension is missing, one mail goes after the other."""
    server = start(extensions=extensions)
    assert {verdict(one) for one in send_all(client, server, mails(4))} == {"accepted"}
    assert not any(line.text == b"RSET" for line in server.transcript)
    assert server.connections == 1


@pytest.mark.parametrize("option", ["pipelining", "chunking"])
def test_extension_that_is_off(client: Client, start: Start, option: str) -> None:
    """What the options turn off is not used for several mails either."""
    server = start(extensions=CHUNKING)
    answers = send_all(client, server, mails(4), **{option: "off"})
    assert {verdict(one) for one in answers} == {"accepted"}
    assert not any(line.text == b"RSET" for line in server.transcript)


def test_large_mail_travels_alone(client: Client, start: Start) -> None:
    """A large mail among small ones waits for those before it, and they for it."""
    server = start(extensions=CHUNKING, settle=0.05)
    large = Email(sender="a@example.com", to=["big@example.com"], text="y" * 200_000)
    small = mails(6)
    answers = send_all(client, server, [*small[:3], large, *small[3:]])
    assert [verdict(one) for one in answers] == ["accepted"] * 7
    assert [mail.recipients[0][:3] for mail in server.mails][3] == "big"
    # Greeting, EHLO; 2 for the first; then 2 in flight, the large one in one or two, and 3.
    assert server.round_trips[0] in (7, 8)


def test_file_that_is_gone_costs_only_its_own_mail(
    client: Client, start: Start, tmp_path: Path
) -> None:
    """A mail whose file cannot be read any more leaves those before and behind it alone."""
    server = start(extensions=CHUNKING)
    assert verdict(client.send(server, mails(1)[0])) == "accepted"
    server.mails.clear()
    path = tmp_path / "report.txt"
    path.write_text("y")
    emails = mails(7)
    emails[3] = emails[3].replace(attachments=(Attachment(path=path),))
    assert emails[3].size()
    path.unlink()
    answers = send_all(client, server, emails)
    expected = ["accepted"] * 7
    expected[3] = "temporary"
    assert [verdict(one) for one in answers] == expected
    assert copies(server) == Counter(f"r{number}@example.com" for number in (0, 1, 2, 4, 5, 6))


@pytest.mark.parametrize("phase", ["mail", "rcpt", "dot"])
@pytest.mark.parametrize("reply", ["451 4.3.0 Not now", "554 5.7.1 Never", "421 4.3.2 Bye"])
def test_server_that_refuses_one(
    client: Client, start: Start, phase: Phase, reply: str
) -> None:
    """A mail that is refused in the window has its reason; all others arrive once."""
    server = start(extensions=CHUNKING)
    emails = mails(12)
    odd = 0 if phase == "dot" else 3
    emails[odd] = Email(sender="odd@example.com", to=["odd@example.com"], text="y")
    assert verdict(client.send(server, mails(1)[0])) == "accepted"
    server.mails.clear()
    if phase == "dot":
        server.on(phase, reply, times=1)
    else:
        server.on(phase, reply, matching="odd@example.com")
    expected = ["accepted"] * 12
    # 421 is about the connection: the mail is sent once more over another.
    if not (phase == "dot" and reply.startswith("421")):
        expected[odd] = "refused" if reply.startswith("5") else "temporary"
    assert [verdict(one) for one in send_all(client, server, emails)] == expected
    accepted = [
        email.to[0] for email, name in zip(emails, expected, strict=True) if name == "accepted"
    ]
    assert copies(server) == dict.fromkeys(accepted, 1)


def test_server_that_closes_after_some(client: Client, start: Start) -> None:
    """A limit of mails for each connection loses and doubles nothing."""
    server = start(extensions=CHUNKING)
    for number in (9, 19, 29):
        server.on("mail", "421 4.7.0 Too many", times=1, matching=f"n{number}@")
    emails = [
        Email(sender=f"n{number}@example.com", to=[f"r{number}@example.com"], text="y")
        for number in range(40)
    ]
    assert {verdict(one) for one in send_all(client, server, emails)} == {"accepted"}
    assert copies(server) == {f"r{number}@example.com": 1 for number in range(40)}


def test_deadline_of_the_first_ends_the_wait(client: Client, start: Start) -> None:
    """A server that stops answering leaves unknown what was sent, at the deadline."""
    server = start(extensions=CHUNKING)
    assert verdict(client.send(server, mails(1)[0])) == "accepted"
    server.on("bdat", Delay(30.0), times=1)
    answers = send_all(client, server, mails(5), seconds=0.5)
    assert [verdict(one) for one in answers] == ["unknown"] * 5


def test_answers_that_nobody_asked_for(client: Client, start: Start) -> None:
    """A server that answers twice makes nobody's mail delivered, refused or sent again."""
    server = start(extensions=CHUNKING)
    assert verdict(client.send(server, mails(1)[0])) == "accepted"
    server.mails.clear()
    server.on("rcpt", Inject(b"550 5.1.1 What?\r\n"), times=1, matching="r2@")
    answers = send_all(client, server, mails(5))
    assert max(copies(server).values()) == 1
    assert "unknown" in {verdict(one) for one in answers}
    for number, answer in enumerate(answers):
        if verdict(answer) == "accepted":
            assert copies(server)[f"r{number}@example.com"] == 1


def test_connection_that_died_before(client: Client, start: Start) -> None:
    """A connection that was closed while it was idle costs no mail its certainty."""
    server = start(extensions=CHUNKING)
    assert verdict(client.send(server, mails(1)[0])) == "accepted"
    server.drop_connections()
    assert {verdict(one) for one in send_all(client, server, mails(5))} == {"accepted"}
    assert len(server.mails) == 6


@pytest.mark.parametrize("side", ["sent", "received"])
def test_window_cut_at_every_byte(
    start: Start, side: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cut after any byte of either side, no mail of a window of five is lost or doubled.

    What is called accepted is there once; what is called temporary is not there; and
    nothing is there twice.
    """
    server = start(security="none", extensions=CHUNKING)
    options = SMTPOptions.parse(server.options(), transport="smtp")
    first, *window = mails(6)
    found: Counter[tuple[str, int]] = Counter()
    offset, step, uncut = 0, 1 if NIGHTLY else 11, 0
    cases = 0
    while uncut < 2:
        offset += step
        server.forget()
        before = server.connections
        server.on("connect", Cut(**{side: offset}), times=1)
        transport = SMTPTransport()
        requests = [
            SendRequest(email, email.envelope, options, Deadline.after(20.0))
            for email in (first, *window)
        ]
        with suppress(TemporaryFailure, UnknownOutcome):
            transport.send_email(requests[0])
        server.mails.clear()
        answers = transport.send_emails(requests[1:])
        there = copies(server)
        for number, answer in enumerate(answers, 1):
            case = verdict(answer), there[f"r{number}@example.com"]
            found[case] += 1
            assert case in {("accepted", 1), ("unknown", 0), ("unknown", 1)}, (offset, number)
        whole = server.connections == before + 1 and sum(there.values()) == 5
        uncut = uncut + 1 if whole and {*map(verdict, answers)} == {"accepted"} else 0
        cases += 1
        transport.close_transport()
    assert {"accepted", "unknown"} == {name for name, _ in found}
    with capsys.disabled():
        print(f"\n{cases} cuts of what is {side}: {dict(found)}")


# --- out of the ledger


def queued(server: SMTPServer, ledger: Path, emails: Sequence[Email], **more: Any) -> Mailer:
    """Leave mails in a ledger; return a mailer that sends them."""
    with Mailer(
        "smtp", options=server.options(), ledger=ledger, delivery="queue", **more
    ) as mailer:
        for email in emails:
            assert mailer.send(email).outcome == "spooled"
    return Mailer("smtp", options=server.options(), ledger=ledger, deadline=20.0)


def test_worker_has_mails_in_flight(start: Start, tmp_path: Path) -> None:
    """A worker sends what waits in windows over one connection, in order, and once each."""
    server = start(extensions=CHUNKING)
    with queued(server, tmp_path / "ledger.db", mails(60)) as mailer:
        assert Worker(mailer).drain() == 60
        assert mailer.backlog()[0] == 0
    assert [mail.recipients for mail in server.mails] == [
        [f"r{number}@example.com"] for number in range(60)
    ]
    assert server.connections == 1
    assert sum(line.text == b"RSET" for line in server.transcript) > 30


@pytest.mark.parametrize(
    ("reply", "state"), [("550 5.1.1 Nobody", "failed"), ("451 4.3.0 Not now", "waiting")]
)
def test_recipient_refused_in_flight_stays_in_the_ledger(
    start: Start, tmp_path: Path, reply: str, state: str
) -> None:
    """Of a mail that one recipient of two has got, the ledger keeps the other."""
    server = start(extensions=CHUNKING)
    server.on("rcpt", reply, matching="odd@example.com")
    emails = mails(12)
    emails[7] = emails[7].replace(to=["r7@example.com", "odd@example.com"])
    path = tmp_path / "ledger.db"
    with queued(server, path, emails) as mailer:
        Worker(mailer).drain()
    assert copies(server) == {f"r{number}@example.com": 1 for number in range(12)}
    kept = [(item.recipients, item.state) for item in Ledger(path).outbox.list()]
    assert kept == [(("odd@example.com",), state)]


def test_worker_with_a_rate_sends_one_at_a_time(start: Start, tmp_path: Path) -> None:
    """Mails that are spread over time do not wait for each other."""
    server = start(extensions=CHUNKING)
    with queued(server, tmp_path / "ledger.db", mails(12)) as mailer:
        assert Worker(mailer, rate=60_000).drain() == 12
    assert not any(line.text == b"RSET" for line in server.transcript)


@pytest.mark.parametrize("policy", ["at_most_once", "at_least_once"])
def test_policy_decides_on_each_mail_in_flight(
    start: Start, tmp_path: Path, policy: DeliveryPolicy
) -> None:
    """What was in flight when the connection died is sent again only under at_least_once."""
    server = start(extensions=CHUNKING)
    # The first three are answered, then the connection dies before the answer to the ninth.
    server.on("dot", Delay(0.0), times=8)
    server.on("dot", Drop(), times=1)
    ledger = tmp_path / "ledger.db"
    with queued(server, ledger, mails(12), retry=Retry(policy=policy)) as mailer:
        worker = Worker(mailer)
        worker.drain()
        waiting = Ledger(ledger).outbox.list()
        unknown = [one.recipients for one in waiting if one.state == "unknown"]
        mailer.flush()
    there = copies(server)
    assert len(server.mails) >= 9
    if policy == "at_most_once":
        assert unknown
        assert max(there.values()) == 1
    else:
        assert not unknown
        assert there.keys() == {f"r{number}@example.com" for number in range(12)}
        assert not Ledger(ledger).outbox.list()


@pytest.mark.parametrize("answers", [[], ["nonsense"] * 2, ValueError("odd")])
def test_transport_that_breaks_the_rules(
    tmp_path: Path, answers: list[Any] | Exception
) -> None:
    """What a transport says of several mails and nobody understands is an unknown outcome."""

    class Odd:
        @hookimpl
        def transport_options(self) -> type[TransportOptions]:
            return TransportOptions

        @hookimpl
        def send_email(self, request: SendRequest[TransportOptions]) -> Receipt:
            return Receipt(accepted=request.envelope.recipients)

        @hookimpl
        def send_emails(self, requests: Sequence[SendRequest[TransportOptions]]) -> Any:
            if isinstance(answers, Exception):
                raise answers
            return answers

    plugins = PluginHost()
    plugins.register_transport("odd", Odd())
    mailer = Mailer("odd", ledger=tmp_path / "ledger.db", delivery="queue", plugins=plugins)
    for email in mails(3):
        mailer.send(email)
    # The first goes alone, the others together.
    assert [one.outcome for one in mailer.flush()] == ["delivered", "unknown", "unknown"]
