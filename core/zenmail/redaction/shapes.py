"""Secrets that are known by their shape: tokens, passwords in addresses, private keys.

Every search is linear in the text.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

from .looks import is_random
from .own_secrets import MASK

__all__ = [
    "KEY_CLUE",
    "SHAPES",
    "Shape",
    "any_of",
    "clues_in",
    "mixes_letters_and_digits",
    "without_private_keys",
]


class Shape(NamedTuple):
    """A kind of secret.

    Attributes:
        clues: Texts of which one stands wherever the shape does.
        pattern: The shape; its group "secret" is what is taken out.
        holds: Whether a match is one in fact, or None when all are.
        follows: Whether the text before a match, as far as a command may reach, makes it one.
    """

    clues: tuple[str, ...]
    pattern: str
    holds: Callable[[str], bool] | None = None
    follows: Callable[[str], bool] | None = None

    def without(self, text: str) -> tuple[str, int]:
        """Return the text without secrets of this shape, and how many there were."""
        count = 0

        def replace(match: re.Match[str]) -> str:
            nonlocal count
            if self.holds is not None and not self.holds(match["secret"]):
                return match[0]
            start, end = match.start(), match.end()
            if self.follows and not self.follows(match.string[max(0, start - 300) : start]):
                return match[0]
            count += 1
            before = match.string[start : match.start("secret")]
            return before + MASK + match.string[match.end("secret") : end]

        return _compiled(self.pattern).sub(replace, text), count


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # When a text may hold it: most processes never see most of them.
    return re.compile(pattern)


def without_private_keys(text: str) -> tuple[str, int]:
    """Return the text without private keys in PEM, and how many there were."""
    text, count = _KEY_BLOCK.subn(MASK, text)
    # A text that begins inside a block: the marks of its end are all that is left.
    if match := _KEY_END.search(text):
        lines = text[: match.start()].split("\n")
        while lines and _KEY_LINE.match(lines[-1]):
            lines.pop()
        return "\n".join([*lines, MASK + text[match.end() :]]), count + 1
    return text, count


def mixes_letters_and_digits(value: str) -> bool:
    """Whether a value looks random, rather than like a word or a number."""
    return any(map(str.isdigit, value)) and any(map(str.isalpha, value))


def _is_basic(value: str) -> bool:
    """Whether it is base64 of ``user:password`` (RFC 7617)."""
    try:
        return b":" in base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False


def _is_userinfo(value: str) -> bool:
    return len(value) >= 16 and mixes_letters_and_digits(value)


_SHORT_TEXT = 300
# As long as the longest that the shapes with "://" look at. A link and a mail address in
# one alert are no cause yet.
_MAY_HOLD_USERINFO = re.compile(r"://[^\s\"'<>]{0,800}@")


def any_of(needles: Iterable[str], text: str) -> list[str]:
    """Return those needles that are in the text."""
    if len(text) < _SHORT_TEXT:
        return [needle for needle in needles if needle in text]
    # CPython searches for something short backwards in less than half the time it takes
    # forwards; in a short text the call alone costs more than that saves.
    return [needle for needle in needles if text.rfind(needle) >= 0]


def clues_in(text: str) -> set[str]:
    """Return the clues in the text; "://" only where it may hold a secret."""
    found = set(any_of(_CLUES, text))
    for beginning, clues in _BEGINNINGS:
        if beginning.search(text):
            found.update(any_of(clues, text))
    if "://" in text and _MAY_HOLD_USERINFO.search(text):
        found.add("://")
    return found


def _in_curl(before: str) -> bool:
    at = before.rfind("curl")
    return (
        at >= 0
        and not before[max(0, at - 1) : at].isalpha()
        and "\n" not in before[at:].replace("\\\n", "")
        and before[at + 4 : at + 5] in ("", " ", "\t", '"', "'", ",")
    )


def _in_docker_login(before: str) -> bool:
    at = before.rfind("login")
    command = before[max(0, at - 110) : at]
    return (
        at >= 0
        and ("docker" in command or "podman" in command)
        and not re.search(r"[\n;&|]", before[at:])
        and "\n" not in command[max(command.rfind("docker"), command.rfind("podman")) :]
        and command[-1:] in (" ", "'", '"')
    )


def _shape(
    clues: str,
    pattern: str,
    holds: Callable[[str], bool] | None = None,
    follows: Callable[[str], bool] | None = None,
) -> Shape:
    return Shape(tuple(clues.split(" ")), pattern, holds, follows)


_B = r"(?<![A-Za-z0-9_-])"
# What is called with a text as its last argument.
_LAST_QUOTED = (
    r"\((?:[^()\n]|\([^()\n]{0,100}\)){0,300}?,\s{0,20}(?:password[ ]?=[ ]?)?"
    r"[bBfFuUrR]?(?P<mark>[\"'])(?P<secret>(?:\\.|(?!(?P=mark))[^\\\n]){1,512})(?P=mark)"
    r"[ ]?,?\s{0,20}\)"
)
# The lookbehind lets a run of such characters be scanned once only.
SHAPES: tuple[Shape, ...] = (
    _shape(
        "hooks.slack.com/",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[\w/-]{10,})",
    ),
    _shape("/api/webhooks/", r"discord(?:app)?\.com/api/webhooks/(?P<secret>\d+/[\w-]{10,})"),
    _shape(
        "earer EARER",
        r"(?i:(?<![a-z])bearer[ \t]+)(?P<secret>[\w.~+/-]{8,}=*)",
        lambda value: len(value) >= 24 or mixes_letters_and_digits(value),
    ),
    _shape(
        "asic ASIC",
        r"(?i:(?<![a-z])basic[ \t]+)(?P<secret>[A-Za-z0-9+/_-]{6,}={0,2})",
        _is_basic,
    ),
    # Passwords in addresses. In those of databases they hold any character.
    _shape(
        "://",
        r"(?<![A-Za-z0-9])(?i:postgres(?:ql)?|mysql|mariadb|mongodb|rediss?|amqps?|mssql"
        r"|oracle|snowflake|clickhouse|redshift)(?:\+[\w]{1,30})?://[^\s:@/\"'<>]{0,256}:"
        r"(?P<secret>[^\s\"'<>]{1,512})@",
    ),
    _shape(
        "://",
        r"://[^\s:@/?#\"'<>]{0,256}:(?P<secret>[^\s/?#\"'<>]{1,512})@",
        lambda value: value != MASK,
    ),
    _shape("://", r"://(?P<secret>[^\s:@/?#\"'<>]{16,256})@", _is_userinfo),
    # What programs and libraries are given to log in with, in any position.
    _shape(
        "curl",
        r"(?<=[\s\"'])(?:-[A-Za-z]{0,6}[uU]|--(?:proxy-)?user(?=[ =\"']))"
        r"(?:[ =\t]{1,4}|[\"'],[ ]{0,4})?[bB]?(?:\\{0,3}[\"'])?"
        r"[^\s:\"'/]{0,256}:(?!//)(?P<secret>[^\s\"'\\]{1,512})",
        lambda value: not value.startswith(("$", "<")),
        _in_curl,
    ),
    _shape(
        "curl",
        r"--(?:proxy-)?cert(?:[ =\t]{1,4}|[\"'],[ ]{0,4})[\"']?[^\s:\"']{1,256}:"
        r"(?P<secret>(?![/\\])[^\s\"']{1,512})",
    ),
    _shape(
        "login",
        r"(?:machine[ \t]{1,4}(?:localhost|[\w-]{1,63}(?:\.[\w-]{1,63}){1,8})|default)\s{1,9}"
        r"login\s{1,9}\S{1,256}\s{1,9}(?:account\s{1,9}\S{1,256}\s{1,9})?password\s{1,9}"
        r"(?P<secret>\S{1,512})",
    ),
    _shape("Auth(", r"(?:Basic|Digest|Proxy)Auth" + _LAST_QUOTED),
    _shape(
        "login",
        r"\.login" + _LAST_QUOTED,
        lambda value: not value.startswith(("/", "http://", "https://")),
    ),
    _shape(
        "Secret",
        r"Secret(?:Str|Bytes)\(\s{0,20}[bBfFuUrR]?(?P<mark>[\"'])"
        r"(?P<secret>(?:\\.|(?!(?P=mark))[^\\\n]){1,512})(?P=mark)",
        lambda value: value.strip("*") != "" and value != MASK and value[0] != "{",
    ),
    _shape("<Cookie", r"<Cookie [^\s=>]{1,256}=(?P<secret>[^\s>]{1,4096})"),
    _shape(
        "DENTIFIED dentified ASSWORD assword",
        r"(?:IDENTIFIED (?:WITH \S{1,64} )?BY"
        r"|(?i:(?:create|alter) (?:user|role) [^\n]{1,200}?"
        r"(?:identified (?:with \S{1,64} )?by|password))) (?i:password )?"
        r"(?P<mark>\\?[\"'])(?P<secret>(?:''|(?!(?P=mark))(?:\\[^\n]|[^\\\n])){1,512})(?P=mark)",
        lambda value: value != MASK,
    ),
    _shape(
        "login",
        r"(?<=[ \"'])-p"
        r"(?:(?:[ =]|[\"'],[ ]{0,4}(?=[\"']))(?P<mark>[\"'])?)?"
        r"(?P<secret>(?(mark)(?:(?!(?P=mark))[^\n]){1,512}|[^\s\"',<$=-][^\s\"';&|]{0,512}))",
        lambda value: value != MASK and not value.isdigit(),
        _in_docker_login,
    ),
    _shape(
        "sshpass", r"sshpass[ \"',]{1,4}-p[ \"',]{0,4}(?P<secret>[^\s\"',-][^\s\"']{0,512})"
    ),
    _shape(
        "redis-cli sqlcmd",
        r"(?:redis-cli[^\n]{0,100}? -a|sqlcmd[^\n]{0,100}? -P) "
        r"(?P<secret>[^\s\"'$<-]\S{0,512})",
    ),
    _shape("pass:", r"(?<=[ =])pass:(?P<secret>[^\s\"'$<][^\s\"']{5,512})", is_random),
    _shape(
        "webhookb2/ .logic.azure.com",
        r"(?:webhook\.office\.com/webhookb2/|\.logic\.azure\.com(?::\d+)?/)"
        r"(?P<secret>[\w@/-]{30,})",
    ),
    _shape(
        "mysql mariadb",
        r"(?:mysql|mariadb)\w*[^\n]{0,200}?[ \"']-p(?P<secret>[^\s\"'-][^\s\"']{0,512})",
    ),
    _shape(
        "</",
        r"(?i:<(?P<tag>\w{0,40}(?:passw|secret|token|api_?key)\w{0,20})>)(?P<secret>[^<\n]{1,512})"
        r"</(?P=tag)>",
    ),
    _shape(
        "X-Amz- x-amz- X-Goog- x-goog- sig=",
        r"(?i:[?&;](?:sig|x-(?:amz|goog)-(?:signature|security-token|credential))=)"
        r"(?P<secret>[^\s&\"'<>#]{8,})",
    ),
)
KEY_CLUE = "PRIVATE KEY"
_ALL_CLUES = (KEY_CLUE, *dict.fromkeys(clue for shape in SHAPES for clue in shape.clues))


def _beginning(mark: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """Return one search for all clues that end in a mark, and these clues."""
    clues = tuple(clue for clue in _ALL_CLUES if clue.endswith(mark))
    endings = "|".join(f"(?<={re.escape(clue)})" for clue in clues)
    # What follows them has eight characters at least; that alone rules out most marks.
    return re.compile(rf"{re.escape(mark)}(?=[\w=+/-]{{8}})(?:{endings})"), clues


_BEGINNINGS = tuple(map(_beginning, "_-."))
# Each of these costs a search; "://" is in every second mail, and looked at more closely.
_CLUES = tuple(clue for clue in _ALL_CLUES if clue[-1] not in "_-." and clue != "://")
_KEY_BLOCK = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)"
)
_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_LINE = re.compile(r"[\sA-Za-z0-9+/=\\\"']*\Z")
