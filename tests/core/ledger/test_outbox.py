from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from zenmail import (
    Attachment,
    ConfigurationError,
    Email,
    Mailer,
    PermanentFailure,
    Receipt,
    Redirect,
    Retry,
    TemporaryFailure,
    UnknownOutcome,
)
from zenmail.ledger.outbox import Outbox, OutboxState

Make = Callable[..., Any]
B, C, D = EVERYBODY = ("b@example.com", "c@example.com", "zoe@example.com")
BUSY = TemporaryFailure("connection refused", code="connect")


def dead_process() -> str:
    """Return the token of a process that has ended."""
    code = "from zenmail.ledger.process import this_process; print(this_process())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    return done.stdout.decode().strip()


def files(folder: Path) -> list[str]:
    """Return the files below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def spool(mailer_of: Make, scripted: Make, email: Email, folder: Any, **settings: Any) -> str:
    """Return the name of a mail that could not be delivered."""
    receipt = mailer_of(scripted(BUSY), outbox=folder, deadline=0.2, **settings).send(email)
    assert receipt.outcome == "spooled"
    return str(receipt.spooled)


def test_what_cannot_be_delivered_is_kept(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """When all attempts fail, mail and envelope are in the folder, for the owner alone."""
    folder = tmp_path / "new" / "outbox"
    receipt = mailer_of(scripted(BUSY), outbox=folder, deadline=0.5).send(email)
    assert receipt.outcome == "spooled"
    assert receipt.deferred == dict.fromkeys(EVERYBODY, "connection refused")
    assert receipt.code == "connect"
    assert files(folder) == [f"{receipt.spooled}.json"]
    assert stat.S_IMODE((folder / f"{receipt.spooled}.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    entry = Outbox(folder).show(receipt.spooled)
    assert entry.email == email
    assert entry.recipients == EVERYBODY
    with pytest.raises(TemporaryFailure):
        receipt.raise_for_outcome()


def test_what_is_delivered_leaves_nothing(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """A mail that arrives at once leaves no file."""
    assert mailer_of(scripted(), outbox=tmp_path).send(email).delivered
    assert files(tmp_path) == []


def test_only_undelivered_recipients_are_kept(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """The accepted and the refused are not in the envelope that is kept."""
    one = scripted(Receipt(accepted=(B,), refused={C: "550 no"}, deferred={D: "451"}), BUSY)
    receipt = mailer_of(one, outbox=tmp_path, deadline=0.5).send(email)
    assert receipt.outcome == "spooled"
    assert receipt.accepted == (B,)
    assert receipt.refused == {C: "550 no"}
    assert Outbox(tmp_path).show(receipt.spooled).recipients == (D,)


def test_refused_recipients_are_not_kept(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """A recipient that the server refuses for good is not tried again out of the outbox."""
    one = scripted(Receipt(refused=dict.fromkeys(EVERYBODY, "550 no")))
    assert mailer_of(one, outbox=tmp_path).send(email).outcome == "refused"
    assert files(tmp_path) == []


def test_a_refused_mail_is_not_kept(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """A mail whose content the server refuses would only be refused again."""
    one = scripted(PermanentFailure("554 spam", code="body-refused"))
    assert mailer_of(one, outbox=tmp_path).send(email).outcome == "refused"
    assert files(tmp_path) == []


def test_a_broken_set_up_is_kept(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """After a wrong password the mail waits for the right one."""
    one = scripted(PermanentFailure("wrong password", code="auth-refused"))
    receipt = mailer_of(one, outbox=tmp_path).send(email)
    assert (receipt.outcome, receipt.attempts) == ("spooled", 1)
    assert receipt.refused == {}
    mended = scripted()
    assert [found.outcome for found in mailer_of(mended, outbox=tmp_path).flush()] == [
        "delivered"
    ]
    assert mended.envelopes == [EVERYBODY]


def test_the_next_send_flushes(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """A later success sends what waits: same Message-ID, same date, same bytes."""
    spool(mailer_of, scripted, email, tmp_path)
    one = scripted()
    other = email.replace(message_id="<other@example.com>")
    assert mailer_of(one, outbox=tmp_path).send(other).delivered
    assert [request.email.message_id for request in one.requests] == [
        "<other@example.com>",
        email.message_id,
    ]
    assert one.requests[1].email.as_bytes() == email.as_bytes()
    assert files(tmp_path) == []


def test_a_failure_does_not_flush(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """While nothing gets through, what waits is left alone."""
    spool(mailer_of, scripted, email, tmp_path)
    one = scripted(PermanentFailure("no"))
    mailer_of(one, outbox=tmp_path).send(email)
    assert len(one.requests) == 1
    assert len(Outbox(tmp_path).list()) == 2


def test_a_flush_in_passing_is_bounded(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """A send takes no more than a few mails along; a flush takes them all."""
    for _ in range(30):
        Outbox(tmp_path).add(email, email.envelope, "at_most_once")
    one = scripted()
    mailer = mailer_of(one, outbox=tmp_path)
    mailer.send(email)
    assert len(one.requests) == 21
    assert len(mailer.flush()) == 10
    assert files(tmp_path) == []


def test_flush_stops_when_nothing_gets_through(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """Two failures in a row end a flush; nothing is lost, and the tries are counted."""
    for _ in range(5):
        Outbox(tmp_path).add(email, email.envelope, "at_most_once")
    receipts = mailer_of(scripted(BUSY), outbox=tmp_path).flush()
    assert [receipt.outcome for receipt in receipts] == ["spooled", "spooled"]
    items = Outbox(tmp_path).list()
    assert [item.tries for item in items] == [1, 1, 0, 0, 0]
    assert {item.state for item in items} == {"waiting"}


def test_flush_moves_the_refused_to_failed(
    scripted: Make,
    mailer_of: Make,
    email: Email,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A mail that is refused out of the outbox is kept under failed, and logged."""
    name = spool(mailer_of, scripted, email, tmp_path)
    one = scripted(Receipt(accepted=(B,), refused={C: "550 no", D: "550 no"}), "ok")
    receipts = mailer_of(one, outbox=tmp_path).flush()
    assert [receipt.outcome for receipt in receipts] == ["partial"]
    assert files(tmp_path) == [f"failed/{name}.json"]
    assert Outbox(tmp_path).show(name).recipients == (C, D)
    assert "550 no" in caplog.text
    mailer_of(one, outbox=tmp_path).flush(also=["failed"])
    assert one.envelopes[-1] == (C, D)
    assert files(tmp_path) == []


