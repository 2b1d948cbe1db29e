from __future__ import annotations

import email as stdlib_email
import json
import mailbox
import os
import stat
import subprocess
import sys
import threading
from email import policy
from pathlib import Path
from typing import Any

import pytest

from zenmail import Attachment, Email, Mailer, OptionsError, Receipt, Retry


def make_email(**changes: Any) -> Email:
    """Return a mail."""
    values: dict[str, Any] = {
        "sender": "Alerts <alerts@example.com>",
        "to": ["oncall@example.com"],
        "bcc": ["hidden@example.com"],
        "subject": "Step failed",
        "text": "Accuracy fell.\n",
    }
    return Email(**{**values, **changes})


def send(email: Email, folder: Path, **options: Any) -> Receipt:
    """Send a mail to a folder."""
    with Mailer(
        "file", options={"folder": str(folder), **options}, retry=Retry(max_attempts=1)
    ) as mailer:
        return mailer.send(email)


def test_a_mail_is_one_private_file(tmp_path: Path) -> None:
    """The .eml holds the mail byte for byte, and only this user reads it."""
    email = make_email()
    receipt = send(email, tmp_path / "new" / "out")
    (file,) = (tmp_path / "new" / "out").iterdir()
    assert file.suffix == ".eml"
    assert "step-failed" in file.name
    assert file.read_bytes() == email.as_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert receipt.outcome == "delivered"
    assert receipt.accepted == email.envelope.recipients
    assert str(file) in receipt.detail


def test_blind_copies_stay_out_of_the_file(tmp_path: Path) -> None:
    """Nothing in the folder names a Bcc recipient unless the envelope is asked for."""
    send(make_email(), tmp_path)
    assert all(b"hidden@" not in file.read_bytes() for file in tmp_path.iterdir())


def test_the_envelope_is_kept_on_request(tmp_path: Path) -> None:
    """``keep_envelope`` leaves sender and all recipients beside the mail."""
    send(make_email(), tmp_path, keep_envelope=True)
    (mail,) = tmp_path.glob("*.eml")
    kept = json.loads(mail.with_suffix(".json").read_text())
    assert kept == {
        "sender": "alerts@example.com",
        "recipients": ["oncall@example.com", "hidden@example.com"],
    }
    assert b"hidden@" not in mail.read_bytes()


def test_a_maildir_is_read_by_the_standard_library(tmp_path: Path) -> None:
    """The message is new, has local line ends, and leaves nothing in tmp."""
    folder = tmp_path / "box"
    sent = make_email(
        text="grün\n", attachments=[Attachment(filename="a.bin", content=b"\r\n")]
    )
    send(sent, folder, format="maildir")
    (message,) = mailbox.Maildir(folder, create=False)
    assert message["Message-ID"] == sent.message_id
    (file,) = (folder / "new").iterdir()
    assert b"\r" not in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    parsed = stdlib_email.message_from_bytes(file.read_bytes(), policy=policy.default)
    body = parsed.get_body(("plain",))
    assert body is not None
    assert body.get_content() == "grün\n"
    (attached,) = parsed.iter_attachments()
    assert attached.get_content() == b"\r\n"
    assert not list((folder / "tmp").iterdir())
    assert (folder / "cur").is_dir()


def test_a_maildir_keeps_no_envelope(tmp_path: Path) -> None:
    """Asking for both is refused before anything is sent."""
    with pytest.raises(OptionsError, match="cannot store the envelope"):
        Mailer("file", options={"folder": tmp_path, "format": "maildir", "keep_envelope": True})


