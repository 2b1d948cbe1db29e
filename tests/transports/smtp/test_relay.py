from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zenmail import (
    Email,
    Envelope,
    Mailer,
    MailTooLarge,
    PermanentFailure,
    TemporaryFailure,
    UnknownOutcome,
)
from zenmail.ledger.ledger import Ledger
from zenmail.testing.smtp_server import Delay, Drop, Endless, Hang, Inject, SMTPServer

Start = Callable[..., SMTPServer]
MODES = {
    "chunk": ("PIPELINING", "CHUNKING", "ENHANCEDSTATUSCODES"),
    "chunk-lockstep": ("CHUNKING",),
    "pipeline": ("PIPELINING",),
    "lockstep": (),
}


@pytest.fixture(params=list(MODES))
def server(request: pytest.FixtureRequest, start: Start) -> SMTPServer:
    """A server for each way to send a mail."""
    return start(extensions=MODES[request.param])


def test_content_arrives_as_it_is(server: SMTPServer, client: Any, email: Email) -> None:
    """Every way to send transports the same bytes, dots included, to the envelope."""
    receipt = client.send(server, email)
    (mail,) = server.mails
    assert mail.content == email.as_bytes()
    assert mail.recipients == ["alice@example.com", "bob@example.com", "carol@example.com"]
    assert mail.sender == "alerts@example.com"
    assert receipt.accepted == tuple(mail.recipients)
    assert not receipt.refused
    assert "queued as 1" in receipt.detail


def test_envelope_wins_over_headers(server: SMTPServer, client: Any, email: Email) -> None:
    """The mail goes to the envelope, whoever the headers name."""
    client.send(server, email, recipients=["staging@example.com"])
    assert server.mails[0].recipients == ["staging@example.com"]


def test_one_refused_does_not_stop_the_others(
    server: SMTPServer, client: Any, email: Email
) -> None:
    """A 550 and a 451 for single recipients leave the rest of the mail alone."""
    server.on("rcpt", "550 5.1.1 No such user", matching="bob@")
    server.on("rcpt", "451 4.7.1 Greylisted", matching="carol@")
    receipt = client.send(server, email)
    assert receipt.accepted == ("alice@example.com",)
    assert receipt.refused == {"bob@example.com": "550 5.1.1 No such user"}
    assert receipt.deferred == {"carol@example.com": "451 4.7.1 Greylisted"}
    assert receipt.code == "recipient-refused"
    assert "address" in receipt.remedy
    assert server.mails[0].recipients == ["alice@example.com"]


def test_nobody_accepted_sends_nothing(server: SMTPServer, client: Any, email: Email) -> None:
    """When every recipient is refused no mail is sent; the next has a new connection.

    Postfix, for one, makes a client wait for seconds that has only been refused.
    """
    server.on("rcpt", "550 5.1.1 No such user", times=3)
    receipt = client.send(server, email)
    assert set(receipt.refused) == set(email.envelope.recipients)
    assert not receipt.accepted
    assert not server.mails
    assert client.send(server, email).accepted == email.envelope.recipients
    assert server.connections == 2
    assert len(server.mails) == 1


def test_data_taken_without_recipients_gets_no_content(
    start: Start, client: Any, email: Email
) -> None:
    """A server that answers 354 though it refused everybody gets no content (RFC 2920)."""
    server = start(extensions=MODES["pipeline"])
    server.on("rcpt", "550 5.1.1 No such user", times=3)
    server.on("data", "354 Whatever", times=1)
    receipt = client.send(server, email)
    assert set(receipt.refused) == set(email.envelope.recipients)
    assert not server.mails
    assert client.send(server, email).accepted == email.envelope.recipients


