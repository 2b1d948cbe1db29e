"""Secrets taken out of an alert before anybody renders it.

Three nets: the alerter's own secrets, in the forms in which they turn up; values whose
name says that they are secret; and tokens that are known by their shape. Every search is
linear in the text.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from itertools import pairwise
from typing import Final, Literal, NamedTuple
from urllib.parse import quote, quote_plus

__all__ = ["MASK", "Redactor", "secrecy_of"]

MASK: Final = "[redacted]"
_SHORTEST = 4

Secrecy = Literal["", "unless-number", "always"]


class Redactor:
    """Takes secrets out of texts and counts them.

    Args:
        secrets: Values that must not stand in the mail; those shorter than four
            characters are left, for they would take ordinary words apart.
        shapes: Whether to look for what is secret by its name or its shape, too.

    Attributes:
        count: How many secrets were taken out so far.
        shapes: Whether names and shapes are looked for.
    """

    def __init__(self, secrets: Iterable[str] = (), *, shapes: bool = True) -> None:
        self._literals = _literals(tuple(secrets))
        self._forms = self._literals.forms
        self._shapes = _SHAPES if shapes else ()
        self._words: tuple[str, ...] = _WORDS if shapes else ()
        self._key_blocks = shapes
        self.shapes = shapes
        self.count = 0

    def __repr__(self) -> str:
        return f"<Redactor: {self.count} taken out>"

    def narrow(self, whole: str) -> bool:
        """Look for no more than what this text may hold; be given parts of it only, then.

        Returns:
            Whether there is anything left to look for; never wrongly False.
        """
        self._forms = tuple([form for form in self._forms if form in whole])
        if self.shapes:
            lowered = _folded(whole)
            self._words = tuple([word for word in _WORDS if lowered.rfind(word) >= 0])
            clues = _clues_in(whole)
            self._key_blocks = _KEY_CLUE in clues
            self._shapes = tuple(
                [shape for shape in _SHAPES if not clues.isdisjoint(shape.clues)]
                if clues
                else ()
            )
        return bool(self._forms or self._words or self._shapes or self._key_blocks)

    def text(self, text: str) -> str:
        """Return the text without its secrets."""
        if not text:
            return text
        for form in self._forms:
            if form in text:
                text = self._literals.pattern.sub(self._masked, text)
                break
        if self._key_blocks and _KEY_CLUE in text:
            text = self._without_private_keys(text)
        if self._shapes and (clues := _clues_in(text)):
            for shape in self._shapes:
                if not clues.isdisjoint(shape.clues):
                    text = self._without(shape, text)
        if self._words and (places := _places_of(self._words, text)):
            text = self._without_assignments(text, places)
        return text

    def masked(self) -> str:
        """Count a value that is secret as a whole and return what stands in its place."""
        self.count += 1
        return MASK

    def _masked(self, _: re.Match[str]) -> str:
        self.count += 1
        return MASK

    def _without(self, shape: _Shape, text: str) -> str:
        def replace(match: re.Match[str]) -> str:
            if shape.holds is not None and not shape.holds(match["secret"]):
                return match[0]
            self.count += 1
            start, end = match.start(), match.end()
            before = match.string[start : match.start("secret")]
            return before + MASK + match.string[match.end("secret") : end]

        return _compiled(shape.pattern).sub(replace, text)

    def _without_private_keys(self, text: str) -> str:
        text = _KEY_BLOCK.sub(self._masked, text)
        # A text that begins inside a block: the marks of its end are all that is left.
        if match := _KEY_END.search(text):
            lines = text[: match.start()].split("\n")
            while lines and _KEY_LINE.match(lines[-1]):
                lines.pop()
            self.count += 1
            return "\n".join([*lines, MASK + text[match.end() :]])
        return text

    def _without_assignments(self, text: str, places: Iterable[int]) -> str:
        pieces: list[str] = []
        done = position = 0
        for place in places:
            match = _ASSIGNMENT.match(text, place) if place >= position else None
            if match is None:
                continue
            position = match.end("word")
            found = _assigned_value(text, match)
            if found is None or found[0] < done:
                continue
            start, end = found
            self.count += 1
            pieces += (text[done:start], MASK)
            done = position = end
        pieces.append(text[done:])
        return "".join(pieces)


# --- the alerter's own secrets


class _Literals(NamedTuple):
    forms: tuple[str, ...]
    pattern: re.Pattern[str]


@lru_cache(maxsize=16)
def _literals(secrets: tuple[str, ...]) -> _Literals:
    forms = {form for secret in secrets for form in _forms(secret) if len(form) >= _SHORTEST}
    ordered = tuple(sorted(forms, key=len, reverse=True))
    return _Literals(ordered, re.compile("|".join(map(re.escape, ordered))))


def _forms(secret: str) -> Iterator[str]:
    """Yield the forms in which a secret turns up in messages and tracebacks."""
    if len(secret) < _SHORTEST:
        return
    unified = secret.replace("\r\n", "\n")
    yield from (secret, unified, secret.strip())
    yield from (quote(secret, safe="", errors="replace"), quote(secret, errors="replace"))
    yield quote_plus(secret, errors="replace")
    yield from (html.escape(secret), html.escape(secret, quote=False))
    yield from (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    yield repr(secret)[1:-1]
    data = secret.encode("utf-8", "surrogatepass")
    yield data.hex()
    for offset in range(3):
        # The characters of base64 that depend on this secret alone, wherever in the
        # encoded data it stands (as in AUTH PLAIN, "\0user\0password").
        first, last = -(-offset * 8 // 6), (offset + len(data)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            core = encode(bytes(offset) + data).decode("ascii")[first:last]
            if len(core) >= 8:
                yield core
    for line in unified.split("\n") if "\n" in unified else ():
        if len(line) >= 20:
            yield line


# --- secret by name

_WORD_BREAK = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ALWAYS = (
    "password",
    "passwd",
    "passphrase",
    "passwort",
    "passcode",
    "secret",
    "credential",
    "privatekey",
    "connectionstring",
    "connstr",
)
_KEYS = (
    "apikey",
    "accesskey",
    "secretkey",
    "signingkey",
    "encryptionkey",
    "masterkey",
    "sshkey",
    "sessionkey",
    "storagekey",
    "servicekey",
    "authkey",
    "clientkey",
    "sharedkey",
    "appkey",
    "accountkey",
    "licensekey",
    "deploykey",
    "subscriptionkey",
    "consumerkey",
    "securitykey",
    "functionkey",
    "adminkey",
    "hostkey",
    "ingestkey",
    "projectkey",
    "writekey",
    "hmackey",
)
_CREDENTIALS = frozenset(
    {"auth", "authorization", "bearer", "cookie", "cookies", "jwt", "otp", "totp", "sas"}
)
# What follows a secret's name when the value is about the secret, not the secret.
_ABOUT = frozenset(
    {
        "name",
        "names",
        "id",
        "ids",
        "type",
        "kind",
        "count",
        "counts",
        "length",
        "len",
        "size",
        "limit",
        "url",
        "uri",
        "path",
        "file",
        "filename",
        "dir",
        "folder",
        "policy",
        "expiry",
        "expires",
        "expired",
        "expiration",
        "ttl",
        "usage",
        "used",
        "version",
        "format",
        "field",
        "budget",
        "rate",
        "cost",
        "endpoint",
        "method",
        "scheme",
        "source",
        "store",
        "manager",
        "provider",
        "error",
        "valid",
        "required",
        "enabled",
        "rotation",
        "age",
        "scope",
        "scopes",
        "ref",
        "reference",
        "server",
        "host",
        "mode",
        "loss",
        "accuracy",
        "index",
        "position",
        "ratio",
        "hint",
    }
)
# Tokens of language models.
_LINGUISTIC = frozenset(
    {
        "pad",
        "eos",
        "bos",
        "unk",
        "cls",
        "sep",
        "mask",
        "stop",
        "special",
        "start",
        "end",
        "next",
        "image",
        "audio",
        "video",
        "added",
        "extra",
        "max",
        "min",
        "n",
        "num",
        "number",
        "total",
        "count",
        "input",
        "output",
        "prompt",
        "completion",
        "per",
        "context",
        "new",
        "generated",
        "forced",
        "decoder",
        "first",
        "last",
        "by",
        "reasoning",
        "cached",
        "padding",
        "prefix",
        "suffix",
        "word",
        "char",
        "text",
        "target",
        "label",
        "masked",
    }
)
_LOGINS = frozenset(
    {
        "db",
        "smtp",
        "user",
        "admin",
        "root",
        "mail",
        "email",
        "ftp",
        "pg",
        "mysql",
        "redis",
        "login",
        "auth",
        "http",
        "proxy",
        "my",
        "sa",
    }
)


@lru_cache(maxsize=1024)
def secrecy_of(name: str) -> Secrecy:
    """Return whether a value of this name is secret, from the name alone.

    Args:
        name: The key of a mapping, a parameter or a variable, in any spelling.

    Returns:
        "always"; "unless-number" for names that often stand for counts, such as tokens;
        "" for all others.
    """
    words = [word.lower() for word in _WORD_BREAK.split(name[-200:]) if word]
    if not words or words[-1] in _ABOUT:
        return ""
    joined = "".join(words)
    if any(part in joined for part in _ALWAYS):
        return "always" if "secretary" not in joined else ""
    if words[-1] == "pwd" or (words[-1] == "pass" and not _LOGINS.isdisjoint(words[:-1])):
        return "always"
    if joined.endswith(_KEYS) or joined.endswith(tuple(key + "s" for key in _KEYS)):
        return "always"
    if words[-1] in _CREDENTIALS:
        return "unless-number"
    if joined.endswith(("token", "tokens")) and _LINGUISTIC.isdisjoint(words[:-1]):
        return "unless-number"
    return ""


# In a text, a name is looked at only around one of these.
_WORDS = (
    "pass",
    "pwd",
    "secret",
    "token",
    "key",
    "auth",
    "credential",
    "cookie",
    "connection",
    "connstr",
    "jwt",
    "signature",
    "sig=",
)
_ASSIGNMENT = re.compile(
    r"(?P<word>passw|passphrase|passcode|pwd|pass|secret|token|key|auth|credential|cookie"
    r"|connection|connstr|jwt|signature|sig)"
    r"(?P<rest>[\w-]{0,40})"
    r"(?P<between>[\\\"'\]]{0,4}[ \t]{0,8}(?:=>|:=|==?|:)[ \t]{0,8}|[ \t]{1,4}"
    # ... {"name": "PASSWORD", "value": "..."}, as containers are given their environment
    r"|[\"']?[ ]?,?\s{1,40}[\"']?value[\"']?[ \t]{0,4}[:=][ \t]{0,4}"
    r"|[\"'],[\"']value[\"']:"
    # ... its neighbour in a list, as in a command's arguments and in pairs of headers
    r"|(?P<comma>[\"'][ ]?,\s{0,20}))",
    re.IGNORECASE,
)
_NAME_BEFORE = re.compile(r"[\w.-]*\Z")
_PAIR_BEFORE = re.compile(r"[(\[][ ]?[bBuU]?([\"'])[\w.-]*\Z")
_PAIR_BEHIND = re.compile(r"[\"'][ ]?(?:,[ ]?(?:True|False|None|\d+))?,?[ ]?[)\]]")
_FLAG_BEFORE = re.compile(r"[bBuU]?([\"'])--[\w.-]*\Z")
_HEADER = re.compile(r"[\w.]*-[\w.-]*|(?:proxy)?authorization|(?:set)?cookie", re.IGNORECASE)
# In a line of code: password: Optional[str] = "..."
_ANNOTATION = re.compile(
    r"[A-Za-z_][A-Za-z_.]{0,40}(?:\[[\w.\[\], |]{1,60}\])?(?: \| [\w.]{1,40}){0,3}"
    r"[ \t]?=[ \t]?(?=[bBuUrRfF]{0,2}[\"'])"
)
_BRACKETS_AND_QUOTES = re.compile(r"\\.|[\"'()\[\]{}]", re.DOTALL)
_LONGEST_LIST = 4000
_QUOTE = re.compile(r"[\"']")
_QUOTED = re.compile(r"([\"'])((?:\\.|(?!\1)[^\\])*)\1", re.DOTALL)
_QUOTED_LAST = re.compile(r"([\"'])(?P<secret>(?:\\.|(?!\1)[^\\])+)\1\s*,?\s*\Z", re.DOTALL)
_WORD = re.compile(r"[\[<#]{0,2}[A-Za-z_]{1,16}[\]>]?|\d{1,9}|\W{1,3}")
_COUNTS = re.compile(
    r"(?:\s*([\"'])[^\"'\n]{1,60}\1\s*:\s*[+-]?[\d._]+(?:[eE][+-]?\d+)?%?\s*(?:,|\Z))+\s*"
)
_GOES_ON = re.compile(r"[^\s,;:.)\]}\"']")
_SCHEME = re.compile(r"(?:bearer|basic|token|digest|apikey|api-key|negotiate)[ \t]+", re.I)
_OPENING = re.compile(r"[bBuUrRfF]{0,2}(\\{0,3}[\"'])")
_BARE = re.compile(
    r"(?:[^\s\"'<,;&)}\]]|[,;&)}\]](?![\s,;)}\]&\"']|\Z|[\w-]{1,40}=)|<(?![/a-zA-Z!]))+"
)
_NUMBER = re.compile(r"[-+]?\d[\d.,_]*(?:[eE][-+]?\d+)?%?[kKMG]?\Z")
_EMPTY = re.compile(r"(?:none|null|nil|true|false|\*+|x+|\.+|…|\[?redacted\]?.*)\Z", re.I)
_PLACEHOLDER = re.compile(r"\{\{|\$\{|\$\(|<|%\(")
_CALL = re.compile(r"[A-Za-z_][A-Za-z_.]*[(\[]")
_EXPRESSION = re.compile(r"[(\[{](?:[A-Za-z_.]+,|[\d.]+,|[)\]}])")
_LONGEST_VALUE = 8192


def _folded(text: str) -> str:
    """Return the text in lower case, every character in its place."""
    lowered = text.lower()
    if len(lowered) != len(text):  # one character became two
        lowered = "".join(character.lower()[0] for character in text)
    return lowered


def _places_of(words: Iterable[str], text: str) -> list[int]:
    """Return where the words stand, in order and in any case."""
    lowered = _folded(text)
    places: list[int] = []
    for word in words:
        place = lowered.rfind(word)
        while place >= 0:
            places.append(place)
            place = lowered.rfind(word, 0, place + len(word) - 1)
    places.sort()
    return places


def _assigned_value(text: str, match: re.Match[str]) -> tuple[int, int] | None:
    """Return where the secret stands that a name announces, or None when there is none."""
    start = match.start("word")
    before = _NAME_BEFORE.search(text[max(0, start - 64) : start])
    lead = before[0] if before else ""
    name = lead.rpartition(".")[2] + match["word"] + match["rest"]
    between = match["between"]
    if between.isspace() and not lead.startswith("--"):
        return None
    query = bool(re.fullmatch(r"(?:x-amz-)?(?:sig|signature)", name.lstrip("-"), re.I))
    if query and text[start - len(lead) - 1 : start - len(lead)] not in ("?", "&"):
        return None
    secrecy = "always" if query else secrecy_of(name)
    if not secrecy:
        return None
    position = match.end()
    if match["comma"]:
        return _neighbour(text, match, name)
    if annotation := _ANNOTATION.match(text, position) if ":" in between else None:
        position = annotation.end()
    if text.startswith(MASK, position):
        return None
    if text[position : position + 1] in _CLOSING and not _PLACEHOLDER.match(text, position):
        listed = _inside_brackets(text, position, name, secrecy)
        if listed != _NO_LIST:
            return listed
    whole_line = name.lower().lstrip("-").endswith(("authorization", "cookie"))
    if opening := _OPENING.match(text, position):
        end = _closing(text, opening.end(), opening[1])
        found = _SCHEME.match(text, opening.end(), end)
        begin = found.end() if found else opening.end()
    elif whole_line and ":" in between:
        found = _SCHEME.match(text, position)
        begin = found.end() if found else position
        end = _line_end(text, begin)
        while end > begin and text[end - 1] in " \t\"'":
            end -= 1
    else:
        found = _SCHEME.match(text, position)
        begin = found.end() if found else position
        bare = _BARE.match(text, begin, begin + _LONGEST_VALUE)
        if bare is None:
            return None
        end = bare.end()
        while end > begin and text[end - 1] in ".:":
            end -= 1
        if _CALL.match(text, begin, end + 1):
            return None
        if (
            secrecy == "unless-number"
            and _EXPRESSION.match(text, begin, end + 1)
            and not _random(text[begin:end])
        ):
            return None
        prose = ":" in between and between.endswith((" ", "\t")) and "passw" not in name.lower()
        if prose and not _looks_random(text, begin, end):
            return None
    secret = text[begin:end]
    if not secret or _EMPTY.match(secret) or _PLACEHOLDER.match(secret):
        return None
    if secrecy == "unless-number" and _NUMBER.match(secret):
        return None
    if name.lower() in ("pwd", "oldpwd") and secret.startswith(("/", "~")):
        return None
    return begin, end


def _neighbour(text: str, match: re.Match[str], name: str) -> tuple[int, int] | None:
    """Return where the secret stands that is in a list beside its name, or None."""
    before = text[max(0, match.start("word") - 70) : match.start("word")]
    opening = _OPENING.match(text, match.end())
    if opening is None:
        return None
    begin = opening.end()
    end = _closing(text, begin, opening[1])
    secret = text[begin:end]
    flag = _FLAG_BEFORE.search(before)
    pair = flag or _PAIR_BEFORE.search(before)
    if pair is None or pair[1] != match["comma"][0] or not secret or secret.startswith("-"):
        return None
    if not flag:
        if not _PAIR_BEHIND.match(text, end):
            return None
        # Columns and their types, steps and their estimators come in pairs, too.
        told = len(secret) > 5 and _random(secret) and "(" not in secret
        if not (told or _HEADER.fullmatch(name)):
            return None
    if _EMPTY.match(secret):
        return None
    scheme = _SCHEME.match(text, begin, end)
    return (scheme.end() if scheme else begin), end


_CLOSING = {"(": ")", "[": "]", "{": "}"}
_NO_LIST = (-1, -1)


def _inside_brackets(
    text: str, position: int, name: str, secrecy: Secrecy
) -> tuple[int, int] | None:
    """Return where the secrets of a list or a mapping stand.

    Returns:
        Beginning and end; None when there are none; `_NO_LIST` when the value is neither,
        but begins with a bracket.
    """
    end = _matching(text, position)
    inner = text[position + 1 : end]
    if inner.strip() == MASK:
        return None
    closed = text[end : end + 1] == _CLOSING[text[position]]
    if closed and not inner.strip() and not _GOES_ON.match(text, end + 1):
        return None
    if not closed and not _QUOTE.search(inner, 0, 200):
        return _NO_LIST
    texts = [found[1] for found in _QUOTED.findall(inner)]
    if not texts and not ('\\"' in inner or "\\'" in inner):
        told = secrecy == "always" or any(map(_random, inner.split(",")))
        return (position + 1, end) if told and inner.strip() else _NO_LIST
    if _random(_QUOTED.sub("", inner)):
        return position + 1, end
    if closed and text[position] == "(" and name.lower().endswith(("auth", "auths")):
        last = _QUOTED_LAST.search(inner)
        if last is None:
            return None
        return position + 1 + last.start("secret"), position + 1 + last.end("secret")
    if texts and all(map(_EMPTY.match, texts)):
        return None
    # Names of secrets are what the reader needs; and the tokens of a text are words.
    if closed and ":" not in inner and all(map(_WORD.fullmatch, texts)):
        tokens = name.lower().endswith(("token", "tokens"))
        if tokens or any(map(secrecy_of, texts)):
            return None
    if secrecy == "unless-number" and _COUNTS.fullmatch(inner):
        return None
    return position + 1, end


def _matching(text: str, position: int) -> int:
    """Return where a bracket is closed, or the line's end when it is not, or far away."""
    open_brackets: list[str] = []
    quote = ""
    holds_texts = _QUOTE.search(text, position, position + 200)
    end = position + (_LONGEST_LIST if holds_texts else 400)
    for found in _BRACKETS_AND_QUOTES.finditer(text, position, end):
        mark = found[0]
        if quote:
            quote = "" if mark == quote else quote
        elif mark in "\"'":
            quote = mark
        elif mark in _CLOSING:
            open_brackets.append(_CLOSING[mark])
        elif open_brackets and mark == open_brackets[-1]:
            open_brackets.pop()
            if not open_brackets:
                return found.start()
    return _line_end(text, position)