@pytest.mark.parametrize("kind", ["eml", "maildir"])
def test_mails_never_overwrite_each_other(tmp_path: Path, kind: str) -> None:
    """The same mail, sent by several threads at once, stands there once for each."""
    email = make_email()
    with Mailer("file", options={"folder": tmp_path, "format": kind}) as mailer:
        threads = [threading.Thread(target=mailer.send, args=(email,)) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 16
    assert len({file.read_bytes() for file in files}) == 1


@pytest.mark.parametrize("kind", ["eml", "maildir"])
def test_a_link_in_place_of_the_folder_is_not_followed(tmp_path: Path, kind: str) -> None:
    """Nothing is written where a symbolic link leads; the receipt says why."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "link").symlink_to(outside)
    receipt = send(make_email(), tmp_path / "link", format=kind)
    assert receipt.outcome == "refused"
    assert receipt.code == "folder-unsafe"
    assert receipt.remedy
    assert not list(outside.iterdir())


@pytest.mark.parametrize("name", ["new", "tmp"])
def test_a_link_inside_a_maildir_is_not_followed(tmp_path: Path, name: str) -> None:
    """A subfolder that leads elsewhere is refused, and nothing is written there."""
    outside, folder = tmp_path / "outside", tmp_path / "box"
    outside.mkdir()
    folder.mkdir()
    (folder / name).symlink_to(outside)
    receipt = send(make_email(), folder, format="maildir")
    assert receipt.code == "folder-unsafe"
    assert not list(outside.iterdir())


def test_a_hostile_subject_names_no_other_place(tmp_path: Path) -> None:
    """Separators and dots in the subject do not lead out of the folder."""
    for subject in ("../../etc/passwd", "/abs", "..", "a\x00b", "\u202egnp.exe", "x" * 500):
        receipt = send(make_email(subject=subject), tmp_path / "out")
        assert receipt.outcome == "delivered"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert len(list((tmp_path / "out").iterdir())) == 6


def run_with_little_room(folder: Path, *, limit: int, options: str = "") -> str:
    """Send a mail of 1 MB where no file may be larger than ``limit`` bytes."""
    program = (
        "import resource, sys\n"
        "from zenmail import Attachment, Email, Mailer, Retry\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "email = Email(sender='a@example.com', to='b@example.com', subject='s', text='t',\n"
        "    attachments=[Attachment(filename='big', content=bytes(1_000_000))])\n"
        f"options = dict(folder=sys.argv[1]{options})\n"
        "mailer = Mailer('file', options=options, retry=Retry(max_attempts=1))\n"
        "receipt = mailer.send(email)\n"
        "print(receipt.outcome, receipt.code, bool(receipt.remedy))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        # So that no bytecode file meets the limit.
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return done.stdout.strip()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit to set")
@pytest.mark.parametrize("options", ["", ", format='maildir'", ", keep_envelope=True"])
def test_a_full_disk_leaves_no_torn_file(tmp_path: Path, options: str) -> None:
    """When the bytes do not fit, nothing is left behind and the mail is deferred."""
    answer = run_with_little_room(tmp_path, limit=600_000, options=options)
    assert answer == "deferred folder-full True"
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    """The receipt names the path and says what to do."""
    (tmp_path / "taken").write_text("x")
    receipt = send(make_email(), tmp_path / "taken")
    assert receipt.outcome == "refused"
    assert str(tmp_path / "taken") in receipt.detail
    assert receipt.remedy


@pytest.mark.parametrize(
    "options", [{}, {"folder": ""}, {"folder": "a\0b"}, {"folder": "x", "format": "mbox"}]
)
def test_unusable_options_are_refused(options: dict[str, Any]) -> None:
    """A missing folder or an unknown format is refused when the mailer is made."""
    with pytest.raises(OptionsError):
        Mailer("file", options=options)


def test_verify_writes_nothing_that_stays(tmp_path: Path) -> None:
    """The check says whether the folder takes mails, and leaves it empty."""
    with Mailer("file", options={"folder": tmp_path / "out"}) as mailer:
        (check,) = mailer.verify()["file"]
    assert check.status == "passed"
    assert not list((tmp_path / "out").iterdir())
    (tmp_path / "link").symlink_to(tmp_path)
    with Mailer("file", options={"folder": tmp_path / "link"}) as mailer:
        (check,) = mailer.verify()["file"]
    assert check.status == "failed"
    assert check.remedy