@pytest.mark.parametrize("phase", ["mail", "dot"])
def test_refusals_of_the_mail_are_sorted(
    server: SMTPServer, client: Any, email: Email, phase: Any
) -> None:
    """4xx to the sender or the mail is temporary, 5xx permanent; neither is a success."""
    server.on(phase, "451 4.3.0 Try later", times=1)
    server.on(phase, "550 5.7.1 Never", times=1)
    with pytest.raises(TemporaryFailure, match=r"451 4\.3\.0 Try later"):
        client.send(server, email)
    with pytest.raises(PermanentFailure, match=r"550 5\.7\.1 Never"):
        client.send(server, email)
    assert not server.mails
    assert client.send(server, email).accepted


def test_data_refused(start: Start, client: Any, email: Email) -> None:
    """A refusal of DATA itself concerns those whose RCPT was accepted, and only them."""
    for extensions in (MODES["pipeline"], MODES["lockstep"]):
        server = start(extensions=extensions)
        server.on("data", "451 4.3.0 Full", times=2)
        with pytest.raises(TemporaryFailure, match="451"):
            client.send(server, email)
        server.on("rcpt", "550 5.1.1 Unknown", matching="bob@", times=1)
        receipt = client.send(server, email)
        assert set(receipt.refused) == {"bob@example.com"}
        assert set(receipt.deferred) == {"alice@example.com", "carol@example.com"}
        assert client.send(server, email).accepted


@pytest.mark.parametrize("action", [Drop(), Drop(reset=True), Hang(), "250-never ends"])
def test_answer_lost_after_the_mail_is_unknown(
    server: SMTPServer, client: Any, email: Email, action: Any
) -> None:
    """The mail was handed over and its answer is lost: nobody may say yes or no."""
    # Connecting takes time that a busy machine may not have within the deadline.
    client.send(server, email)
    server.on("dot", action)
    with pytest.raises(UnknownOutcome):
        client.send(server, email, seconds=1.0)
    assert len(server.mails) == 2


def test_refused_recipients_are_known_though_the_answer_is_lost(
    server: SMTPServer, client: Any, email: Email
) -> None:
    """Only those are in doubt whom the server had accepted."""
    server.on("rcpt", "550 5.1.1 Unknown", matching="bob@")
    server.on("dot", Drop())
    receipt = client.send(server, email)
    assert set(receipt.refused) == {"bob@example.com"}
    assert set(receipt.unknown) == {"alice@example.com", "carol@example.com"}
    assert not receipt.accepted


@pytest.mark.parametrize("phase", ["mail", "rcpt", "data", "body"])
def test_lost_before_the_mail_is_temporary(
    server: SMTPServer, client: Any, email: Email, phase: Any, tmp_path: Path
) -> None:
    """A connection that breaks before all of the mail is out has delivered nothing."""
    attached = tmp_path / "large.bin"
    attached.write_bytes(bytes(20_000_000))
    if phase == "data" and "CHUNKING" in server.extensions:
        phase = "bdat"
    server.on(phase, Drop())
    # Large enough that no buffer between the two ends holds it.
    large = email.replace(attachments=[attached])
    with pytest.raises(TemporaryFailure):
        client.send(server, large)
    assert not server.mails


def test_size_limit_is_known_before_sending(start: Start, client: Any, email: Email) -> None:
    """A mail larger than SIZE is not sent, and the error carries the limit."""
    server = start(extensions=("SIZE 100",))
    with pytest.raises(MailTooLarge) as caught:
        client.send(server, email)
    assert caught.value.limit == 100
    assert caught.value.code == "too-large"
    assert not any(line.startswith("MAIL") for line in server.lines())


@pytest.mark.parametrize("phase", ["mail", "dot"])
def test_size_refused_by_the_server(
    server: SMTPServer, client: Any, email: Email, phase: Any
) -> None:
    """552 5.3.4 means too large even when no limit was announced."""
    server.on(phase, "552 5.3.4 Message size exceeds fixed limit")
    with pytest.raises(MailTooLarge) as caught:
        client.send(server, email)
    assert caught.value.limit == 0


def test_a_full_mailbox_is_not_a_large_mail(
    server: SMTPServer, client: Any, email: Email
) -> None:
    """552 5.2.2 for a recipient is about the mailbox."""
    server.on("rcpt", "552 5.2.2 Over quota", matching="bob@")
    receipt = client.send(server, email)
    assert set(receipt.refused) == {"bob@example.com"}
    assert "full" in receipt.remedy


