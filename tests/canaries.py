"""Search what the tests wrote for the secrets that they used.

    python tests/canaries.py FOLDER [-- what pytest was given...]

The secrets are those of ``canaries.json``. They are looked for as they are and in whatever
could carry them unnoticed: base64, as in a login or a mail's body, URL-encoded, escaped,
UTF-16, folded lines, and inside of gzip, zip and SQLite. The exit status is 1 when one is
found, when a file cannot be searched, and when too little was written to mean anything.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import fnmatch
import gzip
import html
import io
import json
import os
import quopri
import re
import sqlite3
import sys
import urllib.parse
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default
from hashlib import blake2b
from pathlib import Path

LIST = Path(__file__).with_name("canaries.json")
# The suite writes these on purpose, each in its own way: they prove that what is written
# in that way is searched.
PLANTED = "planted"
# The whole suite writes 1,100 files and 400 MB.
LEAST_FILES, LEAST_BYTES = 500, 100_000_000
LARGEST = 1 << 28
DEEPEST = 3


@dataclass(frozen=True)
class Allowed:
    """What may hold a secret.

    Attributes:
        pattern: Paths below the folder that is searched.
        reason: Why.
        tables: For a SQLite file, the only tables that may; the others are searched.
    """

    pattern: str
    reason: str
    tables: tuple[str, ...] = ()


ALLOWED = (
    Allowed(
        "*/zenml.db",
        "ZenML's secret store, and an alerter that was given its password in clear",
        tables=("secret", "stack_component"),
    ),
    Allowed("*/test_webhook.py", "source of the third-party project's tests"),
    Allowed("*/test_password_from_a_file*/secret", "the file that the password is read from"),
)


@dataclass(frozen=True)
class Hit:
    """A canary that was found.

    Attributes:
        place: The file, and where in it.
        name: The canary's name.
        form: How it was written.
    """

    place: str
    name: str
    form: str


def forms(value: str) -> dict[str, bytes]:
    """Return what a text looks like, raw and encoded, without what depends on neighbours."""
    raw = value.encode()
    found = {
        "raw": raw,
        "UTF-16, little endian": value.encode("utf-16-le"),
        "UTF-16, big endian": value.encode("utf-16-be"),
        "Latin-1": value.encode("latin-1", "ignore"),
        "URL": urllib.parse.quote(value, safe="").encode(),
        "URL, lower case": re.sub(
            "%[0-9A-F]{2}", lambda it: it[0].lower(), urllib.parse.quote(value, safe="")
        ).encode(),
        "URL, a path's": urllib.parse.quote(value).encode(),
        "URL, a form's": urllib.parse.quote_plus(value).encode(),
        "JSON": json.dumps(value)[1:-1].encode(),
        "JSON in JSON": json.dumps(json.dumps(value)[1:-1])[1:-1].encode(),
        "repr of bytes": repr(raw)[2:-1].encode(),
        "HTML": html.escape(value).encode(),
        "XML": html.escape(value, quote=False).encode(),
        "XML, an attribute's": html.escape(value, quote=False).replace('"', "&quot;").encode(),
        "hexadecimal": raw.hex().encode(),
        "hexadecimal, upper case": raw.hex().upper().encode(),
        "quoted-printable": quopri.encodestring(raw).replace(b"=\n", b""),
        "encoded word": quopri.encodestring(raw, header=True).replace(b"=\n", b""),
    }
    for alignment in range(3):
        # A letter belongs to the text alone when all of its six bits do.
        encoded = base64.b64encode(b"\0" * alignment + raw)
        start, end = -(-8 * alignment // 6), 8 * (alignment + len(raw)) // 6
        found[f"base64, alignment {alignment}"] = encoded[start:end]
        found[f"base64 for URLs, alignment {alignment}"] = encoded[start:end].translate(
            bytes.maketrans(b"+/", b"-_")
        )
    unique: dict[bytes, str] = {}
    for form, data in found.items():
        if len(data) >= min(8, len(raw)):
            unique.setdefault(data, form)
    return {form: data for data, form in unique.items()}


class Search:
    """A search for canaries, and what came of it.

    Attributes:
        files: How many were searched.
        bytes: How much that was.
        hits: What was found, each canary once in a place.
        planted: Which of the planted ones were found.
        unreadable: What could not be searched, and why.
        spared: How many files each reason of the allow-list kept out.
    """

    def __init__(self, canaries: Mapping[str, str]) -> None:
        self._needles = [
            (name, form, data)
            for name, value in canaries.items()
            for form, data in forms(value).items()
        ]
        self._clean: set[bytes] = set()
        self.files = 0
        self.bytes = 0
        self.hits: dict[tuple[str, str], Hit] = {}
        self.planted: set[str] = set()
        self.unreadable: list[str] = []
        self.spared: dict[str, int] = {}

    def folder(self, folder: Path) -> None:
        """Search every file below a folder, with all processors."""
        paths = [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]
        paths = [path for path in paths if path.is_file() and not path.is_symlink()]
        with ProcessPoolExecutor() as pool:
            count = os.cpu_count() or 1
            parts = [pool.submit(self._files, paths[at::count], folder) for at in range(count)]
            for part in parts:
                self._add(part.result())

    def _files(self, paths: Sequence[Path], folder: Path) -> Search:
        for path in paths:
            self.file(path, path.relative_to(folder).as_posix())
        return self

    def _add(self, other: Search) -> None:
        self.files += other.files
        self.bytes += other.bytes
        self.hits.update(other.hits)
        self.planted |= other.planted
        self.unreadable += other.unreadable
        for reason, count in other.spared.items():
            self.spared[reason] = self.spared.get(reason, 0) + count

    def file(self, path: Path, place: str) -> None:
        """Search a file, unless the list says that it may hold secrets."""
        try:
            data = _content(path)
            allowed = next(
                (it for it in ALLOWED if fnmatch.fnmatch(f"/{place}", it.pattern)), None
            )
            if allowed is not None:
                self.spared[allowed.reason] = self.spared.get(allowed.reason, 0) + 1
                data = _rows(path, allowed.tables) if allowed.tables else b""
        except (OSError, sqlite3.Error) as error:
            self.unreadable.append(f"{place}: {error}")
            return
        self.files += 1
        self.bytes += len(data)
        self._data(data, place)

    def _data(self, data: bytes, place: str, depth: int = 0) -> None:
        # Tests attach the same files again and again.
        digest = blake2b(data).digest()
        if digest in self._clean:
            return
        before = len(self.hits), len(self.planted)
        for view in _views(data):
            for name, form, needle in self._needles:
                at = view.find(needle)
                while at >= 0:
                    self._found(view, at, place, name, form)
                    # One of each test's in pytest's report, one of any other file.
                    at = view.find(needle, self._next(view, at))
        if depth < DEEPEST:
            for member, content in _members(data):
                self._data(content, f"{place}!{member}", depth + 1)
        if before == (len(self.hits), len(self.planted)):
            self._clean.add(digest)

    @staticmethod
    def _next(view: bytes, at: int) -> int:
        further = view.find(b"<testcase ", at)
        return further if further >= 0 else len(view)

    def _found(self, view: bytes, at: int, place: str, name: str, form: str) -> None:
        if name.startswith(PLANTED):
            self.planted.add(name)
            return
        test = view.rfind(b"<testcase ", 0, at)
        case = re.match(rb'<testcase classname="([^"]*)" name="([^"]*)"', view[max(test, 0) :])
        where = f"{place}, {b'::'.join(case.groups()).decode()}" if case else place
        self.hits.setdefault((where, name), Hit(where, name, form))


def _content(path: Path) -> bytes:
    """Return what was written to a file, which need not be all of a sparse one."""
    size = path.stat().st_size
    if size <= LARGEST:
        return path.read_bytes()
    content, at = b"", 0
    with path.open("rb") as file, contextlib.suppress(OSError):
        while at < size and len(content) <= LARGEST:
            # It raises OSError where nothing more was written.
            start = os.lseek(file.fileno(), at, os.SEEK_DATA)
            at = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            content += os.pread(file.fileno(), min(at - start, LARGEST + 1), start)
    if len(content) > LARGEST:
        raise OSError("it is too large")
    return content


def _views(data: bytes) -> Iterator[bytes]:
    """Yield data as it is, and with the lines joined that mail and base64 are broken into."""
    yield data
    # Also those of a text that stands in JSON or in a repr.
    lines = data.replace(b"\\r\\n", b"\n").replace(b"\\n", b"\n").replace(b"\r\n", b"\n")
    joined = lines.replace(b"=\n", b"").replace(b"\n", b"")
    if joined != data:
        yield joined
    # Folded headers go on after white space.
    if b"\n " in lines or b"\n\t" in lines:
        yield re.sub(rb"\n[ \t]+", b"", lines)


def _members(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what is compressed or encoded in data, when it is an archive or a mail."""
    try:
        if data.startswith(b"\x1f\x8b"):
            yield "gzip", gzip.decompress(data)
        elif data.startswith(b"PK\3\4"):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for item in archive.infolist():
                    if not item.is_dir() and item.file_size <= LARGEST:
                        yield item.filename, archive.read(item)
        elif re.search(rb"(?mi)^MIME-Version:", data[:10_000]):
            mail = message_from_bytes(data, policy=default)
            for part in mail.walk():
                yield "headers", "\n".join(map(str, part.values())).encode()
                if not part.is_multipart():
                    payload = part.get_payload(decode=True)
                    yield (
                        part.get_content_type(),
                        payload if isinstance(payload, bytes) else b"",
                    )
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error):
        # No archive, for all that it begins like one; its bytes were searched.
        return


