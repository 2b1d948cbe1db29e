"""Secrets whose name stands beside them in a text: ``password=...`` in its many spellings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..patterns import pattern
from .clues import folded, places_of_names
from .literals import (
    CLOSING,
    LONGEST_VALUE,
    QUOTE,
    closing_mark,
    holds_random,
    indented_below,
    line_end,
    matching_bracket,
    past_scheme,
)
from .looks import is_empty, is_mixed, is_random, is_word
from .names import Secrecy, is_secret, presumed_secrecy, secrecy_of
from .rows import Rows
from .spans import MASK, Span

__all__ = ["named_spans"]


# name: value, as containers and templates write their settings, with up to three more.
_FIELD = (
    r"[\"']?[ ]?(?:,\s{0,40}|\s{1,40})(?:[\"']?[A-Za-z_]{1,20}[\"']?[ \t]?[:=][ \t]?[\"']?"
    r"[\w -]{0,40}[\"']?(?:,\s{0,40}|\s{1,40})){0,3}?"
    r"[\"']?\w{0,20}[vV]alue[\"']?[ \t]{0,4}[:=][ \t]{0,4}|</[a-z]{1,20}>\s{0,40}<value>"
    # ... and as pydantic tells what was wrong with it
    r"|\n[ ]{2}[^\n]{1,200} \[type=\w{1,40}, input_value="
)
# A quotation mark, as itself and as HTML, addresses and JavaScript write it.
_MARK = r"(?:\\{0,3}[\"']|&(?:quot|apos|\#3[49]|\#x2[27]);|%2[27]|\\x2[27]|\\u002[27])"
_BEHIND_NAME = pattern(
    rf"(?P<sign>(?:{_MARK}|\\|\]|\x1b\[[\d;]{{0,8}}m){{0,4}}"
    r"(?:[ ]?[(\[][A-Za-z_. |\[\]]{1,40}[)\]](?=[ ]?[:=])|\.{2,80})?[ \t]{0,16}"
    r"(?:=>|<-|~>|\u2192[ ]?|:=|[!=]?==?(?:3D(?=[A-Za-z0-9]))?|%3[AD]"
    r"|&(?:amp;)?(?:\#61|\#x3[Dd]|equals);"
    r"|\\u003[dDaA]|\\x3[dDaA]|[:\uff1a]|>(?:\s{0,40}<value>)?)"
    r"(?:[ \t]{0,8}(?:!{1,2}\w{1,20}[ ])?|%20))"
    rf"|(?P<field>{_FIELD})"
    r"|(?P<gap>[\"']?[ \t]{1,24})(?P<said>->[ ]|[A-Za-z]{1,20}[ \t]{2,24}"
    r"|(?:[a-z]{1,12}[ ]){0,3}(?:(?:provided|used)(?:[ ](?:is|was))?|is|was|of|to|with"
    r"|[\"']?[\w@.-]{1,40}[\"']?(?=:[ ])):?[ ])?"
    # ... its neighbour in a list, as in a command's arguments and in pairs of headers
    r"|(?P<comma>[\"'][ ]?,\s{0,20})"
    # ... what is called with it
    r"|(?P<call>\((?:[\"'][^\"'\n]{1,100}[\"'],[ ])?(?=[bBuU]?[\"']))"
)
_VALUE_BEFORE_NAME = pattern(
    r"alue[\"']?[ ]?[:=][ ]?(?P<mark>[\"']?)(?P<secret>[^\s\"',][^\"'\n,]{0,511})(?P=mark)"
    r"(?:,\s{0,20}|\n[ ]{0,40})"
    r"[\"']?(?:\w{0,20}[nN]ame|[kK]ey)[\"']?[ ]?[:=][ ]?[\"']?(?P<name>[\w.-]{1,100})"
)
_PAIR_BEFORE = pattern(r"[(\[][ ]?[bBuU]?([\"'])[\w.-]*\Z")
_PAIR_BEHIND = pattern(r"[\"'][ ]?(?:,[ ]?(?:True|False|None|\d+))?,?[ ]?[)\]]")
_FLAG_BEFORE = pattern(r"[bBuU]?([\"'])--[\w.-]*\Z")
_HEADER = pattern(r"[\w.]*-[\w.-]*|(?:proxy)?authorization|(?:set)?cookie", re.IGNORECASE)
# In a line of code: password: Optional[str] = "..."
_ANNOTATION = pattern(
    r"[A-Za-z_][A-Za-z_.]{0,40}(?:\[[\w.\[\], |]{1,60}\])?(?: \| [\w.]{1,40}){0,3}"
    r"[ \t]?=[ \t]?(?=[bBuUrRfF]{0,2}[\"'])"
)
_QUOTED = pattern(r"([\"'])((?:\\.|(?!\1)[^\\])*)\1", re.DOTALL)
_QUOTED_LAST = pattern(r"([\"'])(?P<secret>(?:\\.|(?!\1)[^\\])+)\1\s*,?\s*\Z", re.DOTALL)
_GOES_ON = pattern(r"[^\s,;:.)\]}\"']")
_OPENING = pattern(rf"(?P<f>[bBuUrRfF]{{0,2}})(?P<mark>{_MARK})")
_BARE = pattern(
    r"(?:[^\s\"'<,;&?)}\]|\u2502]"
    r"|[,;&?)}\]](?![\s,:;)}\]&\"']|\Z|[\w-]{1,40}=)|<(?![/a-zA-Z!]))+"
)
_PLACEHOLDER = pattern(r"\{\{|\$\{|\$\(|<|%\(")
_IDENTIFIER = pattern(r"[A-Za-z_][\w.]*(?:[(\[]|\Z)")
_PHRASE = pattern(r"[^\W\d_]+(?:[ -](?:[^\W\d_]+|\d{1,4})){2,9}(?=[ \t]*(?:[\r\n]|\Z))")
# What sentences have and passphrases have not.
_SENTENCE = pattern(
    r"(?:^|[ -])(?:an?|and|are|as|at|be|by|can|cannot|did|do|does|for|from|has|have|if|in|is|it"
    r"|must|no|not|of|on|only|or|should|than|that|the|this|to|too|was|will|with|your|\w+ed"
    r"|\w+ing|characters?|digits?|days?|invalid|wrong|mismatch)(?![^ -])",
    re.IGNORECASE,
)
_ITEMS = pattern(
    r"[ \t]*\r?\n(?P<items>(?:[ \t]*(?:-|(?<=[ \t])[\w.-]{1,60}:)[ \t]+\S{1,512}[ \t]*"
    r"(?:\r?\n|\Z)){1,50})"
)
_ITEM = pattern(r"(?:-|:)[ \t]+[\"']?(?P<secret>[^\s\"']+)")
_MASKED = pattern(rf"(?:[\w./-]{{1,24}}\.\.\.)?{re.escape(MASK)}")
_IN_URL = pattern(r"(?:x-(?:amz|goog)-)?(?:sig|signature|key|code)", re.IGNORECASE)
_WORD_BEFORE = pattern(r"[\w-]+(?=[ ]\Z)")
_OF_DOORS = pattern(
    r"\b(?:api|access|account|admin|bad|encryption|fernet|invalid|license|master|my|our|private|secret"
    r"|service|shared|signing|storage|subscription|us(?:e|ed|ing)|wandb|with|wrong|your)[ ]\Z",
    re.IGNORECASE,
)
# host=db user=etl password=..., export PASSWORD=..., --env PASSWORD=...
_IN_SETTINGS = pattern(r"(?:\w=[^\s,;(]{1,20}|\b(?:export|set|ENV|ARG|env|-e|-arg|-D)) \Z|-D\Z")
# What a name says behind other words: behind any, and behind those of `_OF_DOORS`.
_WEIGHED: dict[str, tuple[Secrecy, Secrecy]] = {
    "if-opaque": ("", "if-random"),
    "if-mixed": ("if-random", "if-mixed"),
}
_LONG_RUN = pattern(r"[A-Za-z0-9+/]{12}")
_UUID = pattern(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_CREDENTIAL = pattern(r"[A-Z]\w*(?:Credentials?|Auth|Token|Key)")
_NO_LIST = (-1, -1)
_NEXT_LINE = pattern(r"[ \t]*\r?\n[ \t]*(?=\S+[ \t]*(?:[\r\n]|\Z))")
# What a long value begins with tells what it is.
_JUDGED = 200


def named_spans(text: str, clues: Iterable[str]) -> Iterator[Span]:
    """Yield where values of secret names stand, told by the parts of names in the text."""
    search = _Search(text)
    done = 0
    # Logs repeat themselves: what was innocent between the same words still is.
    innocent: set[tuple[str, int]] = set()
    for start, end in places_of_names(folded(text), clues):
        begin = max(0, start - 70)
        context = text[begin : end + 2 * _JUDGED], start - begin
        if end <= done or context in innocent:
            continue
        known = True
        if secrecy := _secrecy(text[start:end], text[max(0, start - 20) : start]):
            search.looked_far = False
            for secret in search.spans(start, end, secrecy):
                yield Span(*secret, "credential")
                done, known = max(done, secret[1]), False
            known = known and not search.looked_far
        if known and len(innocent) < 1000:
            innocent.add(context)
    for pair in _VALUE_BEFORE_NAME.finditer(text) if "alue" in text else ():
        if is_secret(presumed_secrecy(pair["name"]), pair["secret"]) and MASK not in pair[0]:
            yield Span(pair.start("secret"), pair.end("secret"), "credential")


def _secrecy(name: str, before: str) -> Secrecy:
    """Return what a name says, with the words before it."""
    secrecy = presumed_secrecy(name)
    if before[-1:] in ("?", "&", ";") and _IN_URL.fullmatch(name):
        return "if-random"
    if (
        secrecy in _WEIGHED
        and name.isalpha()
        and name.islower()
        and _WORD_BEFORE.search(before)
    ):
        # "cache key: ..." opens nothing, nor does "unexpected token: ...".
        return _WEIGHED[secrecy][_OF_DOORS.search(before) is not None]
    if not secrecy and name.lower() == "code" and (word := _WORD_BEFORE.search(before)):
        return secrecy_of(f"{word[0]} {name}")
    return secrecy


class _Search:
    """Finds what names announce in one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._rows = Rows(text)
        # Up to here, no bracket holds anything secret.
        self._harmless = 0
        # Where the last value without quotation marks ends, as those do that begin within it.
        self._bare_end = 0
        # Whether more was looked at than `_JUDGED` characters behind the last name.
        self.looked_far = False

    def spans(self, start: int, end: int, secrecy: Secrecy) -> Iterator[tuple[int, int]]:
        """Yield where the secrets stand that a name announces."""
        text = self._text
        if cells := [*self._rows.spans(start, end, secrecy)]:
            yield from cells
        elif behind := _BEHIND_NAME.match(text, end):
            before = text[max(0, start - 20) : start]
            yield from self._behind(behind, start, text[start:end], before, secrecy)

    def _behind(
        self, behind: re.Match[str], start: int, name: str, before: str, secrecy: Secrecy
    ) -> Iterator[tuple[int, int]]:
        """Yield where the secrets stand that follow a name."""
        text, position, sign = self._text, behind.end(), behind["sign"] or ""
        # arn:aws:secretsmanager:...:secret:name, and types such as AWS::KMS::Key
        if sign == ":" and ":" in (before[-1:], text[position : position + 1]):
            return
        if before[-2:] == "::" and name[0].isupper():
            return
        if sign[:1] == ">" and before[-1:] == "<":
            # <password> is a placeholder unless a closing tag follows.
            tag = text.find("<", position, position + LONGEST_VALUE)
            if not text.startswith("</", tag):
                return
        if sign[-1:] == ":" and (items := _ITEMS.match(text, position)):
            self.looked_far = True
            for item in _ITEM.finditer(text, *items.span("items")):
                if is_secret(secrecy, item["secret"]) and is_random(item["secret"]):
                    yield item.span("secret")
        elif found := self._value(behind, start, name, before, secrecy):
            yield found

    def _value(
        self, behind: re.Match[str], start: int, name: str, before: str, secrecy: Secrecy
    ) -> tuple[int, int] | None:
        """Return where the one value stands that follows a name, if it is secret."""
        text, position, sign = self._text, behind.end(), behind["sign"] or ""
        if behind["comma"]:
            return self._neighbour(start, behind, name, secrecy)
        if behind["call"]:
            if not _CREDENTIAL.fullmatch(name):
                return None
            secrecy, sign = "if-random", "("
        if behind["gap"]:
            if not name.startswith("--"):
                return None if before[-1:] == "=" else self._told(position, secrecy)
            position = behind.end("gap")
        bracket = text[position : position + 1] in CLOSING
        header = ":" in sign and name.lower().endswith(("authorization", "cookie"))
        if position < self._harmless and (bracket or header):
            self.looked_far = True
            return None
        if bracket and secrecy == "if-opaque":
            return None
        if ":" in sign and (annotation := _ANNOTATION.match(text, position)):
            position = annotation.end()
        if _MASKED.match(text, position):
            return None
        if sign[-1:] in ("=", ":") and (below := _NEXT_LINE.match(text, position)):
            return self._told(below.end(), secrecy)
        self.looked_far = True
        if (block := indented_below(text, position)) is not None:
            shown = text[slice(*block)]
            secret = secrecy == "any-text" or holds_random(shown)
            return block if secret and not _MASKED.fullmatch(shown) else None
        if (
            bracket
            and not _PLACEHOLDER.match(text, position)
            and (listed := self._inside_brackets(position, name, secrecy)) != _NO_LIST
        ):
            return listed
        self.looked_far = False
        if opening := _OPENING.match(text, position):
            # The end of a text that ends with a name: input("password: ")
            ends = sign and opening["mark"] == before[-1:] and opening["mark"] not in sign
            return None if ends else self._quoted(opening, secrecy)
        if header:
            return self._header(position)
        return self._bare(position, secrecy, name, sign, before)

    def _between(self, opening: re.Match[str]) -> tuple[int, int]:
        """Return where a value in quotation marks stands."""
        return opening.end(), closing_mark(self._text, opening.end(), opening["mark"])

    def _quoted(self, opening: re.Match[str], secrecy: Secrecy) -> tuple[int, int] | None:
        """Return where a value in quotation marks stands, if it is secret."""
        text = self._text
        begin, end = self._between(opening)
        begin = past_scheme(text, begin, end)
        if "f" in opening["f"].lower() and "{" in text[begin:end]:
            return None
        return (begin, end) if is_secret(secrecy, text[begin:end]) else None

    def _header(self, position: int) -> tuple[int, int] | None:
        """Return where the value of a header stands, which takes up the line."""
        self.looked_far = True
        text = self._text
        begin = past_scheme(text, position)
        end = line_end(text, begin)
        while end > begin and text[end - 1] in " \t\"'":
            end -= 1
        if holds_random(text[begin:end]):
            return begin, end
        self._harmless = end
        return None

    def _run(self, position: int) -> tuple[int, int]:
        """Return where a value without quotation marks stands."""
        text = self._text
        if position >= self._bare_end:
            bare = _BARE.match(text, position, position + LONGEST_VALUE)
            self._bare_end = bare.end() if bare else position
        end = self._bare_end
        while end > position and text[end - 1] in ".:":
            end -= 1
        return position, end

    def _bare(
        self, position: int, secrecy: Secrecy, name: str, sign: str, before: str
    ) -> tuple[int, int] | None:
        """Return where a secret value without quotation marks stands."""
        text = self._text
        begin, end = self._run(past_scheme(text, position))
        secret = text[begin : min(end, begin + _JUDGED)]
        if secrecy == "any-text" and sign and (phrase := _PHRASE.match(text, begin)):
            return None if _SENTENCE.search(phrase[0]) else phrase.span()
        if not is_secret(secrecy, secret) or _MASKED.match(secret):
            return None
        if secret.rpartition(".")[2].lower() == name.lower():
            return None
        if secrecy in ("any-text", "if-mixed") and not is_random(secret):
            # A call, an argument or an attribute in code, the next word of a sentence.
            if secret[-1:] in ("(", "["):
                return None
            if sign == "=" and _IN_SETTINGS.search(before):
                return begin, end
            code = before[-1:] in ("(", " ") or text[end : end + 1] in (")", ",", "(", "[")
            code = code or (secrecy == "if-mixed" and "= " in sign)
            named = "_" in secret or "." in secret or secret.lower() == name.lower()
            if _IDENTIFIER.match(secret) and (code or named) and is_word(secret):
                return None
            if secret.isdigit() and len(secret) < 4:
                return None
            if ":" in sign and text[end : end + 1] not in ("", "\n", "\r", ","):
                return None
        return begin, end

    def _told(self, position: int, secrecy: Secrecy) -> tuple[int, int] | None:
        """Return where a value stands that a sentence or a table names, if it is random."""
        opening = _OPENING.match(self._text, position)
        begin, end = self._between(opening) if opening else self._run(position)
        secret = self._text[begin:end]
        if secrecy == "if-code" and secret.isdigit():
            return (begin, end) if is_secret(secrecy, secret) else None
        least = (6 if opening else 8) if secrecy == "any-text" else 16 if opening else 20
        if len(secret) < least or "(" in secret or "=" in secret.rstrip("="):
            return None
        chosen = opening and secrecy == "any-text" and is_mixed(secret)
        if "{" in secret or _UUID.fullmatch(secret) or not (chosen or is_random(secret)):
            return None
        # The names of Kubernetes' objects are random to some degree.
        if secrecy != "any-text" and not _LONG_RUN.search(secret):
            return None
        return (begin, end) if is_secret(secrecy, secret) else None

    def _neighbour(
        self, start: int, behind: re.Match[str], name: str, secrecy: Secrecy
    ) -> tuple[int, int] | None:
        """Return where the secret stands that is in a list beside its name, or None."""
        text = self._text
        opening = _OPENING.match(text, behind.end())
        if opening is None:
            return None
        begin, end = self._between(opening)
        before, secret = text[max(0, start - 6) : start] + name, text[begin:end]
        if "f" in opening["f"].lower() and "{" in secret:
            return None
        flag = _FLAG_BEFORE.search(before)
        pair = flag or _PAIR_BEFORE.search(before)
        if pair is None or pair[1] != behind["comma"][0] or secret[:1] in ("", "-"):
            return None
        if not flag:
            # Columns and their types, steps and their estimators come in pairs, too.
            header = _HEADER.fullmatch(name) and " " in secret
            if not _PAIR_BEHIND.match(text, end) or not (header or is_random(secret)):
                return None
        begin = past_scheme(text, begin, end)
        return (begin, end) if is_secret(secrecy, text[begin:end]) else None

    def _inside_brackets(
        self, position: int, name: str, secrecy: Secrecy
    ) -> tuple[int, int] | None:
        """Return where the secrets of a list or a mapping stand.

        Returns:
            Beginning and end; None when there are none; `_NO_LIST` when the value is neither,
            but begins with a bracket.
        """
        text = self._text
        end = matching_bracket(text, position)
        inner = text[position + 1 : end]
        if _MASKED.fullmatch(inner.strip()):
            return None
        closed = text[end : end + 1] == CLOSING[text[position]]
        goes_on = not inner.strip() and _GOES_ON.match(text, end + 1)
        if closed and not inner.strip() and not goes_on:
            return None
        if not closed and not QUOTE.search(inner, 0, 200) and not holds_random(inner[:400]):
            self._harmless = position + 1 + min(len(inner), 400)
            return _NO_LIST
        if closed and text[position] == "(" and name.lower().endswith(("auth", "auths")):
            last = _QUOTED_LAST.search(inner)
            if last is None:
                return (position + 1, end) if holds_random(_QUOTED.sub("", inner)) else None
            if not is_secret("any-text", last["secret"]):
                return None
            return position + 1 + last.start("secret"), position + 1 + last.end("secret")
        if holds_random(inner.replace(MASK, "")):
            return position + 1, end
        self._harmless = end
        if not closed or goes_on:
            return _NO_LIST
        texts = [found[1] for found in _QUOTED.findall(inner)]
        # Names of secrets are what the reader needs.
        told = secrecy == "any-text" and ":" not in inner and texts
        if told and not all(is_empty(it) or presumed_secrecy(it) or it == MASK for it in texts):
            return position + 1, end
        return None
