"""The outbox, the same on every database."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zenmail import (
    Attachment,
    ConfigurationError,
    Email,
    Ledger,
    LedgerError,
    Mailer,
    PermanentFailure,
    Receipt,
    Redirect,
    Retry,
    TemporaryFailure,
    UnknownOutcome,
)
from zenmail.ledger.claim import Fate

Make = Callable[..., Any]
Change = Callable[..., list[Any]]
B, C, D = EVERYBODY = ("b@example.com", "c@example.com", "zoe@example.com")
BUSY = TemporaryFailure("connection refused", code="connect")
WAITS = Fate("waiting", reason="451 later")


def states(ledger: Ledger) -> list[str]:
    """Return the states of the mails in the outbox."""
    return sorted(item.state for item in ledger.outbox.list())


def spool(mailer_of: Make, scripted: Make, email: Email, ledger: Any, **settings: Any) -> str:
    """Return the name of a mail that could not be delivered."""
    receipt = mailer_of(scripted(BUSY), ledger=ledger, deadline=0.2, **settings).send(email)
    assert receipt.outcome == "spooled"
    return str(receipt.spooled)


def test_what_cannot_be_delivered_is_kept(
    scripted: Make, mailer_of: Make, email: Email, ledger: Ledger
) -> None:
    """When all attempts fail, the mail is kept, with a row for each recipient."""
    receipt = mailer_of(scripted(BUSY), ledger=ledger, deadline=0.5).send(email)
    assert receipt.outcome == "spooled"
    assert receipt.deferred == dict.fromkeys(EVERYBODY, "connection refused")
    assert receipt.code == "connect"
    entry = ledger.outbox.show(receipt.spooled)
    assert entry.email == email
    assert entry.recipients == EVERYBODY
    with pytest.raises(TemporaryFailure):
        receipt.raise_for_outcome()


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX permissions")
def test_the_file_is_for_its_owner_alone(email: Email, tmp_path: Path) -> None:
    """A ledger of SQLite's, its folder and its log can be read by their owner alone."""
    ledger = Ledger(tmp_path / "new" / "ledger.db")
    ledger.outbox.add(email, email.envelope, "at_most_once", WAITS)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    ledger.close()


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"email": {"attachments": [1]}}'])
def test_what_cannot_be_read_is_set_aside(
    scripted: Make,
    mailer_of: Make,
    email: Email,
    ledger: Ledger,
    change: Change,
    damage: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A damaged mail is neither sent nor deleted; it stops nobody, and the log says so."""
    name = ledger.outbox.add(email, email.envelope, "at_most_once", WAITS)
    change("UPDATE mails SET content = :damage", damage=damage)
    ledger.outbox.add(email, email.envelope, "at_most_once", WAITS)
    one = scripted()
    assert len(mailer_of(one, ledger=ledger).flush()) == 1
    assert len(one.requests) == 1
    assert set(states(ledger)) == {"aside"}
    assert name in caplog.text
    with pytest.raises(ConfigurationError, match="cannot be read"):
        ledger.outbox.show(name)
    ledger.outbox.drop(name)
    assert states(ledger) == []


def test_no_file_is_mailed_that_an_entry_names(
    scripted: Make,
    mailer_of: Make,
    email: Email,
    ledger: Ledger,
    change: Change,
    tmp_path: Path,
) -> None:
    """A path that somebody wrote into an attachment is never opened: the mail is set aside."""
    (tmp_path / "secret").write_text("read by its owner alone")
    mail = email.replace(attachments=[Attachment(filename="a.txt", content=b"x")])
    ledger.outbox.add(mail, mail.envelope, "at_most_once", WAITS)
    ((content,),) = change("SELECT content FROM mails")
    path = f'"path":"{tmp_path / "secret"}"'
    tampered = content.replace('"path":null', path).replace(
        '"content":"eA=="', '"content":null'
    )
    assert path in tampered
    change("UPDATE mails SET content = :content", content=tampered)
    one = scripted()
    mailer_of(one, ledger=ledger).flush()
    assert one.requests == []
    assert states(ledger) == ["aside"]


@pytest.mark.parametrize("column", ["recipient", "sender"])
def test_no_address_is_believed(
    scripted: Make,
    mailer_of: Make,
    email: Email,
    ledger: Ledger,
    change: Change,
    column: str,
) -> None:
    """An address that somebody wrote a command into does not reach a transport."""
    ledger.outbox.add(email, email.envelope.to([B]), "at_most_once", WAITS)
    table = "deliveries" if column == "recipient" else "mails"
    bad = "b@example.com>\r\nRCPT TO:<x@example.com"
    change(f"UPDATE {table} SET {column} = :bad", bad=bad)
    one = scripted()
    mailer_of(one, ledger=ledger).flush()
    assert one.requests == []
    assert states(ledger) == ["aside"]


def test_what_is_listed_is_clean(email: Email, ledger: Ledger, change: Change) -> None:
    """Escape codes that somebody wrote into any column reach no terminal."""
    name = ledger.outbox.add(email, email.envelope, "at_most_once", WAITS)
    bad = "x\x1b]0;pwned\x07\x1b[31my\n"
    change("UPDATE deliveries SET reason = :bad, transport = :bad, code = :bad", bad=bad)
    change("UPDATE mails SET subject = :bad, alerter = :bad", bad=bad)
    entry = ledger.outbox.show(name)
    item = ledger.outbox.list()[0]
    shown = (entry.reason, entry.transport, entry.code, item.reason, item.subject, item.alerter)
    assert set(shown) == {"xy"}


def test_old_mails_fail(
    scripted: Make,
    mailer_of: Make,
    email: Email,
    ledger: Ledger,
    change: Change,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A mail that has waited for longer than the maximum age is not sent, but kept."""
    name = spool(mailer_of, scripted, email, ledger)
    change("UPDATE mails SET created = created - 8 * 86400")
    one = scripted()
    assert mailer_of(one, ledger=ledger).flush() == []
    assert one.requests == []
    assert states(ledger) == ["failed"]
    assert ledger.outbox.show(name).code == "expired"
    assert "more than 7 days" in caplog.text
    assert len(mailer_of(one, ledger=ledger).flush(also=["failed"])) == 1


def test_mails_of_another_alerter_are_left_alone(
    scripted: Make, mailer_of: Make, email: Email, location: str
) -> None:
    """An alerter flushes its own mails only, and a list shows whose each is."""
    mine, theirs = Ledger(location, alerter="mine"), Ledger(location, alerter="theirs")
    theirs.outbox.add(email, email.envelope, "at_most_once", WAITS)
    theirs.outbox.add(email, email.envelope, "at_most_once", Fate("failed"))
    one = scripted()
    assert mailer_of(one, ledger=mine).flush(also=["failed"]) == []
    assert mine.outbox.claim(10, 30) == []
    assert one.requests == []
    assert {item.alerter for item in mine.outbox.list()} == {"theirs"}
    assert len(mailer_of(one, ledger=theirs).flush()) == 1


@pytest.mark.parametrize("interrupted", [False, True])
def test_who_is_left_and_who_is_in_doubt_is_known(
    email: Email, ledger: Ledger, change: Change, interrupted: bool
) -> None:
    """A process that ends between two tries leaves a note of those whose answer was lost."""
    claim = ledger.outbox.begin(email, email.envelope, "at_most_once", 30)
    claim.started()
    claim.answered([D], [C])
    claim.started()
    claim.answered([D], [C])
    if interrupted:
        claim.abandon("Interrupted.")
    else:
        change("UPDATE deliveries SET lease = 0")
        ledger.outbox.recover()
    found = {item.state: item.recipients for item in ledger.outbox.list()}
    assert found == {"waiting": (D,), "unknown": (C,)}


@pytest.mark.parametrize(
    ("waits", "policy", "expected"),
    [
        (True, "at_most_once", "delivered"),
        (False, "at_least_once", "delivered"),
        (False, "at_most_once", "unknown"),
    ],
)
def test_mails_are_taken_up_when_the_lease_ends(
    scripted: Make,
    mailer_of: Make,
    email: Email,
    ledger: Ledger,
    change: Change,
    waits: bool,
    policy: Any,
    expected: str,
) -> None:
    """Nobody touches a leased mail; then it is sent, unless the policy forbids it."""
    claim = ledger.outbox.begin(email, email.envelope, policy, 30, waits=waits)
    one = scripted()
    mailer = mailer_of(one, ledger=ledger)
    assert mailer.flush() == []
    with pytest.raises(ConfigurationError, match="no process is sending"):
        ledger.outbox.drop(claim.name)
    assert states(ledger) == ["claimed" if waits else "sending"]
    change("UPDATE deliveries SET lease = 0")
    change("UPDATE under_way SET lease = 0")
    receipts = mailer.flush()
    if expected == "delivered":
        assert [receipt.outcome for receipt in receipts] == ["delivered"]
        assert states(ledger) == []
    else:
        assert one.requests == []
        assert states(ledger) == ["unknown"]
        assert "It may have arrived" in ledger.outbox.show(claim.name).reason


@pytest.mark.parametrize("damage", ["", "{", "[]", '"b@example.com"', "null"])
def test_recipients_that_cannot_be_read_are_set_aside(
    email: Email, ledger: Ledger, change: Change, damage: str
) -> None:
    """What a dead process was sending is kept, even if nobody knows who was to get it."""
    claim = ledger.outbox.begin(email, email.envelope, "at_least_once", 30)
    change("UPDATE under_way SET lease = 0, recipients = :damage", damage=damage)
    assert states(ledger) == ["sending"]
    ledger.outbox.recover()
    assert states(ledger) == ["aside"]
    ledger.outbox.drop(claim.name)
    assert states(ledger) == []


def test_who_lost_the_lease_lets_go(email: Email, location: str, change: Change) -> None:
    """A process that comes back from the dead neither sends nor overwrites what others did."""
    one, two = Ledger(location), Ledger(location)
    claim = one.outbox.begin(email, email.envelope, "at_most_once", 30, waits=True)
    change("UPDATE deliveries SET lease = 0")
    (other,) = two.outbox.claim(10, 30)
    assert other.name == claim.name
    assert not claim.renew()
    claim.settle(dict.fromkeys(EVERYBODY, WAITS))
    assert states(two) == ["sending"]
    other.settle(dict.fromkeys(EVERYBODY, Fate("failed")))
    assert states(two) == ["failed"]
    one.close()
    two.close()


def test_mails_are_claimed_and_forgotten_together(
    email: Email, ledger: Ledger, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be sent leaves the others alone, and large mails are left for later."""
    outbox = ledger.outbox
    names = [
        outbox.add(email, email.envelope, "at_most_once", Fate("waiting")) for _ in range(5)
    ]
    assert outbox.due()
    change("UPDATE mails SET content = 'x' WHERE id = :name", name=names[1])
    change(
        "UPDATE deliveries SET owner = 'another', lease = 1e12 WHERE mail = :name",
        name=names[2],
    )
    claims = outbox.claim(3, 30)
    assert [claim.name for claim in claims] == [names[0], names[3]]
    states = ["sending", "aside", "claimed", "sending", "waiting"]
    assert [item.state for item in outbox.list()] == states
    outbox.forget(claims)
    claims[0].settle({})
    assert [item.name for item in outbox.list()] == [names[1], names[2], names[4]]
    names += [outbox.add(email, email.envelope, "at_most_once", Fate("waiting"))]
    monkeypatch.setattr("zenmail.ledger.outbox._MOST_AT_ONCE", 1)
    assert [claim.name for claim in outbox.claim(10, 30)] == [names[4]]
    assert [claim.name for claim in outbox.claim(10, 30)] == [names[5]]
    assert not outbox.due()


def test_a_database_that_forgot_the_mail_is_told_again(
    email: Email, ledger: Ledger, change: Change
) -> None:
    """What a server lost in a crash is written anew when the mail is kept."""
    claim = ledger.outbox.begin(email, email.envelope, "at_most_once", 30)
    change("DELETE FROM under_way")
    claim.settle({D: WAITS})
    assert ledger.outbox.show(claim.name).recipients == (D,)


def test_attachments_by_path_are_read_in(
    scripted: Make, mailer_of: Make, ledger: Ledger, tmp_path: Path
) -> None:
    """A kept mail does not depend on the files it was made from."""
    path = tmp_path / "data.bin"
    path.write_bytes(bytes(range(256)) * 40)
    mail = Email(sender="a@example.com", to=B, text="t", attachments=[path])
    spool(mailer_of, scripted, mail, ledger)
    expected = mail.as_bytes()
    path.unlink()
    one = scripted()
    mailer_of(one, ledger=ledger).flush()
    assert one.requests[0].email.as_bytes() == expected


def test_flushes_at_once_send_nothing_twice(
    scripted: Make, mailer_of: Make, email: Email, location: str
) -> None:
    """Of eight flushes at once, each mail is sent by one."""
    ledgers = [Ledger(location) for _ in range(8)]
    for number in range(100):
        mail = email.replace(message_id=f"<{number}@example.com>")
        ledgers[0].outbox.add(mail, mail.envelope, "at_most_once", WAITS)
    one = scripted()
    mailers = [mailer_of(one, ledger=ledger) for ledger in ledgers]
    threads = [threading.Thread(target=mailer.flush) for mailer in mailers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent = [request.email.message_id for request in one.requests]
    assert len(sent) == len(set(sent)) == 100
    assert states(ledgers[0]) == []


def test_list_show_and_drop(
    scripted: Make, mailer_of: Make, email: Email, ledger: Ledger
) -> None:
    """The mails can be looked at and dropped by name; an unknown name is an error of ours."""
    name = spool(mailer_of, scripted, email, ledger)
    (item,) = ledger.outbox.list()
    assert (item.name, item.state, item.subject) == (name, "waiting", "Step failed")
    assert (item.recipients, item.reason) == (EVERYBODY, "connection refused")
    assert ledger.outbox.show(name).email.text == "It failed.\n"
    ledger.outbox.drop(name)
    assert states(ledger) == []
    for method in (ledger.outbox.show, ledger.outbox.drop):
        with pytest.raises(ConfigurationError, match="no mail"):
            method(name)


def test_dry_run_touches_no_ledger(
    scripted: Make, mailer_of: Make, email: Email, ledger: Ledger
) -> None:
    """A dry run neither writes to the ledger nor flushes it."""
    spool(mailer_of, scripted, email, ledger)
    before = ledger.outbox.list()
    mailer = mailer_of(scripted(), ledger=ledger, dry_run=True)
    mailer.send(email)
    assert mailer.flush() == []
    assert ledger.outbox.list() == before


def test_a_ledger_that_fails_stops_no_mail(
    scripted: Make,
    mailer_of: Make,
    email: Email,
    ledger: Ledger,
    change: Change,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Without its tables the mail is delivered all the same; receipt and log say why."""
    ledger.outbox.list()
    change("DROP TABLE deliveries")
    change("DROP TABLE under_way")
    receipt = mailer_of(scripted(), ledger=ledger).send(email)
    assert receipt.delivered
    assert "under_way" in " ".join(receipt.notes)
    assert caplog.text.count("could not be recorded") == 1
    mailer = mailer_of(scripted(BUSY), ledger=ledger, deadline=0.3)
    assert mailer.send(email).outcome == "deferred"
    assert mailer.flush() == []
    with pytest.raises(LedgerError):
        ledger.outbox.list()


@pytest.mark.parametrize("trouble", ["below a file", "a folder", "no database"])
def test_a_place_that_cannot_be(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path, trouble: str
) -> None:
    """Where there can be no ledger, mails are delivered, and the receipt says so."""
    path = tmp_path / "file"
    path.write_bytes(b"no database" * 1000)
    if trouble == "below a file":
        path /= "ledger.db"
    elif trouble == "a folder":
        path = tmp_path
    mailer = mailer_of(scripted("ok", BUSY), ledger=path, deadline=0.3)
    receipt = mailer.send(email)
    assert receipt.delivered
    assert str(path) in " ".join(receipt.notes)
    assert mailer.send(email).outcome == "deferred"


def test_a_server_that_is_down_stops_no_mail(
    scripted: Make, mailer_of: Make, email: Email, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no server listens mails are delivered, and its password is told to nobody."""
    pytest.importorskip("psycopg")
    monkeypatch.setattr("zenmail.ledger.postgres._PATIENCE", 0.1)
    url = "postgresql://u:canary-password-7f3a@127.0.0.1:1/x"
    mailer = mailer_of(scripted(), ledger=url)
    receipts = [mailer.send(email) for _ in range(3)]
    assert [receipt.outcome for receipt in receipts] == ["delivered"] * 3
    said = repr(receipts) + repr(Ledger(url))
    assert "127.0.0.1" in said
    assert "canary" not in said


@pytest.mark.parametrize(
    "place",
    [
        "s3://bucket/x",
        "   ",
        "a\0b",
        "a\ud800b",
        5,
        "~nobody-of-this-name/x",
        "postgresql://[/x",
    ],
)
def test_a_location_that_is_none(place: Any) -> None:
    """What is no path, or an unknown kind of URL, is refused when the mailer is made."""
    with pytest.raises(ConfigurationError, match="ledger"):
        Mailer("console", ledger=place)


def test_an_event_is_claimed_once(location: str) -> None:
    """Of many who saw one event, one may mail it; when that failed, one other."""
    ledgers = [Ledger(location) for _ in range(4)]
    claims: list[str] = []

    def claim(ledger: Ledger) -> None:
        claims.extend(ledger.told.claim(f"run-{number}:failed", 60.0) for number in range(20))

    threads = [threading.Thread(target=claim, args=(ledger,)) for ledger in ledgers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert claims.count("mine") == 20
    ledgers[0].told.release("run-3:failed")
    assert ledgers[1].told.claim("run-3:failed", 0.0) == "mine"
    assert ledgers[0].told.claim("run-3:failed", 60.0) == "mine", "the first one died"
    assert ledgers[1].told.claim("run-3:failed", 60.0) == "busy"
    ledgers[0].told.settle("run-3:failed")
    ledgers[0].told.release("run-3:failed")
    assert ledgers[1].told.claim("run-3:failed", 0.0) == "told"
    for ledger in ledgers:
        ledger.close()


def test_what_is_delivered_leaves_nothing(
    scripted: Make, mailer_of: Make, email: Email, ledger: Ledger
) -> None:
    """A mail that arrives at once leaves no file."""
    assert mailer_of(scripted(), ledger=ledger).send(email).delivered
    assert states(ledger) == []


def test_only_undelivered_recipients_are_kept(
    scripted: Make, mailer_of: Make, email: Email, ledger: Ledger
) -> None:
    """The accepted and the refused are not in the envelope that is kept."""
    one = scripted(Receipt(accepted=(B,), refused={C: "550 no"}, deferred={D: "451"}), BUSY)
    receipt = mailer_of(one, ledger=ledger, deadline=0.5).send(email)
    assert receipt.outcome == "spooled"
    assert receipt.accepted == (B,)
    assert receipt.refused == {C: "550 no"}
    assert ledger.outbox.show(receipt.spooled).recipients == (D,)


def test_refused_recipients_are_not_kept(
    scripted: Make, mailer_of: Make, email: Email, ledger: Ledger
) -> None:
    """A recipient that the server refuses for good is not tried again out of the outbox."""
    one = scripted(Receipt(refused=dict.fromkeys(EVERYBODY, "550 no")))
    assert mailer_of(one, ledger=ledger).send(email).outcome == "refused"
    assert states(ledger) == []


def test_a_refused_mail_is_not_kept(
    scripted: Make, mailer_of: Make, email: Email, ledger: Ledger
) -> None:
    """A mail whose content the server refuses would only be refused again."""
    one = scripted(PermanentFailure("554 spam", code="body-refused"))
    assert mailer_of(one, ledger=ledger).send(email).outcome == "refused"
    assert states(ledger) == []


def test_a_broken_set_up_is_kept(
    scripted: Make, mailer_of: Make, email: Email, ledger: Ledger
) -> None:
    """After a wrong password the mail waits for the right one."""
    one = scripted(PermanentFailure("wrong password", code="auth-refused"))
    receipt = mailer_of(one, ledger=ledger).send(email)
    assert (receipt.outcome, receipt.attempts) == ("spooled", 1)
    assert receipt.refused == {}
    mended = scripted()
    assert [found.outcome for found in mailer_of(mended, ledger=ledger).flush()] == [
        "delivered"
    ]
    assert mended.envelopes == [EVERYBODY]


def test_the_next_send_flushes(
    scripted: Make, mailer_of: Make, email: Email, ledger: Ledger
) -> None:
    """A later success sends what waits: same Message-ID, same date, same bytes."""
    spool(mailer_of, scripted, email, ledger)
    one = scripted()
    other = email.replace(message_id="<other@example.com>")
    assert mailer_of(one, ledger=ledger).send(other).delivered
    assert [request.email.message_id for request in one.requests] == [
        "<other@example.com>",
        email.message_id,
    ]
    assert one.requests[1].email.as_bytes() == email.as_bytes()
    assert states(ledger) == []


def test_a_failure_does_not_flush(
    scripted: Make, mailer_of: Make, email: Email, ledger: Ledger
) -> None:
    """While nothing gets through, what waits is left alone."""
    spool(mailer_of, scripted, email, ledger)
    one = scripted(PermanentFailure("no"))
    mailer_of(one, ledger=ledger).send(email)
    assert len(one.requests) == 1
    assert len(ledger.outbox.list()) == 2


def test_a_flush_in_passing_is_bounded(
    scripted: Make, mailer_of: Make, email: Email, ledger: Ledger
) -> None:
    """A send takes no more than a few mails along; a flush takes them all."""
    for _ in range(30):
        ledger.outbox.add(email, email.envelope, "at_most_once", WAITS)
    one = scripted()
    mailer = mailer_of(one, ledger=ledger)
    mailer.send(email)
    assert len(one.requests) == 21
    assert len(mailer.flush()) == 10
    assert states(ledger) == []


def test_flush_stops_when_nothing_gets_through(
    scripted: Make, mailer_of: Make, email: Email, ledger: Ledger
) -> None:
    """Two failures in a row end a flush; nothing is lost, and the tries are counted."""
    for _ in range(5):
        ledger.outbox.add(email, email.envelope, "at_most_once", WAITS)
    receipts = mailer_of(scripted(BUSY), ledger=ledger).flush()
    assert [receipt.outcome for receipt in receipts] == ["spooled", "spooled"]
    items = ledger.outbox.list()
    assert [item.tries for item in items] == [1, 1, 0, 0, 0]
    assert {item.state for item in items} == {"waiting"}


def test_flush_moves_the_refused_to_failed(
    scripted: Make,
    mailer_of: Make,
    email: Email,
    ledger: Ledger,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A mail that is refused out of the outbox is kept under failed, and logged."""
    name = spool(mailer_of, scripted, email, ledger)
    one = scripted(Receipt(accepted=(B,), refused={C: "550 no", D: "550 no"}), "ok")
    receipts = mailer_of(one, ledger=ledger).flush()
    assert [receipt.outcome for receipt in receipts] == ["partial"]
    assert states(ledger) == ["failed"]
    assert ledger.outbox.show(name).recipients == (C, D)
    assert "550 no" in caplog.text
    mailer_of(one, ledger=ledger).flush(also=["failed"])
    assert one.envelopes[-1] == (C, D)
    assert states(ledger) == []


def test_a_permanent_failure_of_one_mail_among_others(
    scripted: Make, mailer_of: Make, email: Email, ledger: Ledger
) -> None:
    """What a transport that works refuses is the mail's fault; before that, the set-up's."""
    for _ in range(3):
        ledger.outbox.add(email, email.envelope, "at_most_once", WAITS)
    broken = PermanentFailure("sender not allowed", code="sender-refused")
    mailer_of(scripted(broken, "ok", broken), ledger=ledger).flush()
    states = sorted(item.state for item in ledger.outbox.list())
    assert states == ["failed", "waiting"]


def test_a_doubt_is_noted_once(
    scripted: Make, mailer_of: Make, email: Email, ledger: Ledger
) -> None:
    """When the delivery is over, no note of it is left beside its result."""
    one = scripted(
        Receipt(accepted=[B], unknown={C: "lost"}, deferred={D: "busy"}), Receipt(accepted=[D])
    )
    receipt = mailer_of(one, ledger=ledger).send(email)
    assert receipt.outcome == "unknown"
    found = [(item.state, item.recipients) for item in ledger.outbox.list()]
    assert found == [("unknown", (C,))]


def test_unknown_mails_wait_for_people(
    scripted: Make, mailer_of: Make, email: Email, ledger: Ledger
) -> None:
    """Under at_most_once a mail that may have arrived is kept apart, and sent on request."""
    lost = UnknownOutcome("lost after the body")
    receipt = mailer_of(scripted(lost), ledger=ledger).send(email)
    assert receipt.outcome == "unknown"
    assert states(ledger) == ["unknown"]
    one = scripted()
    mailer = mailer_of(one, ledger=ledger)
    assert mailer.flush() == []
    assert [found.outcome for found in mailer.flush(also=["unknown"])] == ["delivered"]
    assert one.requests[0].email.message_id == email.message_id
    assert states(ledger) == []


def test_unknown_mails_are_sent_again_under_at_least_once(
    scripted: Make, mailer_of: Make, email: Email, ledger: Ledger
) -> None:
    """Under at_least_once a mail that may have arrived waits like any other."""
    lost = UnknownOutcome("lost after the body")
    settings = {"ledger": ledger, "retry": Retry(policy="at_least_once")}
    assert mailer_of(scripted(lost), deadline=0.2, **settings).send(email).outcome == "spooled"
    assert [found.outcome for found in mailer_of(scripted(), **settings).flush()] == [
        "delivered"
    ]


def test_an_interrupted_send_is_let_go(
    scripted: Make, mailer_of: Make, email: Email, ledger: Ledger
) -> None:
    """A mail whose send was left by an exception is not lost with the claim on it."""
    mailer = mailer_of(scripted(KeyboardInterrupt()), ledger=ledger)
    with pytest.raises(KeyboardInterrupt):
        mailer.send(email)
    assert [item.state for item in ledger.outbox.list()] == ["unknown"]


def test_redirect_holds_for_what_waits(
    scripted: Make, mailer_of: Make, email: Email, ledger: Ledger
) -> None:
    """A mail out of the outbox goes where the mailer that flushes it sends everything."""
    spool(mailer_of, scripted, email, ledger)
    one = scripted()
    mailer_of(one, ledger=ledger, redirect=Redirect("staging@example.org")).flush()
    assert one.envelopes == [("staging@example.org",)]