def _rows(path: Path, but: tuple[str, ...]) -> bytes:
    """Return what stands in the tables of a SQLite file, except for some."""
    cells: list[bytes] = []
    database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (name,) in names.fetchall():
            if name not in but:
                for row in database.execute(f'SELECT * FROM "{name}"'):
                    cells += (it if isinstance(it, bytes) else str(it).encode() for it in row)
    finally:
        database.close()
    return b"\0".join(cells)


def main() -> int:
    """Search, and say what was found."""
    parser = argparse.ArgumentParser(description="Search what the tests wrote for canaries.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--list", type=Path, default=LIST, help="the canaries, as JSON")
    parser.add_argument(
        "pytest", nargs="*", help="what pytest was given; with it less than all may be written"
    )
    given = parser.parse_args()
    canaries = json.loads(given.list.read_text(encoding="utf-8"))
    search = Search(canaries)
    search.folder(given.folder)
    for reason, count in search.spared.items():
        print(f"allowed: {reason} ({count} files)")
    for hit in list(search.hits.values())[:100]:
        print(f"{hit.place}: {hit.name} ({hit.form})")
    troubles = [f"cannot be searched: {it}" for it in search.unreadable]
    if not given.pytest:
        if search.files < LEAST_FILES or search.bytes < LEAST_BYTES:
            troubles.append("that is too little to be all that the tests wrote")
        missed = {name for name in canaries if name.startswith(PLANTED)} - search.planted
        troubles += [f"{name} was not found, which the tests write" for name in sorted(missed)]
    print(f"{search.files} files, {search.bytes} bytes, {len(search.hits)} hits")
    for trouble in troubles:
        print(trouble)
    return 1 if search.hits or troubles else 0


if __name__ == "__main__":
    sys.exit(main())
