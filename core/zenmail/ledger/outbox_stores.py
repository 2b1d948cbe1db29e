"""Where an outbox keeps its files: a local folder, or any place that fsspec reaches."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import stat
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import ConfigurationError
from ..runtime.forks import reset_after_fork
from ..runtime.timeouts import CallTimedOut, call_with_timeout
from .process import alive, this_process

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["LEASE", "LocalStore", "RemoteStore", "Store", "UnreadableError"]

# How long the claim of another machine's process is respected, in seconds.
LEASE = 3600.0
# How long one call to a remote store may take, in seconds.
_REMOTE_PATIENCE = 10.0
# Bytes of a file that is still taken for a mail; what is larger would fill the memory.
_LARGEST = 256 * 1024 * 1024


class UnreadableError(Exception):
    """A file that is not a mail."""


_UNREADABLE = {
    errno.ELOOP: "it is a symbolic link",
    errno.ENXIO: "it is no file",
    errno.EACCES: "it may not be read",
}


class Store(Protocol):
    """Files in a folder, by their path inside it. Every method may raise `OSError`."""

    def names(self, folder: str) -> list[str]:
        """Return the names of the files; none when there is no such folder."""
        ...

    def read(self, path: str) -> bytes:
        """Return the content; raise `UnreadableError` for what is no plain file of ours."""
        ...

    def write(self, path: str, data: bytes, *, durable: bool) -> None:
        """Put the file there whole, in place of the one that may be there."""
        ...

    def move(self, source: str, target: str, *, durable: bool = False) -> bool:
        """Rename; return False when the file has gone, as when somebody else took it."""
        ...

    def remove(self, path: str) -> None:
        """Delete, if it is there."""
        ...

    def changed(self, path: str) -> float | None:
        """Return when the file was last written or moved, in seconds of ``time.time()``."""
        ...


class LocalStore:
    """A folder that this machine's file system holds."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in a folder."""
        try:
            with os.scandir(self._root / folder) as found:
                return [item.name for item in found if not item.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            return []

    def read(self, path: str) -> bytes:
        """Return the content of a file."""
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            number = os.open(self._root / path, flags | getattr(os, "O_CLOEXEC", 0))
        except OSError as error:
            # Foreign files must not keep the mails behind them from being sent.
            if error.errno in _UNREADABLE:
                raise UnreadableError(_UNREADABLE[error.errno]) from None
            raise
        with open(number, "rb") as stream:
            found = os.fstat(number)
            if not stat.S_ISREG(found.st_mode):
                raise UnreadableError("it is no file")
            if found.st_size > _LARGEST:
                raise UnreadableError(f"it has {found.st_size:,} bytes")
            # Whoever can write into the folder could have us send and read anything.
            if hasattr(os, "geteuid") and found.st_uid not in (
                os.geteuid(),
                0,
                self._root.stat().st_uid,
            ):
                raise UnreadableError(f"it belongs to the user {found.st_uid}")
            return stream.read()

    def write(self, path: str, data: bytes, *, durable: bool) -> None:
        """Put a file there whole."""
        target = self._root / path
        temporary = (
            self._root / "tmp" / f"{this_process()}~{target.stem.rpartition('~')[2]}.json"
        )
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
        flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        try:
            number = os.open(temporary, flags, 0o600)
        except FileNotFoundError:
            self._make(temporary.parent)
            number = os.open(temporary, flags, 0o600)
        try:
            with open(number, "wb") as stream:
                stream.write(data)
                stream.flush()
                if durable:
                    os.fsync(number)
            self._rename(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        if durable:
            self._sync(target.parent)

    def move(self, source: str, target: str, *, durable: bool = False) -> bool:
        """Rename a file; return whether it was there."""
        try:
            self._rename(self._root / source, self._root / target)
        except FileNotFoundError:
            return False
        if durable:
            self._sync((self._root / target).parent)
        return True

    def _rename(self, source: Path, target: Path) -> None:
        try:
            os.replace(source, target)
        except FileNotFoundError:
            self._make(target.parent)
            os.replace(source, target)

    def _make(self, folder: Path) -> None:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)

    def _sync(self, folder: Path) -> None:
        if os.name == "nt":
            return
        number = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(number)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                raise
        finally:
            os.close(number)

    def remove(self, path: str) -> None:
        """Delete a file, if it is there."""
        (self._root / path).unlink(missing_ok=True)

    def changed(self, path: str) -> float | None:
        """Return when a file was last written or moved."""
        try:
            return (self._root / path).lstat().st_ctime
        except FileNotFoundError:
            return None


class RemoteStore:
    """A folder that fsspec reaches.

    Few of its stores can rename, and not all can create exclusively: whoever moves a file
    holds a lock object while it copies and deletes.
    """

    def __init__(self, url: str, storage_options: Mapping[str, Any]) -> None:
        self._url = url
        self._options = dict(storage_options)
        reset_after_fork(self)
        scheme = url.partition("://")[0]
        try:
            from fsspec import get_filesystem_class
        except ImportError:
            raise ConfigurationError(
                f"An outbox at {scheme}:// needs fsspec.", remedy="pip install fsspec"
            ) from None
        try:
            get_filesystem_class(scheme)
        except (ValueError, ImportError) as error:
            raise ConfigurationError(
                f"fsspec cannot open an outbox at {scheme}://: {error}",
                remedy="Install the package it names, or choose a local folder.",
            ) from None

    def reset(self) -> None:
        """Open the folder anew: fsspec's connections and threads do not survive a fork."""
        self._opened: tuple[AbstractFileSystem, str] | None = None

    def _run(self, work: Any) -> Any:
        """Do the work in a thread that is left alone when it takes too long."""

        def guarded() -> Any:
            if self._opened is None:
                from fsspec.core import url_to_fs

                system, root = url_to_fs(self._url, **self._options)
                self._opened = (system, root.rstrip("/"))
            try:
                return work(*self._opened)
            except (OSError, UnreadableError):
                raise
            except Exception as error:
                raise OSError(f"{type(error).__name__}: {error}") from error

        try:
            return call_with_timeout(guarded, _REMOTE_PATIENCE)
        except CallTimedOut:
            raise TimeoutError(
                f"The outbox did not answer within {_REMOTE_PATIENCE:g} s."
            ) from None

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in a folder."""

        def work(system: AbstractFileSystem, root: str) -> list[str]:
            place = f"{root}/{folder}".rstrip("/")
            system.invalidate_cache(place)
            try:
                found = system.ls(place, detail=True)
            except FileNotFoundError:
                return []
            return [
                str(item["name"]).rstrip("/").rpartition("/")[2]
                for item in found
                if item["type"] == "file"
            ]

        names: list[str] = self._run(work)
        return names

    def read(self, path: str) -> bytes:
        """Return the content of a file."""
        data: bytes = self._run(lambda system, root: system.cat_file(f"{root}/{path}"))
        return data

    def write(self, path: str, data: bytes, *, durable: bool) -> None:
        """Put a file there whole."""

        def work(system: AbstractFileSystem, root: str) -> None:
            target = f"{root}/{path}"
            if _puts_objects(system):
                system.pipe_file(target, data)
                return
            file = path.rpartition("/")[2].rpartition("~")[2]
            temporary = "/".join((root, "tmp", f"{this_process()}~{file}"))
            for place in (temporary, target):
                system.makedirs(place.rpartition("/")[0], exist_ok=True)
            system.pipe_file(temporary, data)
            system.mv(temporary, target)

        self._run(work)

    def move(self, source: str, target: str, *, durable: bool = False) -> bool:
        """Rename a file; return whether it was there."""

        def work(system: AbstractFileSystem, root: str) -> bool:
            lock = f"{root}/locks/{source.replace('/', '.')}"
            if not _lock(system, lock):
                return False
            try:
                system.invalidate_cache()
                if not system.exists(f"{root}/{source}"):
                    return False
                system.makedirs(f"{root}/{target}".rpartition("/")[0], exist_ok=True)
                system.mv(f"{root}/{source}", f"{root}/{target}")
                return True
            finally:
                with contextlib.suppress(FileNotFoundError):
                    system.rm_file(lock)

        moved: bool = self._run(work)
        return moved

    def remove(self, path: str) -> None:
        """Delete a file, if it is there."""

        def work(system: AbstractFileSystem, root: str) -> None:
            with contextlib.suppress(FileNotFoundError):
                system.rm_file(f"{root}/{path}")

        self._run(work)

    def changed(self, path: str) -> float | None:
        """Return when a file was last written or moved."""

        def work(system: AbstractFileSystem, root: str) -> float | None:
            try:
                modified: datetime = system.modified(f"{root}/{path}")
            except (FileNotFoundError, NotImplementedError):
                return None
            return modified.timestamp()

        changed: float | None = self._run(work)
        return changed


def _puts_objects(system: AbstractFileSystem) -> bool:
    """Whether a file appears there whole or not at all."""
    protocols = {system.protocol} if isinstance(system.protocol, str) else set(system.protocol)
    return bool(protocols & {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss"})


def _lock(system: AbstractFileSystem, path: str) -> bool:
    """Create an object that says who we are; return False when another one has."""
    mark = json.dumps(
        {"owner": this_process(), "mark": secrets.token_hex(8), "at": time.time()}
    )
    system.invalidate_cache(path.rpartition("/")[0])
    if system.exists(path):
        try:
            holder = json.loads(system.cat_file(path))
            living = alive(str(holder["owner"]))
            stale = not living if living is not None else time.time() - holder["at"] > LEASE
        except FileNotFoundError:
            return False
        except (ValueError, KeyError, TypeError):
            stale = True
        if not stale:
            return False
        with contextlib.suppress(FileNotFoundError):
            system.rm_file(path)
    system.makedirs(path.rpartition("/")[0], exist_ok=True)
    try:
        system.pipe_file(path, mark.encode("ascii"), mode="create")
    except FileExistsError:
        return False
    except (TypeError, ValueError, NotImplementedError):
        # A store without exclusive creation: the last one to write is the one who reads
        # its own mark.
        system.pipe_file(path, mark.encode("ascii"))
        time.sleep(0.2)
    try:
        return bool(system.cat_file(path) == mark.encode("ascii"))
    except FileNotFoundError:
        return False
