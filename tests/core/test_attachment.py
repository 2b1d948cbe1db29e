"""Files, from memory and from the disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from zenmail import (
    Attachment,
    ConfigurationError,
    Email,
)

SECRET = "canary-password-7f3a"


def _email(**values: Any) -> Email:
    return Email(**{"sender": "a@b.example", "to": ["c@d.example"], **values})


class TestAttachment:
    """Files, from memory and from the disk."""

    def test_the_forms_it_is_given_in(self, tmp_path: Path) -> None:
        """A path, a pair, a triple, a mapping."""
        path = tmp_path / "plot.png"
        path.write_bytes(b"x")
        email = _email(
            attachments=[path, str(path), ("a.csv", "ü"), ("b", b"y", "text/plain"),
                         {"content": bytearray(b"z")}]
        )  # fmt: skip
        assert [
            (item.filename, item.content_type, item.read()) for item in email.attachments
        ] == [
            ("plot.png", "image/png", b"x"),
            ("plot.png", "image/png", b"x"),
            ("a.csv", "text/csv", "ü".encode()),
            ("b", "text/plain", b"y"),
            ("attachment", "application/octet-stream", b"z"),
        ]

    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\x\\report.pdf", "report.pdf"),
            (".env", ".env"),
            ("..", "attachment"),
            ("a\r\nb.txt", "a b.txt"),
            ("gpj\u202eexe.txt", "gpjexe.txt"),
            ("x" * 300 + ".parquet", "x" * 192 + ".parquet"),
        ],
    )
    def test_names_are_names(self, name: str, shown: str) -> None:
        """No folders, no controls, no disguise, not too long, and the suffix is kept."""
        assert Attachment(filename=name, content=b"").filename == shown

    def test_what_is_no_file_is_refused(self, tmp_path: Path) -> None:
        """Folders and pipes cannot be attached, and asking does not hang."""
        with pytest.raises(ConfigurationError, match="not a regular file"):
            Attachment(path=tmp_path)
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        with pytest.raises(ConfigurationError, match="not a regular file"):
            Attachment(path=pipe)
        with pytest.raises(ConfigurationError, match=r"no such file|null"):
            Attachment(path="a\0b")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
    def test_what_cannot_be_read_is_refused(self, tmp_path: Path) -> None:
        """The error says so when the mail is made, not when it is sent."""
        path = tmp_path / "secret"
        path.write_bytes(b"x")
        path.chmod(0)
        with pytest.raises(ConfigurationError, match="Permission denied"):
            Attachment(path=path)

    def test_a_relative_path_is_of_the_folder_it_was_given_in(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A mail sent in the background does not depend on the folder of then."""
        (tmp_path / "a.txt").write_bytes(b"x")
        monkeypatch.chdir(tmp_path)
        attachment = Attachment(path="a.txt")
        monkeypatch.chdir("/")
        assert attachment.read() == b"x"

    def test_json_holds_the_content_of_a_file(self, tmp_path: Path) -> None:
        """What is stored does not depend on a file that may be gone."""
        path = tmp_path / "a.bin"
        path.write_bytes(b"\0\xff\n")
        stored = _email(attachments=[path]).model_dump_json()
        gone = _email(attachments=[path])
        path.unlink()
        (attachment,) = Email.model_validate_json(stored).attachments
        assert (attachment.path, attachment.content) == (None, b"\0\xff\n")
        (note,) = Email.model_validate_json(gone.model_dump_json()).attachments
        assert note.filename == "a.bin.txt"
        assert b"No such file" in note.read()

    def test_the_content_is_not_in_the_repr(self) -> None:
        """Megabytes and secrets stay out of logs."""
        assert SECRET not in repr(_email(attachments=[("a", SECRET.encode())]))
