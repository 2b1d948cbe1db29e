"""Whether a value looks like a secret: random, rather than made of words and numbers."""

from __future__ import annotations

import re
from functools import lru_cache

from ..patterns import pattern

__all__ = ["is_empty", "is_mixed", "is_random", "is_word", "words_of"]


def words_of(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


_PLACEHOLDER = pattern(
    r"\{\{|\$[{(]|\$[A-Z_]{2}[A-Z0-9_]*|\$[a-z_]+\Z|<[\w|/!\[]|%\(|%s|%[A-Z_]{2,40}%|@[\w./-]*\.\w+\Z"
    r"|\[[A-Z]+\d*\]?\Z|\{[A-Za-z_.!:\[\]'\"]{0,60}\}?\Z|\{[A-Za-z_][\w.]*[(\[!:}]|.{0,40}\*{3}|\.{3}"
    r"|(?i:(?:your|my|example|change[-_]?me|dummy|placeholder|insert)(?:[-_ ][a-z-_ ]+)?\Z)"
)
_EMPTY = pattern(r"[*x.\u2022\u2026_~#-]+\Z|[|>][-+0-9]{0,2}\Z", re.IGNORECASE)
# What is said about a secret, where the secret itself could stand.
_SAYS = words_of(
    "none null nil true false no yes on off ok n/a na any all some empty blank unset set "
    "default required optional missing invalid expired expires wrong incorrect bad good "
    "valid unknown undefined hidden masked redacted removed secret sent changed reset "
    "failed failure denied disabled enabled revoked rotated refreshed encrypted encoded "
    "given provided found not is was must and or the a an of for in to be str string int "
    "integer float bool bytes object text varchar char uuid type list dict tuple optional "
    "secretstr type user password token key auth basic bearer digest oauth oauth2 iam "
    "ldap saml oidc sso mfa header cookie keyring vault env environ environment default "
    "applicationdefault expected unexpected line accepted rejected field value name "
    "public private strict lax keep-alive close rs256 hs256 es256 prompt ask stdin input "
    "forbidden unauthorized mismatch mismatched correct once unused used created deleted "
    "updated verified validated anonymous guest nobody"
)
_NUMBER = pattern(
    r"[-+]?(?:0x[0-9a-f]{1,10}|[\d][\d.,_:/-]*(?:e[-+]?\d+)?|\.\d+)(?:[a-z]{1,3}|%)?(?:/s)?\Z"
    r"|#[0-9a-f]{3,8}\Z|\d{4}-\d\d-\d\d[T ]?[\d:.]*(?:Z|[+-]\d\d:?\d\d)?\Z",
    re.IGNORECASE,
)
_ADDRESS = pattern(
    r"arn:|alias/|(?:com|org|net|io)\.[a-z]\w*\.|[A-Za-z][A-Za-z0-9+.-]{1,20}://|[~.]{0,2}[/\\](?=[\w.-]+[/\\.])|[A-Za-z]:\\"
    r"|[\w.+-]+@[\w-]+\.\w|\S*\.(?:py|ya?ml|json|pem|key|txt|cfg|ini|toml|parquet|pkl|onnx)\Z"
)
# Base64 may begin with a slash and hold more of them.
_UNLIKE_PATH = pattern(
    r"\A(?=/)[^.:-]*(?=[A-Za-z]*[0-9][A-Za-z]*[0-9]?[A-Z])[A-Za-z0-9+]{20}"
    r"|\A/(?=[^+]*\+)[A-Za-z0-9+/]{22,}={0,2}\Z"
)
_CALL = pattern(r"[A-Za-z_][\w.]*[(\[]|\(|lambda\b|await\b|[fF][\"']")
_NAMED_NUMBER = pattern(
    r"(?:oauth|sha|hs|rs|es|ps|md|utf|base|http|u?int|float|ed|aes|tls|ipv|py|python|gpt|bert"
    r"|llama|resnet|vit|level|step|col|column|layer|part|epoch|user|node|page|line|test|key|token"
    r"|item|row|version|v)-?\d{1,6}\Z",
    re.IGNORECASE,
)
# Of a regular expression.
_CHARACTER_CLASS = pattern(r"a-z|A-Z|0-9")
_BREAK = pattern(r"[^A-Za-z0-9]+")
_WORD = pattern(
    r"[A-Z]?[a-z]+|[A-Z]+|[A-Z]{0,6}[a-z]{2,}(?:[A-Z]{1,6}[a-z]{2,}){0,5}[A-Z]{0,5}"
)
_WORDS = pattern(r"[a-z]{0,12}(?:[A-Z][a-z]{3,14}){2,}")
_WITH_NUMBER = pattern(
    r"(?:[A-Z]?[a-z]+|[A-Z]+|[A-Z]?[a-z]{2,}(?:[A-Z][a-z]{2,}){0,4}[A-Z]{0,3})\d{1,4}[a-z]?\Z"
    r"|\d+[A-Za-z]{1,3}\Z|\d{1,4}x\d{1,4}[a-z]?\Z"
)
_HARD = pattern(r"[bcdfghjklmnpqrstvwxz]{6}", re.IGNORECASE)
_LONGEST_WORD = 24
# The words of a name in CamelCase, which are longer than those that chance makes.
_CHUNK = pattern(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d{1,5}")
_SPLIT_WORD = pattern(r"\d[a-z]")
_ESCAPE = pattern(r"\\[a-z]|[\W_]+")
_MIXED = pattern(r"(?=\D{0,160}\d)(?=[^A-Za-z]{0,160}[A-Za-z])[^\s*|<>(){}\[\]]+\Z")
_SHORTEST = 6
# What a long value begins with tells what it is.
_JUDGED = 160


def is_empty(value: str) -> bool:
    """Whether it stands in a secret's place without being one: ``<token>``, ``expired``."""
    text = value[:_JUDGED].strip(" \t\r\n\"'`,;.:()]}")
    return (
        not text
        or text.lower() in _SAYS
        or _PLACEHOLDER.match(text) is not None
        or _EMPTY.match(text) is not None
        or len(_ESCAPE.sub("", text)) < 2
    )


def is_word(value: str) -> bool:
    """Whether it is a word, an identifier, a type or a call, as code has them."""
    return bool(_CALL.match(value)) or not _odd_parts(value)


@lru_cache(maxsize=4096)
def is_random(value: str) -> bool:
    """Whether a value looks made by a machine, or chosen to be hard to guess."""
    value = value[:_JUDGED]
    if len(value) < _SHORTEST or is_empty(value) or _NUMBER.match(value):
        return False
    if _ADDRESS.match(value) and not _UNLIKE_PATH.search(value):
        return False
    if _CALL.match(value) or _NAMED_NUMBER.match(value) or _CHARACTER_CLASS.search(value):
        return False
    if any(map(str.isspace, value)):
        return any(len(word) >= 16 and is_random(word) for word in value.split()[:40])
    parts = [part for part in _BREAK.split(value) if part]
    if len(parts) == 1 and len(parts[0]) >= _SHORTEST:
        part = parts[0]
        if any(map(str.isdigit, part)) and any(map(str.isalpha, part)):
            return not _is_camel(part)
    odd = _odd_parts(value)
    if sum(map(len, odd)) >= 4:
        return True
    # Some symbols are found in passwords only.
    return bool(
        re.search(r"[!$%^&#?][A-Za-z0-9]|[A-Za-z0-9][!$^&#?]\Z|[A-Za-z]@[^.]+\Z", value)
        and any(map(str.isdigit, value))
        and any(map(str.isalpha, value))
    )


def is_mixed(value: str) -> bool:
    """Whether it is made of letters and digits, as short keys are, and names nothing known."""
    known = (_ADDRESS, _CALL, _NUMBER, _CHARACTER_CLASS, _NAMED_NUMBER)
    return bool(_MIXED.match(value)) and not any(it.match(value) for it in known)


def _odd_parts(value: str) -> list[str]:
    """Return the parts of a value that are neither words nor numbers."""
    return [
        part
        for part in _BREAK.split(value)
        if part and not (part.isdigit() and len(part) < 20) and not _ordinary(part)
    ]


def _ordinary(part: str) -> bool:
    if _NAMED_NUMBER.match(part):
        return True
    if _WITH_NUMBER.match(part):
        return len(part) <= 12
    if len(part) < 4:
        return True
    if _WORDS.fullmatch(part):
        return True
    if _is_camel(part):
        return True
    words = _WORD.fullmatch(part)
    return words is not None and len(part) <= _LONGEST_WORD and not _HARD.search(part)


def _is_camel(part: str) -> bool:
    """Whether it is a name such as "ServerlessV2PlatformVersions"."""
    chunks = _CHUNK.findall(part)
    letters = [chunk for chunk in chunks if chunk.isalpha()]
    return (
        "".join(chunks) == part
        and not _SPLIT_WORD.search(part)
        and len(letters) > 1
        and len(chunks) - len(letters) <= 1
        and sum(map(len, letters)) >= 4 * len(letters)
        and not any(map(_HARD.search, letters))
    )
