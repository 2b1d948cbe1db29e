"""A folder that files are added to, safely: own names, nothing overwritten, nothing torn."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path

from zenmail import PermanentFailure, TemporaryFailure

__all__ = ["Folder", "file_name"]

# Windows has neither; its files go by path there.
_DIRECTORY_FLAGS = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_FILE_FLAGS = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_EXCL
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
)
_HAS_DESCRIPTORS = os.open in os.supports_dir_fd
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_HEALS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE,
          errno.EAGAIN, errno.EINTR, errno.ESTALE, errno.ETIMEDOUT}  # fmt: skip


class Folder:
    """An open folder that files are added to.

    Files are addressed through its descriptor: somebody who swaps the folder for a link
    afterwards does not lead them elsewhere. Where the system has no such calls, it is None.
    """

    def __init__(self, path: Path, descriptor: int | None) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def open(cls, path: Path) -> Folder:
        """Open a folder, made with mode 0700 where it is missing; close it with ``with``.

        Args:
            path: The folder; its last part must not be a symbolic link.

        Raises:
            PermanentFailure: It cannot be used.
            TemporaryFailure: The disk is full or does not answer.
        """
        path = Path(os.path.abspath(path))
        with _explained(path):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            return cls(path, cls._descriptor_of(path, None))

    @staticmethod
    def _descriptor_of(path: Path | str, parent: int | None) -> int | None:
        if not _HAS_DESCRIPTORS:
            if stat.S_ISLNK(os.lstat(path).st_mode):
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            return None
        return os.open(path, os.O_RDONLY | _DIRECTORY_FLAGS, dir_fd=parent)

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def subfolder(self, name: str) -> Folder:
        """Open a folder inside this one, made where it is missing; close it with ``with``.

        Raises:
            PermanentFailure: It cannot be used.
            TemporaryFailure: The disk is full or does not answer.
        """
        with _explained(self.path / name):
            with contextlib.suppress(FileExistsError):
                os.mkdir(self._name(name), 0o700, dir_fd=self._descriptor)
            descriptor = self._descriptor_of(self._name(name), self._descriptor)
        return Folder(self.path / name, descriptor)

    def add(self, name: str, chunks: Iterable[bytes], *, into: Folder | None = None) -> Path:
        """Add a file; it appears under its name when all of it is on the disk, or never.

        Args:
            name: Its name, which no file may have yet.
            chunks: Its content.
            into: The folder that it appears in, when it is not the one it is written in.

        Returns:
            Where it is.

        Raises:
            PermanentFailure: The folder cannot be written to, or the name is taken.
            TemporaryFailure: The disk is full or does not answer.
        """
        target = into or self
        temporary = f".{secrets.token_hex(8)}.tmp"
        with _explained(self.path):
            descriptor = os.open(
                self._name(temporary), _FILE_FLAGS, 0o600, dir_fd=self._descriptor
            )
        try:
            with open(descriptor, "wb", buffering=0) as stream:
                for chunk in chunks:
                    rest = memoryview(chunk)
                    with _explained(self.path):
                        while rest:
                            rest = rest[stream.write(rest) or 0 :]
                with _explained(self.path):
                    os.fsync(stream.fileno())
            with _explained(target.path / name):
                self._publish(temporary, name, target)
        finally:
            self.remove(temporary)
        target.sync()
        return target.path / name

    def probe(self) -> None:
        """Write a file and take it away again.

        Raises:
            PermanentFailure: The folder cannot be written to.
            TemporaryFailure: The disk is full or does not answer.
        """
        name = f".{secrets.token_hex(8)}.tmp"
        self.add(name, [b"zenmail"])
        self.remove(name)

    def remove(self, name: str) -> None:
        """Take a file away, as far as that is possible."""
        with contextlib.suppress(OSError):
            os.unlink(self._name(name), dir_fd=self._descriptor)

    def _publish(self, temporary: str, name: str, target: Folder) -> None:
        ends = {"src_dir_fd": self._descriptor, "dst_dir_fd": target._descriptor}
        source, destination = self._name(temporary), target._name(name)
        try:
            # A link fails where a rename would overwrite.
            os.link(source, destination, follow_symlinks=False, **ends)
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            try:
                os.lstat(destination, dir_fd=target._descriptor)
            except FileNotFoundError:
                os.rename(source, destination, **ends)
            else:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None

    def sync(self) -> None:
        """See to it that the names in the folder survive a crash."""
        if self._descriptor is not None:
            # Some network file systems cannot; the file itself is on the disk by now.
            with contextlib.suppress(OSError):
                os.fsync(self._descriptor)

    def _name(self, name: str) -> str:
        return name if self._descriptor is not None else str(self.path / name)


def file_name(moment: datetime, subject: str, suffix: str) -> str:
    """Return a name that tells people what is in the file, and that no other file has."""
    flat = unicodedata.normalize("NFKD", subject).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", flat.lower())[:40].strip("-") or "mail"
    stamp = moment.astimezone(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    return f"{stamp}-{slug}-{secrets.token_hex(8)}{suffix}"


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what the system says of a path into an error of ours."""
    try:
        yield
    except OSError as error:
        raise _failure(error, path) from error


def _failure(error: OSError, path: Path) -> PermanentFailure | TemporaryFailure:
    reason = (error.strerror or str(error)).lower()
    if error.errno in _HEALS:
        return TemporaryFailure(
            f"{path} cannot be written: {reason}.",
            code="folder-full",
            remedy="Free some space there, or choose another folder.",
        )
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return PermanentFailure(
            f"{path} is a link or not a folder.",
            code="folder-unsafe",
            remedy="Choose a real folder; links are not followed.",
        )
    return PermanentFailure(
        f"{path} cannot be written: {reason}.",
        code="folder-unusable",
        remedy="Choose a folder that this user may write to.",
    )
