"""Secrets whose name stands before them in a text: ``password=...`` in its many spellings.

Every search is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from .names import Secrecy, secrecy_of
from .own_secrets import MASK
from .shapes import any_of, mixes_letters_and_digits

__all__ = ["without_assignments", "words_in"]

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
_EMPTY = re.compile(
    r"(?:none|null|nil|true|false|\*+|x+|\.+|…|\[?redacted\]?.*|[|>][-+0-9]{0,2})\Z", re.I
)
_PLACEHOLDER = re.compile(r"\{\{|\$\{|\$\(|<|%\(")
_CALL = re.compile(r"[A-Za-z_][A-Za-z_.]*[(\[]")
_EXPRESSION = re.compile(r"[(\[{](?:[A-Za-z_.]+,|[\d.]+,|[)\]}])")
# YAML, 8.1: a text over several lines, as far as they are indented.
_BLOCK = re.compile(
    r"[|>][-+0-9]{0,2}[ \t]*(?:(?<=[ \t])#[^\n]{0,200})?\r?\n"
    r"(?:[ \t]{0,80}\r?\n){0,20}(?P<indent>[ \t]+)(?=\S)"
)
_FOLDER = re.compile(r"(?:[bBuUrRfF]{0,2}\\{0,3}[\"'])?[/~]")
_LONGEST_VALUE = 8192


def words_in(text: str, words: Sequence[str] = _WORDS) -> list[str]:
    """Return the words of secret names that are in the text, in whatever case."""
    return any_of(words, _folded(text))


def _folded(text: str) -> str:
    """Return the text in lower case, with every character in its place."""
    lowered = text.lower()
    if len(lowered) != len(text):  # one character became two
        lowered = "".join(character.lower()[0] for character in text)
    return lowered


def _places(text: str) -> list[int]:
    """Return where `_WORDS` are in the text, in order."""
    lowered = _folded(text)
    places: list[int] = []
    for word in any_of(_WORDS, lowered):
        place = lowered.rfind(word)
        while place >= 0:
            places.append(place)
            place = lowered.rfind(word, 0, place + len(word) - 1)
    places.sort()
    return places


def without_assignments(text: str) -> tuple[str, int]:
    """Return the text without the values of secret names, and how many there were."""
    count = 0
    pieces: list[str] = []
    done = position = 0
    for place in _places(text):
        match = _ASSIGNMENT.match(text, place) if place >= position else None
        if match is None:
            continue
        position = match.end("word")
        found = _assigned_value(text, match)
        if found is None or found[0] < done:
            continue
        start, end = found
        count += 1
        pieces += (text[done:start], MASK)
        done = position = end
    pieces.append(text[done:])
    return "".join(pieces), count


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
    if (block := _indented_below(text, position)) is not None:
        return None if text[slice(*block)] == MASK else block
    if text[position : position + 1] in _CLOSING and not _PLACEHOLDER.match(text, position):
        listed = _inside_brackets(text, position, name, secrecy)
        if listed != _NO_LIST:
            return listed
    if name.lower() in ("pwd", "oldpwd") and _FOLDER.match(text, position):
        return None
    whole_line = name.lower().lstrip("-").endswith(("authorization", "cookie"))
    if opening := _OPENING.match(text, position):
        end = _closing(text, opening.end(), opening[1])
        begin = _past_scheme(text, opening.end(), end)
    elif whole_line and ":" in between:
        begin = _past_scheme(text, position)
        end = _line_end(text, begin)
        while end > begin and text[end - 1] in " \t\"'":
            end -= 1
    elif bare := _bare_value(text, position, secrecy):
        begin, end = bare
        prose = ":" in between and between.endswith((" ", "\t")) and "passw" not in name.lower()
        if prose and not _looks_random(text, begin, end):
            return None
    else:
        return None
    secret = text[begin:end]
    if not secret or _EMPTY.match(secret) or _PLACEHOLDER.match(secret):
        return None
    if secrecy == "unless-number" and _NUMBER.match(secret):
        return None
    return begin, end


def _past_scheme(text: str, position: int, end: int | None = None) -> int:
    """Return where the value begins, behind a word such as "Bearer" if there is one."""
    found = _SCHEME.match(text, position, len(text) if end is None else end)
    return found.end() if found else position


def _bare_value(text: str, position: int, secrecy: Secrecy) -> tuple[int, int] | None:
    """Return where a value without quotation marks stands; None for what is computed."""
    begin = _past_scheme(text, position)
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
        and not mixes_letters_and_digits(text[begin:end])
    ):
        return None
    return begin, end


def _indented_below(text: str, position: int) -> tuple[int, int] | None:
    """Return where the lines of a text stand that YAML's ``|`` or ``>`` begins, or None."""
    block = _BLOCK.match(text, position)
    if block is None:
        return None
    key = text[text.rfind("\n", 0, position) + 1 : position]
    margin = len(key) - len(key.lstrip(" \t-"))
    if len(block["indent"]) <= margin:
        return None
    start = block.end()
    end = following = _line_end(text, start, len(text))
    while following < len(text):
        begin = following + 1
        following = _line_end(text, begin, len(text))
        line = text[begin:following].rstrip()
        if line:
            if len(line) - len(line.lstrip(" \t")) <= margin:
                break
            end = begin + len(line)
    while text[end - 1] in " \t\r":
        end -= 1
    return start, end


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
        told = len(secret) > 5 and mixes_letters_and_digits(secret) and "(" not in secret
        if not (told or _HEADER.fullmatch(name)):
            return None
    if _EMPTY.match(secret):
        return None
    return _past_scheme(text, begin, end), end


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
        told = secrecy == "always" or any(map(mixes_letters_and_digits, inner.split(",")))
        return (position + 1, end) if told and inner.strip() else _NO_LIST
    if mixes_letters_and_digits(_QUOTED.sub("", inner)):
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


def _line_end(text: str, position: int, most: int = _LONGEST_VALUE) -> int:
    end = text.find("\n", position, position + most)
    return end if end >= 0 else min(len(text), position + most)


def _looks_random(text: str, start: int, end: int) -> bool:
    """Whether a word behind "name: " is a value rather than the next word of a sentence."""
    value = text[start:end]
    if len(value) >= 20 or not value.replace("-", "").replace("\u2019", "").isalpha():
        return True
    if any(first.islower() and second.isupper() for first, second in pairwise(value)):
        return True
    return text[end : end + 1] in ("", "\n")