@pytest.mark.parametrize("phase", ["mail", "rcpt", "dot"])
def test_used_up_quota(server: SMTPServer, email: Email, phase: Any) -> None:
    """The receipt says that the account may send no more for now, whenever the server does."""
    server.on(phase, "550 5.4.5 Daily user sending limit exceeded")
    with Mailer("smtp", options=server.options()) as mailer:
        receipt = mailer.send(email)
    assert (receipt.outcome, receipt.code, receipt.attempts) == ("deferred", "quota", 1)
    assert "Gmail" in receipt.remedy


@pytest.mark.parametrize("phase", ["mail", "rcpt", "dot"])
def test_mails_beyond_the_quota_are_kept(
    server: SMTPServer, email: Email, tmp_path: Path, phase: Any
) -> None:
    """Another day the account may send again, so the ledger keeps the mail for everybody."""
    server.on(phase, "550 5.4.5 Daily user sending limit exceeded")
    with Mailer("smtp", options=server.options(), ledger=tmp_path / "ledger.db") as mailer:
        receipt = mailer.send(email)
        assert (receipt.outcome, receipt.code, receipt.attempts) == ("spooled", "quota", 1)
        server.forget()
        (flushed,) = mailer.flush()
    assert flushed.delivered
    assert set(flushed.accepted) == set(email.envelope.recipients)


@pytest.mark.parametrize(
    ("quota_at", "unknown"),
    [("rcpt:bob", "carol"), ("rcpt:carol", "bob"), ("dot:", "bob"), ("dot:", "carol")],
)
def test_the_quota_is_told_from_a_recipient_who_is_unknown(
    server: SMTPServer, email: Email, tmp_path: Path, quota_at: str, unknown: str
) -> None:
    """Only those whom the quota kept from the mail are kept, also while others get theirs."""
    phase, _, name = quota_at.partition(":")
    server.on("rcpt", "550 5.1.1 Unknown user", matching=f"{unknown}@")
    server.on(phase, "550 5.4.5 Daily user sending limit exceeded", matching=name)  # type: ignore[arg-type]
    with Mailer("smtp", options=server.options(), ledger=tmp_path / "ledger.db") as mailer:
        receipt = mailer.send(email)
        assert (receipt.outcome, receipt.code) == ("spooled", "quota")
        assert set(receipt.refused) == {f"{unknown}@example.com"}
        everybody = {*receipt.accepted, *receipt.refused, *receipt.deferred}
        assert everybody == set(email.envelope.recipients)
        assert len(Ledger(tmp_path / "ledger.db").outbox.list()) == 1
        server.forget()
        (flushed,) = mailer.flush()
    assert set(flushed.accepted) == set(receipt.deferred)


def test_too_many_recipients_go_in_several_transactions(
    server: SMTPServer, client: Any, email: Email
) -> None:
    """Recipients beyond the server's limit get the mail at once, each exactly one."""
    recipients = [f"user{number}@example.com" for number in range(250)]
    server.on("rcpt", Delay(0), times=100)
    server.on("rcpt", "452 4.5.3 Too many recipients", times=150)
    server.on("rcpt", Delay(0), times=100)
    server.on("rcpt", "452 4.5.3 Too many recipients", times=50)
    receipt = client.send(server, email, recipients=recipients)
    assert sorted(receipt.accepted) == sorted(recipients)
    assert sorted(name for mail in server.mails for name in mail.recipients) == sorted(
        recipients
    )
    assert len(server.mails) == 3


def test_thousand_recipients(server: SMTPServer, client: Any, email: Email) -> None:
    """A thousand recipients in one flight make neither side wait for the other."""
    recipients = [f"user{number}.{'x' * 40}@example.com" for number in range(1000)]
    receipt = client.send(server, email, recipients=recipients)
    assert receipt.accepted == tuple(recipients)
    assert server.mails[0].recipients == recipients


