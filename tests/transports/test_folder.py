"""A folder that mails are written into, whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from zenmail import PermanentFailure
from zenmail_transports.folder import Folder


def test_a_mail_that_breaks_off_does_not_appear(tmp_path: Path) -> None:
    """When the bytes stop coming, nothing is left behind and the error passes through."""

    def broken() -> Iterator[bytes]:
        yield bytes(100_000)
        raise EOFError

    with Folder.open(tmp_path / "out") as folder:
        with pytest.raises(EOFError):
            folder.add("mail.eml", broken())
        assert not list((tmp_path / "out").iterdir())


def test_a_name_that_is_taken_is_left_alone(tmp_path: Path) -> None:
    """A file of the same name keeps its content."""
    (tmp_path / "mail.eml").write_text("first")
    with Folder.open(tmp_path) as folder, pytest.raises(PermanentFailure):
        folder.add("mail.eml", [b"second"])
    assert [path.name for path in tmp_path.iterdir()] == ["mail.eml"]
    assert (tmp_path / "mail.eml").read_text() == "first"


def test_a_folder_that_is_swapped_for_a_link_leads_nowhere(tmp_path: Path) -> None:
    """What was opened stays what is written to."""
    with Folder.open(tmp_path / "out") as folder:
        (tmp_path / "out").rename(tmp_path / "moved")
        (tmp_path / "outside").mkdir()
        (tmp_path / "out").symlink_to(tmp_path / "outside")
        folder.add("mail.eml", [b"x"])
    assert not list((tmp_path / "outside").iterdir())
    assert (tmp_path / "moved" / "mail.eml").exists()