def _closing(text: str, position: int, mark: str) -> int:
    """Return where a quoted value ends: at its mark, at the line's end, or at the limit."""
    limit = min(len(text), position + _LONGEST_VALUE)
    line = text.find("\n", position, limit)
    stop = line if line >= 0 else limit
    at = text.find(mark, position, stop)
    while at > 0 and len(mark) == 1 and _escaped(text, at, position):
        at = text.find(mark, at + 1, stop)
    return at if at >= 0 else stop


def _escaped(text: str, at: int, start: int) -> bool:
    backslashes = 0
    while at - 1 - backslashes >= start and text[at - 1 - backslashes] == "\\":
        backslashes += 1
        if backslashes > 64:
            break
    return backslashes % 2 == 1


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position, position + _LONGEST_VALUE)
    return end if end >= 0 else min(len(text), position + _LONGEST_VALUE)


def _looks_random(text: str, start: int, end: int) -> bool:
    """Whether a word behind "name: " is a value rather than the next word of a sentence."""
    value = text[start:end]
    if len(value) >= 20 or not value.replace("-", "").replace("\u2019", "").isalpha():
        return True
    if any(first.islower() and second.isupper() for first, second in pairwise(value)):
        return True
    return text[end : end + 1] in ("", "\n")


# --- secret by shape