def test_smtputf8_missing_refuses_only_who_needs_it(
    start: Start, client: Any, email: Email
) -> None:
    """An address outside ASCII is refused by name where the server cannot take it."""
    server = start(extensions=())
    receipt = client.send(server, email, recipients=["jörg@example.com", "bob@example.com"])
    assert receipt.accepted == ("bob@example.com",)
    assert "SMTPUTF8" in receipt.refused["jörg@example.com"]
    request = client.request(server, email)
    bad = replace(request, envelope=Envelope("jörg@example.com", ("b@example.com",)))
    with pytest.raises(PermanentFailure, match="SMTPUTF8") as caught:
        client.transport.send_email(bad)
    assert caught.value.code == "smtputf8"


def test_smtputf8_offered(start: Start, client: Any, email: Email) -> None:
    """An address outside ASCII travels as UTF-8 where the server takes it, and says so."""
    server = start(extensions=("SMTPUTF8", "8BITMIME"))
    client.send(server, email, recipients=["jörg@example.com"])
    assert server.mails[0].recipients == ["jörg@example.com"]
    assert server.mails[0].parameters == "SMTPUTF8 BODY=8BITMIME"


@pytest.mark.parametrize("offered", [True, False])
def test_headers_that_need_smtputf8(start: Start, client: Any, offered: bool) -> None:
    """Who else gets the mail is shown as it is, or described to a server without it."""
    server = start(extensions=("SMTPUTF8", "8BITMIME", "SIZE 100000") if offered else ())
    email = Email(sender="a@example.com", to=["jörg@example.com", "bob@example.com"])
    receipt = client.send(server, email, recipients=["bob@example.com"])
    assert receipt.accepted == ("bob@example.com",)
    (mail,) = server.mails
    assert mail.content == email.as_bytes(smtputf8=offered)
    assert mail.content.isascii() is not offered
    assert ("SMTPUTF8" in mail.parameters) is offered


@pytest.mark.parametrize(
    "address",
    [
        "a@example.com>\r\nRCPT TO:<evil@example.com",
        "a@example.com\r\nDATA",
        "a\0@example.com",
        "a b@example.com",
        "a@example.com> BODY=8BITMIME",
        "@example.com",
        "",
    ],
)
def test_no_address_breaks_out_of_its_command(
    server: SMTPServer, client: Any, email: Email, address: str
) -> None:
    """An address that would end its command is refused, and the others get the mail."""
    receipt = client.send(server, email, recipients=[address, "bob@example.com"])
    assert receipt.accepted == ("bob@example.com",)
    assert address in receipt.refused
    assert server.mails[0].recipients == ["bob@example.com"]
    request = client.request(server, email)
    if address:
        with pytest.raises(PermanentFailure):
            client.transport.send_email(
                replace(request, envelope=Envelope(address, ("bob@example.com",)))
            )
    assert len(server.mails) == 1


def test_attachment_streams_from_disk(
    server: SMTPServer, client: Any, email: Email, tmp_path: Path
) -> None:
    """A file is sent as it is on the disk, dots at line starts and all."""
    attached = tmp_path / "data.bin"
    attached.write_bytes(bytes(range(256)) * 8000)
    large = email.replace(attachments=[attached])
    client.send(server, large)
    assert server.mails[0].content == large.as_bytes()
    assert client.send(server, email).accepted
    assert server.connections == 1


