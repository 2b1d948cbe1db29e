"""The search for secrets in what the tests wrote finds them, and knows all of them."""

from __future__ import annotations

import ast
import base64
import gzip
import json
import logging
import quopri
import re
import sqlite3
import subprocess
import sys
import urllib.parse
import zipfile
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest

pytestmark = pytest.mark.once

HERE = Path(__file__).parent
# Not in the list: whoever looks for that must find none of these.
SECRET = "pa/ss wörd+<&>\"'?~7c3e"


def _eml(encoding: str) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["Subject"] = f"{'long ' * 12}{SECRET}"
    message.set_content(f"{'x' * 50}{SECRET}{'y' * 50}", cte=encoding)
    return message.as_bytes()


def _login(before: str) -> bytes:
    return base64.b64encode(f"{before}{SECRET}\1\1".encode())


PLACES: dict[str, Callable[[Path], object]] = {
    "raw": lambda path: path.write_bytes(b"a" * 70_000 + SECRET.encode()),
    "sparse": lambda path: _sparse(path, SECRET.encode()),
    "utf-16-le": lambda path: path.write_bytes(SECRET.encode("utf-16")),
    "utf-16-be": lambda path: path.write_bytes(SECRET.encode("utf-16-be")),
    "latin-1": lambda path: path.write_bytes(SECRET.encode("latin-1")),
    "plain login": lambda path: path.write_bytes(_login("\0u\0")),
    "plain login, 1 on": lambda path: path.write_bytes(_login("\0us\0")),
    "plain login, 2 on": lambda path: path.write_bytes(_login("\0use\0")),
    "login": lambda path: path.write_bytes(_login("")),
    "xoauth2": lambda path: path.write_bytes(_login("user=a@b\1auth=Bearer ")),
    "base64 for URLs": lambda path: path.write_bytes(base64.urlsafe_b64encode(SECRET.encode())),
    "URL": lambda path: path.write_text(urllib.parse.quote(SECRET, safe="")),
    "path": lambda path: path.write_text(urllib.parse.quote(SECRET)),
    "form": lambda path: path.write_text(urllib.parse.urlencode({"p": SECRET})),
    "JSON": lambda path: path.write_text(json.dumps([SECRET])),
    "JSON in JSON": lambda path: path.write_text(json.dumps(json.dumps(SECRET))),
    "repr": lambda path: path.write_text(repr(SECRET.encode())),
    "XML": lambda path: path.write_text(f"<a b={quoteattr(SECRET)}/>"),
    "hexadecimal": lambda path: path.write_text(SECRET.encode().hex(" ").replace(" ", "")),
    "header": lambda path: path.write_bytes(quopri.encodestring(SECRET.encode(), header=True)),
    "mail in base64": lambda path: path.write_bytes(_eml("base64")),
    "mail in quoted-printable": lambda path: path.write_bytes(_eml("quoted-printable")),
    "gzip": lambda path: path.write_bytes(gzip.compress(SECRET.encode())),
    "zip": lambda path: _zip(path, SECRET.encode()),
    "gzip in zip": lambda path: _zip(path, gzip.compress(SECRET.encode())),
    "SQLite": lambda path: _database(path, "secret"),
    "step run in zenml.db": lambda path: _database(path.with_name("zenml.db"), "step_run"),
}


def _sparse(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.seek(1 << 33)
        file.write(content)
        file.truncate(1 << 34)


def _zip(path: Path, content: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("member", content)


def _database(path: Path, table: str) -> None:
    database = sqlite3.connect(path)
    database.execute(f"CREATE TABLE {table} (value TEXT)")
    database.execute(f"INSERT INTO {table} VALUES (?)", (f"a {SECRET} b",))
    database.commit()
    database.close()


def _search(folder: Path, option: str, *selected: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(HERE / "canaries.py"), option, str(folder), "--", *selected],
        capture_output=True,
        text=True,
        check=False,
    )


def _found(done: subprocess.CompletedProcess[str]) -> set[str]:
    return {line.partition("/")[0] for line in done.stdout.splitlines() if ": mine (" in line}


@pytest.fixture
def mine(tmp_path: Path) -> str:
    """The option that makes the search look for this module's secret."""
    path = tmp_path / "list.json"
    path.write_text(json.dumps({"mine": SECRET}))
    return f"--list={path}"


def test_the_secret_is_found_wherever_it_is_written(tmp_path: Path, mine: str) -> None:
    """However a secret is encoded, packed or broken into lines, it is found and named."""
    folder = tmp_path / "written"
    for name, write in PLACES.items():
        (folder / name).mkdir(parents=True)
        write(folder / name / "file")
    done = _search(folder, mine)
    assert done.returncode == 1
    assert _found(done) == set(PLACES)
    assert SECRET not in done.stdout


def test_what_is_allowed_is_allowed_there_alone(tmp_path: Path, mine: str) -> None:
    """ZenML's secret store may hold secrets, in the table that is for them."""
    folder = tmp_path / "written"
    folder.mkdir()
    _database(folder / "zenml.db", "secret")
    done = _search(folder, mine, "-k", "outbox")
    assert done.returncode == 0, done.stdout
    assert "allowed: " in done.stdout
    _database(folder / "other.db", "secret")
    assert _search(folder, mine, "-k", "outbox").returncode == 1


def test_a_search_through_next_to_nothing_fails(tmp_path: Path, mine: str) -> None:
    """Without a selection of tests, so few files mean that the search looked elsewhere."""
    (tmp_path / "written").mkdir()
    done = _search(tmp_path / "written", mine)
    assert done.returncode == 1
    assert "too little" in done.stdout


def test_every_canary_is_in_the_list(canaries: dict[str, str]) -> None:
    """No test has a canary that the search does not look for."""
    unknown = []
    own = [path for path in HERE.rglob("*.py") if "node_modules" not in path.parts]
    for path in own:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                rest = node.value
                for value in sorted(canaries.values(), key=len, reverse=True):
                    rest = rest.replace(value, "")
                if re.search(r"canary[-/]\w\S{8}|AKIACANARY\d", rest):
                    unknown.append(f"{path.name}:{node.lineno}: {rest}")
    assert not unknown


def test_what_is_planted_gets_written(
    canaries: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Log, output, a subprocess's output and files of tests are what is searched."""
    logging.getLogger("zenmail").debug(canaries["planted in the log"])
    print(canaries["planted in the output"])
    assert capsys.readouterr().out
    done = subprocess.run(
        [sys.executable, "-c", f"print({canaries['planted in a subprocess']!r})"],
        capture_output=True,
        check=True,
    )
    assert done.stdout
    (tmp_path / "planted").write_text(canaries["planted in a file"])