def test_a_permanent_failure_of_one_mail_among_others(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """What a transport that works refuses is the mail's fault; before that, the set-up's."""
    for _ in range(3):
        Outbox(tmp_path).add(email, email.envelope, "at_most_once")
    broken = PermanentFailure("sender not allowed", code="sender-refused")
    mailer_of(scripted(broken, "ok", broken), outbox=tmp_path).flush()
    states = sorted(item.state for item in Outbox(tmp_path).list())
    assert states == ["failed", "waiting"]


def test_old_mails_fail(
    scripted: Make,
    mailer_of: Make,
    email: Email,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A mail that has waited for longer than the maximum age is not sent, but kept."""
    name = spool(mailer_of, scripted, email, tmp_path)
    path = tmp_path / f"{name}.json"
    values = json.loads(path.read_text())
    values["created"] = str(datetime.now(timezone.utc) - timedelta(days=8))
    path.write_text(json.dumps(values))
    one = scripted()
    assert mailer_of(one, outbox=tmp_path).flush() == []
    assert one.requests == []
    assert files(tmp_path) == [f"failed/{name}.json"]
    assert "more than 7 days" in caplog.text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"format": "zenmail-outbox-1"}',
        b'{"format": "zenmail-outbox-1", "email": {"attachments": [1]}}',
        b'{"some": "other tool"}',
        b"\x00" * 4096,
        b"[" * 100_000,
    ],
)
def test_foreign_files_are_set_aside(
    scripted: Make, mailer_of: Make, tmp_path: Path, content: bytes
) -> None:
    """A file that is no mail is neither sent nor deleted, and stops nobody."""
    (tmp_path / "strange.json").write_bytes(content)
    (tmp_path / "notes.txt").write_text("mine")
    one = scripted()
    assert mailer_of(one, outbox=tmp_path).flush() == []
    assert one.requests == []
    assert files(tmp_path) == ["aside/strange.json", "notes.txt"]
    assert (tmp_path / "aside" / "strange.json").read_bytes() == content


def test_a_mail_torn_anywhere_is_set_aside(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """Of a file cut at whatever byte, nothing is sent."""
    name = spool(mailer_of, scripted, email, tmp_path)
    whole = (tmp_path / f"{name}.json").read_bytes()
    (tmp_path / f"{name}.json").unlink()
    one = scripted()
    mailer = mailer_of(one, outbox=tmp_path)
    for size in range(0, len(whole), 7):
        (tmp_path / f"{size}.json").write_bytes(whole[:size])
    mailer.flush()
    assert one.requests == []
    assert all(name.startswith("aside/") for name in files(tmp_path))


@pytest.mark.skipif(sys.platform == "win32", reason="needs symbolic links")
def test_no_symbolic_link_is_followed(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """A link in the folder, be it to a real mail, is set aside."""
    name = spool(mailer_of, scripted, email, tmp_path / "other")
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "link.json").symlink_to(tmp_path / "other" / f"{name}.json")
    one = scripted()
    assert mailer_of(one, outbox=tmp_path / "box").flush() == []
    assert one.requests == []
    assert (tmp_path / "other" / f"{name}.json").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs sockets in the file system")
def test_a_socket_stops_nobody(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path, monkeypatch: Any
) -> None:
    """A file that cannot even be opened is set aside, and the mails behind it are sent."""
    name = spool(mailer_of, scripted, email, tmp_path)
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("0.json")
    assert [item.name for item in Outbox(tmp_path).list()] == [name]
    receipts = mailer_of(scripted(), outbox=tmp_path).flush()
    assert [receipt.outcome for receipt in receipts] == ["delivered"]


def test_what_would_fill_the_memory_is_not_read(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """A file of a terabyte is set aside unread, and the send does not hear of it."""
    with open(tmp_path / "huge.json", "wb") as stream:
        try:
            stream.truncate(1 << 40)
        except OSError:
            pytest.skip("the file system takes no file of that size")
    assert mailer_of(scripted(), outbox=tmp_path).send(email).delivered
    assert files(tmp_path) == ["aside/huge.json"]


def died(folder: Path) -> None:
    """Make all claims those of a process that has ended."""
    token = dead_process()
    for path in [*folder.glob("*/*~*.json")]:
        path.rename(path.with_name(f"{token}~{path.name.rpartition('~')[2]}"))


def test_a_disk_that_fills_up_makes_no_second_copy(
    scripted: Make,
    mailer_of: Make,
    email: Email,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who has the mail is not sent it again because that could not be written down."""
    one = scripted(
        Receipt(accepted=[B, C], deferred={D: "busy"}), Receipt(deferred={D: "busy"})
    )
    mailer = mailer_of(one, outbox=tmp_path, deadline=0.2)
    whole = os.open

    def full(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if one.requests and flags & os.O_CREAT:
            raise OSError(28, "No space left on device")
        return whole(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", full)
    assert mailer.send(email).accepted == (B, C)
    monkeypatch.undo()
    died(tmp_path)
    two = scripted()
    mailer_of(two, outbox=tmp_path).flush()
    assert two.requests == []
    assert [item.state for item in Outbox(tmp_path).list()] == ["unknown"]


@pytest.mark.parametrize("interrupted", [False, True])
def test_who_may_have_the_mail_is_remembered_while_others_are_tried(
    email: Email, tmp_path: Path, interrupted: bool
) -> None:
    """A process killed between two tries leaves a note of those whose answer was lost."""
    claim = Outbox(tmp_path).begin(email, email.envelope, "at_most_once")
    claim.started()
    claim.answered([D], [C])
    claim.started()
    claim.answered([D], [C])
    if interrupted:
        claim.abandon("Interrupted.")
    else:
        died(tmp_path)
        Outbox(tmp_path).recover()
    found = {item.state: item.recipients for item in Outbox(tmp_path).list()}
    assert found == {"waiting": (D,), "unknown": (C,)}


def test_a_claim_stands_for_everybody_until_all_are_noted(
    scripted: Make,
    mailer_of: Make,
    email: Email,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When those in doubt cannot be noted down on their own, nobody is forgotten."""

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    lost = Receipt(accepted=[B], unknown={C: "lost"}, deferred={D: "busy"})
    mailer = mailer_of(scripted(lost, BUSY), outbox=tmp_path, deadline=0.2)
    monkeypatch.setattr(Outbox, "add", full)
    receipt = mailer.send(email)
    monkeypatch.undo()
    assert "No space left on device" in " ".join(receipt.notes)
    died(tmp_path)
    Outbox(tmp_path).recover()
    found = {item.state: item.recipients for item in Outbox(tmp_path).list()}
    assert found == {"waiting": (D,), "unknown": (C,)}


def test_a_doubt_is_noted_once(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """When the delivery is over, no note of it is left beside its result."""
    one = scripted(
        Receipt(accepted=[B], unknown={C: "lost"}, deferred={D: "busy"}), Receipt(accepted=[D])
    )
    receipt = mailer_of(one, outbox=tmp_path).send(email)
    assert receipt.outcome == "unknown"
    found = [(item.state, item.recipients) for item in Outbox(tmp_path).list()]
    assert found == [("unknown", (C,))]


def test_attachments_by_path_are_read_in(
    scripted: Make, mailer_of: Make, tmp_path: Path
) -> None:
    """A kept mail does not depend on the files it was made from."""
    path = tmp_path / "data.bin"
    path.write_bytes(bytes(range(256)) * 40)
    mail = Email(sender="a@example.com", to=B, text="t", attachments=[path])
    spool(mailer_of, scripted, mail, tmp_path / "box")
    expected = mail.as_bytes()
    path.unlink()
    one = scripted()
    mailer_of(one, outbox=tmp_path / "box").flush()
    assert one.requests[0].email.as_bytes() == expected


def test_unknown_mails_wait_for_people(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """Under at_most_once a mail that may have arrived is kept apart, and sent on request."""
    lost = UnknownOutcome("lost after the body")
    receipt = mailer_of(scripted(lost), outbox=tmp_path).send(email)
    assert receipt.outcome == "unknown"
    assert files(tmp_path) == [f"unknown/{receipt.spooled}.json"]
    one = scripted()
    mailer = mailer_of(one, outbox=tmp_path)
    assert mailer.flush() == []
    assert [found.outcome for found in mailer.flush(also=["unknown"])] == ["delivered"]
    assert one.requests[0].email.message_id == email.message_id
    assert files(tmp_path) == []


def test_unknown_mails_are_sent_again_under_at_least_once(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """Under at_least_once a mail that may have arrived waits like any other."""
    lost = UnknownOutcome("lost after the body")
    settings = {"outbox": tmp_path, "retry": Retry(policy="at_least_once")}
    assert mailer_of(scripted(lost), deadline=0.2, **settings).send(email).outcome == "spooled"
    assert [found.outcome for found in mailer_of(scripted(), **settings).flush()] == [
        "delivered"
    ]


def test_two_flushes_at_once_send_nothing_twice(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """Of eight flushes at once, each mail is sent by one."""
    for number in range(100):
        mail = email.replace(message_id=f"<{number}@example.com>")
        Outbox(tmp_path).add(mail, mail.envelope, "at_most_once")
    one = scripted()
    mailers = [mailer_of(one, outbox=tmp_path) for _ in range(8)]
    threads = [threading.Thread(target=mailer.flush) for mailer in mailers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent = [request.email.message_id for request in one.requests]
    assert len(sent) == len(set(sent)) == 100
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("state", "policy", "expected"),
    [
        ("claimed", "at_most_once", "delivered"),
        ("sending", "at_least_once", "delivered"),
        ("sending", "at_most_once", "unknown"),
    ],
)
def test_mails_of_dead_processes_are_taken_up(
    scripted: Make,
    mailer_of: Make,
    email: Email,
    tmp_path: Path,
    state: OutboxState,
    policy: Any,
    expected: str,
) -> None:
    """A dead owner's mail is sent, unless it may have arrived and the policy forbids it."""
    name = Outbox(tmp_path).add(email, email.envelope, policy)
    (tmp_path / state).mkdir()
    (tmp_path / f"{name}.json").rename(tmp_path / state / f"{dead_process()}~{name}.json")
    one = scripted()
    receipts = mailer_of(one, outbox=tmp_path).flush()
    if expected == "delivered":
        assert [receipt.outcome for receipt in receipts] == ["delivered"]
        assert files(tmp_path) == []
    else:
        assert one.requests == []
        assert files(tmp_path) == [f"unknown/{name}.json"]
        assert "It may have arrived" in Outbox(tmp_path).show(name).reason


def test_mails_of_living_processes_are_left_alone(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """What another process is sending nobody else sends or drops."""
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from zenmail.ledger.process import this_process;"
            "print(this_process(), flush=True); sys.stdin.read()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        owner = process.stdout.readline().decode().strip()
        name = Outbox(tmp_path).add(email, email.envelope, "at_least_once")
        (tmp_path / "sending").mkdir()
        (tmp_path / f"{name}.json").rename(tmp_path / "sending" / f"{owner}~{name}.json")
        one = scripted()
        assert mailer_of(one, outbox=tmp_path).flush() == []
        assert one.requests == []
        with pytest.raises(ConfigurationError, match="no process is sending"):
            Outbox(tmp_path).drop(name)
        assert [item.state for item in Outbox(tmp_path).list()] == ["sending"]
        process.communicate()


def test_claims_of_other_machines_have_a_lease(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """A claim from elsewhere, whose owner cannot be asked, is respected for its lease."""
    name = Outbox(tmp_path).add(email, email.envelope, "at_least_once")
    (tmp_path / "claimed").mkdir()
    (tmp_path / f"{name}.json").rename(tmp_path / "claimed" / f"0123456789ab.1.1~{name}.json")
    assert mailer_of(scripted(), outbox=tmp_path).flush() == []


def test_a_file_left_half_way_is_taken_up(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """What a process wrote and did not rename before it died is sent if whole, else kept."""
    name = Outbox(tmp_path).add(email, email.envelope, "at_most_once")
    data = (tmp_path / f"{name}.json").read_bytes()
    (tmp_path / f"{name}.json").unlink()
    owner = dead_process()
    (tmp_path / "tmp" / f"{owner}~{name}.json").write_bytes(data)
    (tmp_path / "tmp" / f"{owner}~torn.json").write_bytes(data[:50])
    one = scripted()
    mailer_of(one, outbox=tmp_path).flush()
    assert len(one.requests) == 1
    assert files(tmp_path) == ["aside/torn.json"]


def test_a_rewrite_left_half_way_makes_no_second_mail(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """Killed while it rewrites a mail, a process leaves that mail, once."""
    name = Outbox(tmp_path).add(email, email.envelope, "at_least_once")
    owner = dead_process()
    (tmp_path / "sending").mkdir()
    data = (tmp_path / f"{name}.json").read_bytes()
    (tmp_path / f"{name}.json").rename(tmp_path / "sending" / f"{owner}~{name}.json")
    (tmp_path / "tmp" / f"{owner}~{name}.json").write_bytes(data)
    one = scripted()
    mailer_of(one, outbox=tmp_path).flush()
    assert len(one.requests) == 1
    assert files(tmp_path) == []


def test_an_interrupted_send_is_let_go(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """A mail whose send was left by an exception is not lost with the claim on it."""
    mailer = mailer_of(scripted(KeyboardInterrupt()), outbox=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        mailer.send(email)
    assert [item.state for item in Outbox(tmp_path).list()] == ["unknown"]


def test_list_show_and_drop(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """The mails can be looked at and dropped by name; an unknown name is an error of ours."""
    name = spool(mailer_of, scripted, email, tmp_path)
    box = Outbox(tmp_path)
    (item,) = box.list()
    assert (item.name, item.state, item.subject) == (name, "waiting", "Step failed")
    assert (item.recipients, item.reason) == (EVERYBODY, "connection refused")
    assert box.show(name).email.text == "It failed.\n"
    box.drop(name)
    assert box.list() == []
    for method in (box.show, box.drop, box.retry):
        with pytest.raises(ConfigurationError, match="no mail"):
            method(name)
    with pytest.raises(ConfigurationError):
        box.show("../../etc/passwd")


def test_a_full_disk_is_said_not_raised(
    scripted: Make,
    mailer_of: Make,
    email: Email,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """When the outbox cannot keep the mail, the receipt says so and nothing is torn."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    mailer = mailer_of(scripted(BUSY), outbox=tmp_path, deadline=0.3)
    monkeypatch.setattr(os, "replace", full)
    receipt = mailer.send(email)
    monkeypatch.undo()
    assert receipt.outcome == "deferred"
    assert receipt.spooled == ""
    assert "No space left on device" in " ".join(receipt.notes)
    assert "No space left on device" in caplog.text
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """An outbox below a file takes nothing; mails are delivered all the same."""
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "outbox"
    receipt = mailer_of(scripted(), outbox=folder).send(email)
    assert receipt.delivered
    assert any("outbox" in note for note in receipt.notes)
    mailer = mailer_of(scripted(BUSY), outbox=folder, deadline=0.3)
    assert mailer.send(email).outcome == "deferred"
    assert mailer.flush() == []


def test_redirect_holds_for_what_waits(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """A mail out of the outbox goes where the mailer that flushes it sends everything."""
    spool(mailer_of, scripted, email, tmp_path)
    one = scripted()
    mailer_of(one, outbox=tmp_path, redirect=Redirect("staging@example.org")).flush()
    assert one.envelopes == [("staging@example.org",)]


def test_dry_run_touches_no_outbox(
    scripted: Make, mailer_of: Make, email: Email, tmp_path: Path
) -> None:
    """A dry run neither writes to the outbox nor flushes it."""
    spool(mailer_of, scripted, email, tmp_path)
    before = files(tmp_path)
    mailer = mailer_of(scripted(), outbox=tmp_path, dry_run=True)
    mailer.send(email)
    assert mailer.flush() == []
    assert files(tmp_path) == before


def test_a_remote_outbox(scripted: Make, mailer_of: Make, email: Email) -> None:
    """Any place that fsspec reaches keeps mails, is listed, flushed once, and emptied."""
    import fsspec

    url = f"memory://{uuid4()}/outbox"
    mail = email.replace(attachments=[Attachment(filename="a.bin", content=b"\x00\xff")])
    name = spool(mailer_of, scripted, mail, url)
    box = Outbox(url)
    assert [(item.name, item.state) for item in box.list()] == [(name, "waiting")]
    assert box.show(name).email == mail
    one = scripted()
    mailers = [mailer_of(one, outbox=url) for _ in range(4)]
    threads = [threading.Thread(target=mailer.flush) for mailer in mailers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(one.requests) == 1
    assert fsspec.filesystem("memory").find(url) == []


def test_a_remote_outbox_that_is_down(
    scripted: Make,
    mailer_of: Make,
    email: Email,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever a remote store raises ends up in the receipt."""
    from fsspec.implementations.memory import MemoryFileSystem

    def down(*_: object, **__: object) -> None:
        raise RuntimeError("no credentials")

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", down)
    monkeypatch.setattr(MemoryFileSystem, "ls", down)
    receipt = mailer_of(scripted(BUSY), outbox="memory://down", deadline=0.3).send(email)
    assert receipt.outcome == "deferred"
    assert "no credentials" in " ".join(receipt.notes)
    assert mailer_of(scripted(), outbox="memory://down").send(email).delivered


@pytest.mark.parametrize(
    ("folder", "word"),
    [
        ("nonsense://bucket", "nonsense"),
        ("   ", "no folder"),
        ("a\0b", "no path"),
        ("a\ud800b", "no path"),
        (5, "no path"),
        ("~nobody-of-this-name/box", "home folder"),
    ],
)
def test_an_outbox_that_cannot_be(folder: Any, word: str) -> None:
    """What is no path, or an unknown kind of URL, is refused when the mailer is made."""
    with pytest.raises(ConfigurationError, match=word):
        Mailer("console", outbox=folder)