def test_content_that_cannot_be_read(
    server: SMTPServer, client: Any, email: Email, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that fails while it is sent is told from a connection that does."""

    def broken(self: Email, *, smtputf8: bool = True) -> Iterator[bytes]:
        yield self.as_bytes()[:100]
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        content = email.as_bytes()
        patch.setattr(Email, "as_bytes", lambda self: content)
        patch.setattr(Email, "size", lambda self, **_: len(content))
        patch.setattr(Email, "chunks", broken)
        with pytest.raises(PermanentFailure, match="attachment cannot be read"):
            client.send(server, email)
    assert not server.mails
    assert client.send(server, email).accepted


def test_attachment_that_shrinks(
    start: Start, client: Any, email: Email, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that shrinks while it is sent fails the mail rather than mangle it."""
    server = start(extensions=MODES["chunk"])
    monkeypatch.setattr(Email, "size", lambda self, **_: len(self.as_bytes()) + 10)
    with pytest.raises(TemporaryFailure, match="changed"):
        client.send(server, email)
    assert not server.mails


@pytest.mark.parametrize("reply", ["500 5.5.2 Unknown command", "502 5.5.1 Not implemented"])
@pytest.mark.parametrize("pipelining", [True, False])
def test_announced_and_unknown_bdat_falls_back(
    start: Start, client: Any, email: Email, reply: str, pipelining: bool
) -> None:
    """A server that announces CHUNKING and does not know BDAT gets the mail once, by DATA."""
    server = start(extensions=("PIPELINING", "CHUNKING") if pipelining else ("CHUNKING",))
    server.on("bdat", reply)
    for count in (1, 2):
        receipt = client.send(server, email)
        assert receipt.accepted == email.envelope.recipients
        assert len(server.mails) == count
        assert server.mails[-1].command == "DATA"
    assert sum(line.startswith("BDAT") for line in server.lines()) == 1


def test_bdat_that_breaks_the_connection_is_not_tried_again(
    start: Start, client: Any, email: Email
) -> None:
    """A server that drops at BDAT certainly took nothing, and gets the next try by DATA."""
    server = start(extensions=("PIPELINING", "CHUNKING"))
    server.on("bdat", Drop())
    with pytest.raises(TemporaryFailure):
        client.send(server, email)
    assert client.send(server, email).accepted
    assert [mail.command for mail in server.mails] == ["DATA"]


def test_an_extension_that_has_worked_is_not_blamed(
    start: Start, client: Any, email: Email
) -> None:
    """A server that breaks off once does not lose the one flight that it has proved."""
    server = start(extensions=("PIPELINING", "CHUNKING"))
    client.send(server, email)
    server.drop_connections()
    server.on("dot", Drop(), times=1)
    with pytest.raises(UnknownOutcome):
        client.send(server, email)
    client.send(server, email)
    assert [mail.command for mail in server.mails] == ["BDAT"] * 3


def test_pipelining_that_breaks_the_connection_is_not_tried_again(
    start: Start, client: Any, email: Email
) -> None:
    """A server that cannot do the pipelining it announces gets one command at a time."""
    server = start(extensions=("PIPELINING",), settle=0.05)
    server.on("mail", Drop(), times=1)
    with pytest.raises(TemporaryFailure):
        client.send(server, email)
    assert client.send(server, email).accepted
    assert len(server.mails) == 1
    # Greeting, EHLO, MAIL, three RCPT, DATA and the mail.
    assert server.round_trips[1] == 8


def test_unasked_replies_are_no_answers(server: SMTPServer, client: Any, email: Email) -> None:
    """Replies that come before their commands are never taken for the mail's."""
    server.on("ehlo", Inject(b"250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n"))
    with pytest.raises(TemporaryFailure, match="does not speak SMTP"):
        client.send(server, email)
    assert not server.mails


@pytest.mark.parametrize("extensions", [("CHUNKING",), ("PIPELINING",)])
def test_refusal_in_the_middle_of_a_large_mail(
    start: Start, client: Any, email: Email, tmp_path: Path, extensions: Any
) -> None:
    """A server that refuses a large mail and reads no more of it is heard at once."""
    attached = tmp_path / "large.bin"
    attached.write_bytes(bytes(20_000_000))
    server = start(extensions=extensions)
    server.on("body", Endless(b"552 5.3.4 Too large\r\n", seconds=60))
    started = time.monotonic()
    with pytest.raises(MailTooLarge):
        client.send(server, email.replace(attachments=[attached]), seconds=20)
    assert time.monotonic() - started < 10
    assert not server.mails