class _Shape(NamedTuple):
    clues: tuple[str, ...]
    pattern: str
    holds: Callable[[str], bool] | None = None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile a shape when a text may hold it: most processes never see most of them."""
    return re.compile(pattern)


def _random(value: str) -> bool:
    return any(map(str.isdigit, value)) and any(map(str.isalpha, value))


def _is_basic(value: str) -> bool:
    """Whether it is base64 of ``user:password`` (RFC 7617)."""
    try:
        return b":" in base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False


def _is_userinfo(value: str) -> bool:
    return len(value) >= 16 and _random(value)


# As long as the longest that the shapes with "://" look at. A link and a mail address in
# one alert are no cause yet.
_MAY_HOLD_USERINFO = re.compile(r"://[^\s\"'<>]{0,800}@")


def _clues_in(text: str) -> set[str]:
    """Return which clues stand in the text; "://" only where it may hold a secret."""
    # Plain searches take half the time of one regular expression; and CPython, for what is
    # short, searches backwards in less than half the time it takes forwards.
    found = {clue for clue in _CLUES if text.rfind(clue) >= 0}
    if "://" in text and _MAY_HOLD_USERINFO.search(text):
        found.add("://")
    return found


def _shape(clues: str, pattern: str, holds: Callable[[str], bool] | None = None) -> _Shape:
    return _Shape(tuple(clues.split(" ")), pattern, holds)


_B = r"(?<![A-Za-z0-9_-])"
# The lookbehind lets a run of such characters be scanned once only.
_SHAPES: tuple[_Shape, ...] = (
    _shape(
        "AKIA ASIA",
        r"(?<![A-Za-z0-9])(?P<secret>A[KS]IA[A-Z0-9]{16})(?![A-Z0-9])",
    ),
    _shape(
        "ghp_ gho_ ghu_ ghs_ ghr_", r"(?<![A-Za-z0-9])(?P<secret>gh[pousr]_[A-Za-z0-9]{20,})"
    ),
    _shape("github_pat_", r"(?<![A-Za-z0-9])(?P<secret>github_pat_\w{20,})"),
    _shape("glpat-", _B + r"(?P<secret>glpat-[\w-]{16,})"),
    _shape("xox xapp-", _B + r"(?P<secret>(?:xox[a-z]|xapp)-[\w-]{10,})"),
    _shape(
        "hooks.slack.com/",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[\w/-]{10,})",
    ),
    _shape("/api/webhooks/", r"discord(?:app)?\.com/api/webhooks/(?P<secret>\d+/[\w-]{10,})"),
    _shape("eyJ", _B + r"(?P<secret>eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)*)"),
    _shape("AIza", _B + r"(?P<secret>AIza[\w-]{30,})"),
    _shape("ya29. GOCSPX-", _B + r"(?P<secret>(?:ya29\.|GOCSPX-)[\w-]{16,})"),
    _shape("sk- gsk_ r8_", _B + r"(?P<secret>(?:sk-|gsk_|r8_)[\w-]{16,})", _random),
    _shape(
        "k_live_ k_test_ whsec_",
        _B + r"(?P<secret>(?:[srp]k_(?:live|test)|whsec)_[A-Za-z0-9+/=]{8,})",
    ),
    _shape("SG.", _B + r"(?P<secret>SG\.[\w-]{16,}\.[\w-]{16,})"),
    _shape(
        "hf_ npm_ dop_v1_ shpat_",
        _B + r"(?P<secret>(?:hf|npm|dop_v1|shpat)_[A-Za-z0-9]{20,})",
        _random,
    ),
    _shape("dapi", _B + r"(?P<secret>dapi[0-9a-f]{32}(?:-\d+)?)"),
    _shape("pypi-", _B + r"(?P<secret>pypi-[\w-]{24,})", _random),
    _shape(
        "KEY_ PAT_",
        _B + r"(?P<secret>ZEN(?:PRO)?(?:KEY|PAT)_[\w=+/-]{12,})",
    ),
    _shape("hvs.", _B + r"(?P<secret>hvs\.[\w-]{20,})"),
    _shape("SK", _B + r"(?P<secret>SK[0-9a-f]{32})(?![\w-])"),
    _shape("key-", _B + r"(?P<secret>key-[0-9a-f]{32})(?![\w-])"),
    _shape("AGE-SECRET-KEY-", _B + r"(?P<secret>AGE-SECRET-KEY-1[A-Z0-9]{20,})"),
    _shape(":AA", r"(?<!\d)(?P<secret>\d{8,10}:AA[\w-]{30,})"),
    _shape(
        "earer EARER",
        r"(?i:(?<![a-z])bearer[ \t]+)(?P<secret>[\w.~+/-]{8,}=*)",
        lambda value: len(value) >= 24 or _random(value),
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
        r"curl(?<![A-Za-z]curl)(?![\w-])[^\n]{0,300}?[\s\"']"
        r"(?:-[A-Za-z]{0,6}[uU]|--(?:proxy-)?user(?=[ =\"']))"
        r"(?:[ =\t]{1,4}|[\"'],[ ]{0,4})?[bB]?(?:\\{0,3}[\"'])?"
        r"[^\s:\"'/]{0,256}:(?!//)(?P<secret>[^\s\"'\\]{1,512})",
    ),
    _shape(
        "login",
        r"(?:machine[ \t]{1,4}(?:localhost|[\w-]{1,63}(?:\.[\w-]{1,63}){1,8})|default)\s{1,9}"
        r"login\s{1,9}\S{1,256}\s{1,9}(?:account\s{1,9}\S{1,256}\s{1,9})?password\s{1,9}"
        r"(?P<secret>\S{1,512})",
    ),
    _shape(
        "BasicAuth( DigestAuth( ProxyAuth(",
        r"(?:Basic|Digest|Proxy)Auth\((?:[^()\n]|\([^()\n]{0,100}\)){0,300}?,\s{0,20}[bBfFuUrR]?(?P<mark>[\"'])"
        r"(?P<secret>(?:\\.|(?!(?P=mark))[^\\\n]){1,512})(?P=mark)[ ]?,?\s{0,20}\)",
    ),
    _shape(
        "sshpass", r"sshpass[ \"',]{1,4}-p[ \"',]{0,4}(?P<secret>[^\s\"',-][^\s\"']{0,512})"
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
        "X-Amz- x-amz- ?sig= &sig= ;sig=",
        r"(?i:[?&;](?:sig|x-amz-signature|x-amz-security-token|x-amz-credential)=)"
        r"(?P<secret>[^\s&\"'<>#]{8,})",
    ),
)
_KEY_CLUE = "PRIVATE KEY"
# What a text that holds none of may not hold a shape; "://" alone is in every second mail.
_CLUES: tuple[str, ...] = (
    _KEY_CLUE,
    *dict.fromkeys(clue for shape in _SHAPES for clue in shape.clues if clue != "://"),
)
_KEY_BLOCK = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)"
)
_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_LINE = re.compile(r"[\sA-Za-z0-9+/=\\\"']*\Z")
