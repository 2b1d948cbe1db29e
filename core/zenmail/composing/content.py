"""What of an alert goes into its mail: cleaned, cut to size and redacted, ready to render."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timezone
from itertools import islice
from typing import Any, Final, NamedTuple

from ..alert import Alert
from ..attachment import Attachment
from ..clean import clean_line, clean_text
from ..redaction.names import Secrecy, secrecy_of
from ..redaction.redact import Redactor
from .markdown import from_markdown, from_plain
from .pictures import Picture, load_pictures
from .tables import (
    Metric,
    Step,
    Table,
    flattened,
    format_value,
    is_number,
    metrics_table,
    plain_mapping,
    steps_table,
    to_table,
)
from .traceback_view import TracebackView, view_traceback

__all__ = ["Content", "Limits", "Maker"]

LABELS: Final = {
    "info": ("Information", "i"),
    "success": ("Success", "✓"),
    "warning": ("Warning", "!"),
    "error": ("Error", "✕"),
    "critical": ("Critical", "✕"),
}
# A secret that begins before a cut and ends behind it is seen whole within this.
_OVERLAP: Final = 8192
_SHORT_MESSAGE: Final = 600
_FIRST_FACTS: Final = 8
_SCALARS: Final = (str, int, float, bool, type(None))

_LETTER: Final = re.compile(r"[^\W\d_]")
_RIGHT_TO_LEFT: Final = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc"
_SCRIPTS: Final = {
    "he": "\u0590-\u05ff",
    "ar": "\u0600-\u06ff",
    "ja": "\u3040-\u30ff",
    "ko": "\uac00-\ud7af",
    "zh": "\u4e00-\u9fff",
    "ru": "\u0400-\u04ff",
    "el": "\u0370-\u03ff",
    "th": "\u0e00-\u0e7f",
}
_MARKS: Final = re.compile(r"^[ #>*`_-]+|[*`_ ]+$")


@dataclass(frozen=True)
class Limits:
    """How much of each thing a mail holds: characters, or how many of them."""

    title: int = 200
    body: int = 10_000
    error: int = 1_500
    line: int = 600
    cell: int = 160
    traceback_head: int = 12_000
    traceback_tail: int = 24_000
    traceback_width: int = 300
    traceback_lines: int = 60
    facts: int = 40
    entries: int = 40
    next_steps: int = 10
    links: int = 20
    metrics: int = 40
    steps: int = 40
    tables: int = 6
    rows: int = 20
    columns: int = 6

    def scaled(self, factor: float) -> Limits:
        """Return smaller limits."""
        if factor >= 1:
            return self
        return replace(
            self,
            **{
                item.name: max(
                    2 if (value := getattr(self, item.name)) < 100 else 80, int(value * factor)
                )
                for item in fields(self)
            },
        )


class Content(NamedTuple):
    """What a template is given: cleaned, cut and redacted, but not escaped.

    Attributes:
        subject: The subject, without prefix.
        title: What happened.
        severity: The alert's severity: "info", "success", "warning", "error", "critical".
        label: The severity in words.
        symbol: The severity as a sign.
        lang: The language, as far as the script tells it.
        dir: "ltr" or "rtl".
        message: The body as text.
        message_html: The body as HTML; escaped already.
        long_message: Whether the body is too long for the first screen.
        facts: Labels and values.
        sections: Titles, each with labels and values.
        error: The exception.
        next_steps: What the reader should do.
        url: Where to read more.
        url_label: What stands on its button.
        links: Labels and addresses.
        metrics: Lines of the metrics table.
        has_baseline: Whether the metrics are compared with others.
        tables: Bounded tables.
        pictures: Inline pictures.
        steps: Lines of the run's summary.
        steps_note: What of the summary was left out.
        traceback: What is shown of the traceback, or None.
        notes: What was cut, or could not be shown.
        redactions: How many secrets were taken out.
        occurred_at: When it happened.
    """

    subject: str
    title: str
    severity: str
    label: str
    symbol: str
    lang: str
    dir: str
    message: str
    message_html: str
    long_message: bool
    facts: Sequence[tuple[str, str]]
    sections: Sequence[tuple[str, Sequence[tuple[str, str]]]]
    error: str
    next_steps: Sequence[str]
    url: str
    url_label: str
    links: Sequence[tuple[str, str]]
    metrics: Sequence[Metric]
    has_baseline: bool
    tables: Sequence[Table]
    pictures: Sequence[Picture]
    steps: Sequence[Step]
    steps_note: str
    traceback: TracebackView | None
    notes: Sequence[str]
    redactions: int
    occurred_at: str


class Maker:
    """Makes the content of a mail from an alert.

    Args:
        alert: What happened.
        redactor: What takes the secrets out, and counts them; it is the maker's from here on.
        limits: How much the mail may hold.
        subject: The subject, when it is not the alert's title.
        subject_prefix: What stands before the subject.
        pass_through: Exceptions that end the program and are never caught.

    Attributes:
        prefix: What stands before the subject, redacted.
        html: The alert's own HTML part, redacted, or None.
        headers: The alert's headers, redacted.
        attachments: The alert's attachments, their names redacted, and those that were made
            of what is too long for the mail.
    """

    def __init__(
        self,
        alert: Alert,
        redactor: Redactor,
        limits: Limits,
        *,
        subject: str = "",
        subject_prefix: str = "",
        pass_through: tuple[type[BaseException], ...] = (),
    ) -> None:
        self._alert = alert
        self._subject = subject
        self._redactor = redactor
        self._limits = limits
        self._pass_through = pass_through
        self._notes: list[str] = []
        self._made: list[Attachment] = []
        # Most alerts hold nothing to clean or redact: one look at all of it tells.
        whole = self._simple_text(subject, subject_prefix)
        self._unclean = whole is None or clean_text(whole) is not whole
        self._suspect = whole is None or redactor.narrow(clean_text(whole))
        self.prefix = self._text(subject_prefix, limits.title)
        self.html = None if alert.html is None else self._whole(alert.html)
        self.headers = {name: self._text(value, 900) for name, value in alert.headers.items()}
        self._pictures: list[Picture] = []
        self._given = self._attachments(alert.attachments)

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """All files of the mail; complete after `content`."""
        return (*(item.attachment for item in self._pictures), *self._made, *self._given)

    @property
    def made(self) -> Sequence[Attachment]:
        """The files that were made of what is too long; complete after `content`."""
        return self._made

    def content(self) -> Content:
        """Return what goes into the mail."""
        alert, limits, text = self._alert, self._limits, self._text
        subject = self._subject
        if subject:
            subject = clean_line(text(subject, limits.title), limit=limits.title)
        title = clean_line(text(alert.title, limits.title), limit=limits.title + 60)
        body = text(alert.body, limits.body).strip("\n")
        if not title:
            title, body = _title_from(subject, body, LABELS[alert.severity][0])
        rendered = (from_plain if alert.body_format == "plain" else from_markdown)(body)
        facts, sections = self._facts() if alert.facts else ([], [])
        traceback = self._traceback() if alert.traceback else None
        if alert.images:
            self._pictures, missing = load_pictures(
                (
                    image.model_copy(
                        update={
                            "alt": text(image.alt, limits.line),
                            "caption": text(image.caption, limits.line),
                        }
                    )
                    for image in islice(alert.images, 100)
                ),
                pass_through=self._pass_through,
            )
            self._notes += (self._text(note, limits.line) for note in missing)
        lang, direction = "en", "ltr"
        if not (title.isascii() and body.isascii()):
            lang, direction = _language(f"{title}\n{body[:2000]}")
        steps, steps_note = self._steps() if alert.steps else ((), "")
        label, symbol = LABELS[alert.severity]
        return Content(
            subject=subject or title,
            title=title,
            severity=alert.severity,
            label=label,
            symbol=symbol,
            lang=lang,
            dir=direction,
            message=rendered.text,
            message_html=rendered.html,
            long_message=len(body) > _SHORT_MESSAGE or body.count("\n") > 10,
            facts=facts,
            sections=sections,
            error=text(alert.error, limits.error).strip() if alert.error else "",
            next_steps=self._some(alert.next_steps, limits.next_steps, "next steps"),
            url=self._url(alert.url) if alert.url else "",
            url_label=text(alert.url_label, limits.cell),
            links=self._links() if alert.links else (),
            metrics=self._metrics() if alert.metrics or alert.baseline else (),
            has_baseline=bool(alert.baseline),
            tables=self._tables() if alert.tables else (),
            pictures=self._pictures,
            steps=steps,
            steps_note=steps_note,
            traceback=traceback,
            notes=self._notes,
            redactions=self._redactor.count,
            occurred_at=_moment(alert.occurred_at),
        )

    def note(self, sentence: str) -> None:
        """Add a sentence to the notes at the end of the mail."""
        self._notes.append(sentence)

    # --- one text

    def _simple_text(self, *more: str) -> str | None:
        """Return all that the mail will be made of; None when that is not simple to tell."""
        alert = self._alert
        if (
            alert.tables
            or alert.images
            or alert.steps
            or alert.metrics
            or alert.baseline
            or alert.links
            or alert.html is not None
            or len(alert.body) > self._limits.body
            or len(alert.traceback) > self._limits.traceback_head
            or len(alert.facts) > 40
        ):
            return None
        pieces = [
            *more,
            alert.title,
            alert.body,
            alert.error,
            alert.traceback,
            alert.url,
            alert.url_label,
            *alert.next_steps,
            *alert.headers.values(),
            *(item.filename for item in alert.attachments),
        ]
        for label, value in alert.facts.items():
            pieces.append(label)
            if type(value) is str:
                pieces.append(value)
            elif not isinstance(value, _SCALARS):
                return None
        return "\n".join(pieces)

    def _text(self, value: str, limit: int) -> str:
        """Return a text that is clean, without secrets, and not longer than the limit."""
        length = len(value)
        if length <= limit:
            return self._whole(value)
        window = value[: limit + _OVERLAP]
        safe = self._whole(window)
        # What stands at the end of a window may be half a secret.
        end = len(safe) - (_OVERLAP if length > len(window) else 0)
        if len(safe) <= limit and length <= len(window):
            return safe
        shown = safe[: max(0, min(limit, end))].rstrip()
        return f"{shown} [... {length - len(shown):,} characters left out ...]"

    def _whole(self, value: str) -> str:
        if self._unclean:
            value = clean_text(value)
        return self._redactor.text(value) if self._suspect else value

    def _format(self, value: object) -> str:
        """Return a value as text; an object that cannot be printed loses nothing else."""
        if type(value) is str:
            return value
        try:
            return format_value(value)
        except self._pass_through:
            raise
        except Exception as error:
            return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"

    def _some(self, items: Sequence[str], limit: int, what: str) -> Sequence[str]:
        if not items:
            return items
        if len(items) > limit:
            self.note(f"{len(items) - limit:,} more {what} are not shown.")
        return [self._text(item, self._limits.line) for item in items[:limit]]

    # --- facts

    def _facts(
        self,
    ) -> tuple[list[tuple[str, str]], list[tuple[str, Sequence[tuple[str, str]]]]]:
        limits, text = self._limits, self._text
        facts: list[tuple[str, str]] = []
        sections: list[tuple[str, Sequence[tuple[str, str]]]] = []
        items = self._alert.facts
        for label, value in islice(items.items(), limits.facts):
            name = text(label, limits.cell)
            secrecy = secrecy_of(label) if self._redactor.shapes else ""
            if type(value) in _SCALARS and not secrecy:
                facts.append((name, text(self._format(value), limits.line)))
                continue
            shielded = self._shield(value, secrecy)
            inner = plain_mapping(shielded)
            if inner:
                sections.append((name, self._section(inner)))
            else:
                facts.append((name, text(self._format(shielded), limits.line)))
        if len(items) > limits.facts:
            self.note(f"{len(items) - limits.facts:,} more facts are not shown.")
        if len(facts) > _FIRST_FACTS:
            sections.insert(0, ("More facts", facts[_FIRST_FACTS:]))
            del facts[_FIRST_FACTS:]
        return facts, sections

    def _section(self, mapping: Mapping[Any, Any]) -> Sequence[tuple[str, str]]:
        try:
            pairs = flattened(mapping)
        except self._pass_through:
            raise
        except Exception as error:
            pairs = [("", f"It cannot be shown: {type(error).__name__}")]
        limits = self._limits
        shown = [
            (self._text(name, limits.cell), self._text(value, limits.line))
            for name, value in pairs[: limits.entries]
        ]
        left = max(len(pairs), len(mapping)) - len(shown)
        return [*shown, ("", f"{left:,} more are not shown.")] if left > 0 else shown

    def _shield(self, value: object, secrecy: Secrecy = "", depth: int = 0) -> object:
        """Return a value in whose depths nothing secret by its name is left."""
        kind = type(value)
        if hasattr(kind, "get_secret_value"):
            return self._redactor.masked()
        if secrecy and (value is None or kind is bool):
            return value
        if secrecy == "always":
            return value if value == "" else self._redactor.masked()
        if kind is str:
            return self._redactor.masked() if secrecy and value else value
        try:
            if is_number(value):
                return value
            if depth > 6:
                return "..."
            mapping = plain_mapping(value)
            if mapping is not None:
                return {
                    str(key): self._shield(
                        item, self._secrecy_in(mapping, key) or secrecy, depth + 1
                    )
                    for key, item in islice(mapping.items(), 200)
                }
            if isinstance(value, list | tuple | set | frozenset):
                shielded = [
                    self._shield(item, secrecy, depth + 1) for item in islice(value, 200)
                ]
                return (
                    shielded if len(value) <= 200 else [*shielded, f"{len(value) - 200:,} more"]
                )
        except self._pass_through:
            raise
        except Exception as error:
            return f"<{kind.__name__} that cannot be shown: {type(error).__name__}>"
        return self._redactor.masked() if secrecy else value

    def _secrecy_in(self, mapping: Mapping[Any, Any], key: Any) -> Secrecy:
        """Return whether the value of a key is secret, from the names alone."""
        if not self._redactor.shapes:
            return ""
        if key == "value" and "name" in mapping:
            # As Kubernetes writes variables: {"name": "DB_PASSWORD", "value": ...}.
            return secrecy_of(str(mapping["name"]))
        return secrecy_of(str(key))

    # --- the rest

    def _url(self, url: str) -> str:
        return clean_line(self._text(url, 2000), limit=2100)

    def _links(self) -> list[tuple[str, str]]:
        links = list(islice(self._alert.links.items(), self._limits.links))
        if len(self._alert.links) > len(links):
            self.note(f"{len(self._alert.links) - len(links):,} more links are not shown.")
        return [(self._text(label, self._limits.cell), self._url(url)) for label, url in links]

    def _metrics(self) -> Sequence[Metric]:
        metrics, baseline = self._alert.metrics, self._alert.baseline
        lines: list[Metric] = []
        names = dict.fromkeys((*metrics, *baseline))
        for name in islice(names, self._limits.metrics):
            try:
                lines += metrics_table(_only(name, metrics), _only(name, baseline))
            except self._pass_through:
                raise
            except Exception as error:
                self.note(f'The metric "{name}" cannot be shown: {type(error).__name__}.')
        if len(names) > self._limits.metrics:
            self.note(f"{len(names) - self._limits.metrics:,} more metrics are not shown.")
        cell = self._limits.cell
        return [Metric(*(self._text(item, cell) for item in line)) for line in lines]

    def _tables(self) -> Sequence[Table]:
        limits, tables = self._limits, []
        for title, source in islice(self._alert.tables.items(), limits.tables):
            name = self._text(title, limits.cell)
            try:
                table = to_table(name, source, rows=limits.rows, columns=limits.columns)
            except self._pass_through:
                raise
            except Exception as error:
                self.note(f'The table "{name}" cannot be shown: {type(error).__name__}.')
                continue
            tables.append(self._safe_table(table))
        if len(self._alert.tables) > limits.tables:
            self.note(f"{len(self._alert.tables) - limits.tables:,} more tables are not shown.")
        return tables

    def _safe_table(self, table: Table) -> Table:
        shapes, cell = self._redactor.shapes, self._limits.cell
        secrecies = [secrecy_of(name) if shapes else "" for name in table.columns]
        pairs = shapes and len(table.columns) == 2

        def safe(row: list[str], at: int) -> str:
            secrecy = secrecies[at] if at < len(secrecies) else ""
            if pairs and at == 1:
                secrecy = secrecy or secrecy_of(row[0])
            if secrecy and row[at] and (secrecy == "always" or at not in table.right):
                return self._redactor.masked()
            return self._text(row[at], cell)

        table.rows = [[safe(row, at) for at in range(len(row))] for row in table.rows]
        table.columns = [self._text(name, cell) for name in table.columns]
        return table

    def _steps(self) -> tuple[Sequence[Step], str]:
        lines, note = steps_table(self._alert.steps, self._limits.steps)
        text, limits = self._text, self._limits
        return [
            step._replace(
                name=text(step.name, limits.cell),
                status=text(step.status, limits.cell),
                reason=text(step.reason, limits.line),
                url=self._url(step.url),
            )
            for step in lines
        ], text(note, limits.line)

    def _traceback(self) -> TracebackView:
        limits, source = self._limits, self._alert.traceback.strip("\n")
        head, tail, omitted = source, "", 0
        if len(source) > limits.traceback_head + limits.traceback_tail:
            head = self._head(source, limits.traceback_head)
            tail = self._tail(source, limits.traceback_tail)
            omitted = max(1, source.count("\n") - head.count("\n") - tail.count("\n") - 1)
        else:
            head = self._whole(source)
        view = view_traceback(
            head,
            tail,
            omitted=omitted,
            lines=limits.traceback_lines,
            width=limits.traceback_width,
        )
        if view.omitted or view.clipped:
            if tail:
                between = f"\n\n[... {omitted:,} lines left out ...]\n\n"
                self.note(
                    f"The traceback has {source.count(chr(10)) + 1:,} lines; its beginning and "
                    "its end are attached as traceback.txt."
                )
            else:
                between = ""
                self.note("The whole traceback is attached as traceback.txt.")
            self._made.append(
                Attachment(
                    filename="traceback.txt",
                    content_type="text/plain; charset=utf-8",
                    content=f"{head}{between}{tail}\n".encode("utf-8", "replace"),
                )
            )
        return view

    def _head(self, source: str, length: int) -> str:
        safe = self._whole(source[: length + _OVERLAP])
        safe = safe[: max(0, min(length, len(safe) - _OVERLAP))]
        return safe[: safe.rfind("\n")] if "\n" in safe else safe

    def _tail(self, source: str, length: int) -> str:
        safe = self._whole(source[-(length + _OVERLAP) :])
        safe = safe[max(_OVERLAP, len(safe) - length) :]
        return safe[safe.find("\n") + 1 :]

    def _attachments(self, attachments: Iterable[Attachment]) -> tuple[Attachment, ...]:
        if not attachments:
            return ()
        return tuple(
            item
            if (name := self._redactor.text(item.filename)) == item.filename
            else item.model_copy(update={"filename": name})
            for item in attachments
        )


def _only(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values[name]} if name in values else {}


def _title_from(subject: str, body: str, label: str) -> tuple[str, str]:
    """Return a title for an alert without one, and the body without what became the title."""
    if subject:
        return subject, body
    first, _, rest = body.lstrip().partition("\n")
    title = clean_line(_MARKS.sub("", first), limit=120)
    if not title:
        return label, body
    whole = len(first) <= 120 and not first.startswith(("|", "```", "    "))
    return title, rest.lstrip("\n") if whole else body


def _language(text: str) -> tuple[str, str]:
    letters = len(_LETTER.findall(text))
    if not letters:
        return "en", "ltr"
    lang = next(
        (name for name, script in _SCRIPTS.items() if _count(script, text) * 5 > letters), "en"
    )
    return lang, "rtl" if _count(_RIGHT_TO_LEFT, text) * 5 > letters * 2 else "ltr"


def _count(script: str, text: str) -> int:
    # Compiled when it is needed: each takes some milliseconds, and the module keeps it.
    return len(re.findall(f"[{script}]", text))


def _moment(moment: datetime) -> str:
    zone = "UTC" if moment.tzinfo is timezone.utc else moment.strftime("%Z")
    return (
        f"{moment.year:04}-{moment.month:02}-{moment.day:02} "
        f"{moment.hour:02}:{moment.minute:02} {zone}".rstrip()
    )
