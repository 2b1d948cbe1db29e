"""The content of a mail, built from an alert: cleaned, redacted and cut to size."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from ..alert import Alert
from ..attachment import Attachment
from ..clean import clean_line, clean_text
from ..redaction.redact import Redactor
from .content import Content
from .headline import (
    first_screen,
    is_named,
    moment_text,
    origin_of,
    preheader_of,
    title_from,
)
from .links import true_host
from .plain_html import Rendered, from_plain
from .safe_texts import Limits, SafeTexts
from .shield import Shield
from .traceback_view import TracebackView, view_traceback
from .values import attempt, flattened, format_value, plain_mapping

if TYPE_CHECKING:
    from .pictures import Picture
    from .summaries import Metric, Step
    from .tables import Table

__all__ = ["ContentBuilder"]

_LABELS: Final = {
    "info": ("Information", "i"),
    "success": ("Success", "✓"),
    "warning": ("Warning", "!"),
    "error": ("Error", "✕"),
    "critical": ("Critical", "✕"),
}
_LONGEST_URL: Final = 2000
_LONGEST_HEADER: Final = 900
_FIRST_FACTS: Final = 8
_MOST_PICTURES: Final = 100
_NAMES_OF_FILES: Final = ("filename", "content_type", "content_id", "alt")
_SCALARS: Final = (str, int, float, bool, type(None))

_Item = TypeVar("_Item")
_Named = TypeVar("_Named", bound=NamedTuple)
_Section = tuple[str, Sequence[tuple[str, str]]]


class ContentBuilder:
    """Builds the content of a mail from an alert.

    Args:
        alert: What happened.
        redactor: Removes the secrets and counts them; it belongs to the builder from now on.
        limits: How much the mail may hold.
        subject: The subject, if it is not the alert's title.
        subject_prefix: What precedes the subject.
        time_zone: The readers' time zone, such as "Europe/Berlin"; "" for UTC alone.
        pass_through: Exceptions that end the program and are never caught.

    Attributes:
        prefix: What precedes the subject, redacted; known after `content`.
        list_id: What receivers can filter by, redacted; known after `content`.
        html: The alert's own HTML part, redacted, or None.
        headers: The alert's headers, redacted.
        spilled_files: Files made of what is too long for the mail; complete after `content`.
    """

    def __init__(
        self,
        alert: Alert,
        redactor: Redactor,
        limits: Limits,
        *,
        subject: str = "",
        subject_prefix: str = "",
        time_zone: str = "",
        pass_through: tuple[type[BaseException], ...] = (),
    ) -> None:
        self._time_zone = time_zone
        self._alert = alert
        self._subject = subject or alert.subject
        self._redactor = redactor
        self._limits = limits
        self._pass_through = pass_through
        self._safe = SafeTexts(redactor)
        self._shield = Shield(redactor, pass_through)
        self._notes: list[str] = []
        self._pictures: list[Picture] = []
        self.spilled_files: list[Attachment] = []
        self._subject_prefix = subject_prefix
        self.prefix = self.list_id = ""
        redactor.place = "the HTML part"
        self.html = None if alert.html is None else self._safe.whole(alert.html)
        redactor.place = "headers"
        self.headers = self._headers() if alert.headers else {}
        redactor.place = "names of files"
        self._given = tuple(map(self._safe_attachment, alert.attachments))

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """All files of the mail; complete after `content`."""
        pictures = (item.attachment for item in self._pictures)
        return (*pictures, *self.spilled_files, *self._given)

    def content(self) -> Content:
        """Return what goes into the mail."""
        alert, limits = self._alert, self._limits
        label, symbol = _LABELS[alert.severity]
        self._redactor.place = "the details"
        facts, sections = self._facts()
        self._redactor.place = "the message"
        sentences = self._first(alert.next_steps, limits.next_steps, "next steps")
        given = {
            "prefix": (self._subject_prefix, limits.title),
            "list id": (alert.list_id, len(alert.list_id)),
            "subject": (self._subject, limits.title),
            "title": (alert.title, limits.title),
            "body": (alert.body, limits.body),
            "error": (alert.error, limits.error),
            "history": (alert.history, limits.line),
            "url": (alert.url, _LONGEST_URL),
            "label": (alert.url_label, limits.cell),
            "command": (alert.command, limits.line),
        }
        lines = [(sentence, limits.line) for sentence in sentences]
        # In one go: together they take one search for secrets.
        texts = iter(self._safe.many([*given.values(), *lines, *self._cells(facts)]))
        safe = dict(zip(given, texts))  # noqa: B905 - the others follow
        next_steps = list(islice(texts, len(lines)))
        facts = list(zip(texts, texts, strict=True))
        self.prefix, self.list_id = safe["prefix"], safe["list id"]
        subject = clean_line(safe["subject"], limit=limits.title)
        title = clean_line(safe["title"], limit=limits.title + 60)
        body, error = safe["body"].strip("\n"), safe["error"].strip()
        url = _as_url(safe["url"])
        origin, facts = origin_of(facts)
        if len(facts) > _FIRST_FACTS:
            sections.insert(0, ("More facts", facts[_FIRST_FACTS:]))
            del facts[_FIRST_FACTS:]
        if not title:
            title, body = title_from(subject, body, label)
        facts = [
            fact
            for fact in facts
            if fact[0] != "Step" or not is_named(f"{title}\n{body}", fact[1])
        ]
        plain = alert.body_format == "plain"
        render = from_plain if plain else _from_markdown
        first, rest = first_screen(body, plain=plain)
        rendered, more = render(first), render(rest)
        traceback = self._traceback(error) if alert.traceback else None
        if alert.images:
            self._load_pictures()
        lang, direction = "en", "ltr"
        if not (title.isascii() and body.isascii()):
            from .language import language_of

            lang, direction = language_of(f"{title}\n{body[:2000]}")
        steps, steps_note = self._steps(error) if alert.steps else ((), "")
        return Content(
            subject=subject or title,
            title=title,
            preheader=preheader_of(subject or title, error, rendered.text, facts) or origin,
            origin=origin,
            history=clean_line(safe["history"], limit=limits.line),
            severity=alert.severity,
            label=label,
            symbol=symbol,
            lang=lang,
            dir=direction,
            message=f"{rendered.text}\n\n{more.text}" if rest else rendered.text,
            message_html=rendered.html,
            more_html=more.html,
            facts=facts,
            sections=sections,
            error=error,
            next_steps=next_steps,
            url=url,
            url_label=_honest(safe["label"], url),
            command=safe["command"],
            links=self._links() if alert.links else (),
            metrics=self._metrics() if alert.metrics or alert.baseline else (),
            has_baseline=bool(alert.baseline),
            tables=self._tables() if alert.tables else (),
            pictures=self._pictures,
            steps=steps,
            steps_note=steps_note,
            traceback=traceback,
            log=self._log() if alert.log else "",
            notes=self._notes,
            redactions=self._redactor.count,
            redacted=self._redactor.summary(),
            occurred_at=moment_text(alert.occurred_at, self._time_zone),
        )

    def note(self, sentence: str) -> None:
        """Add a sentence to the notes at the end of the mail."""
        self._notes.append(self._safe.one(sentence, self._limits.line))

    def _first(self, items: Collection[_Item], most: int, what: str) -> list[_Item]:
        """Return as many items as the mail shows, and note how many it does not."""
        if len(items) > most:
            self.note(f"{len(items) - most:,} more {what} are not shown.")
        return list(islice(items, most))

    def _cells(self, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, int]]:
        cell, line = self._limits.cell, self._limits.line
        return [one for name, value in pairs for one in ((name, cell), (value, line))]

    def _format(self, value: object) -> str:
        return attempt(lambda: format_value(value), value, self._pass_through)

    # --- facts

    def _facts(self) -> tuple[list[tuple[str, str]], list[_Section]]:
        """Return labels and values as they are, and sections that are safe already."""
        limits, given = self._limits, self._alert.facts.items()
        pairs: list[tuple[str, str]] = []
        sections: list[_Section] = []
        for label, value in self._first(given, limits.facts, "facts"):
            secrecy = self._shield.secrecy_of(label)
            if secrecy or type(value) not in _SCALARS:
                value = self._shield.mask(value, secrecy)
                if inner := plain_mapping(value):
                    if label == "Parameters" and self._alert.changed:
                        inner = _changed_first(inner, self._alert.changed)
                    sections.append((self._safe.one(label, limits.cell), self._section(inner)))
                    continue
            pairs.append((label, self._format(value)))
        return pairs, sections

    def _section(self, mapping: Mapping[Any, Any]) -> Sequence[tuple[str, str]]:
        try:
            pairs = flattened(mapping)
        except self._pass_through:
            raise
        except Exception as error:
            pairs = [("", f"It cannot be shown: {type(error).__name__}")]
        texts = iter(self._safe.many(self._cells(pairs[: self._limits.entries])))
        shown = list(zip(texts, texts, strict=True))
        left = max(len(pairs), len(mapping)) - len(shown)
        return [*shown, ("", f"{left:,} more are not shown.")] if left > 0 else shown

    # --- the rest

    def _links(self) -> list[tuple[str, str]]:
        self._redactor.place = "links"
        links = self._first(self._alert.links.items(), self._limits.links, "links")
        shown = self._safe.rows(links, self._limits.cell, _LONGEST_URL)
        return [(_honest(label, url), _as_url(url)) for label, url in shown]

    def _cleaned(self, items: Sequence[_Named], **limits: int) -> list[_Named]:
        """Return named tuples with these of their texts clean, safe and cut."""
        rows = self._safe.rows(
            ([getattr(item, name) for name in limits] for item in items), *limits.values()
        )
        return [
            item._replace(**dict(zip(limits, row, strict=True)))
            for item, row in zip(items, rows, strict=True)
        ]

    def _load_pictures(self) -> None:
        from .pictures import load_pictures

        self._redactor.place = "pictures"
        limit = self._limits.line
        images = islice(self._alert.images, _MOST_PICTURES)
        pictures, missing = load_pictures(images, pass_through=self._pass_through)
        for picture in self._cleaned(pictures, alt=limit, caption=limit):
            file = picture.attachment.model_copy(update={"alt": picture.alt})
            self._pictures.append(picture._replace(attachment=file))
        for sentence in missing:
            self.note(sentence)

    def _metrics(self) -> Sequence[Metric]:
        from .summaries import metric_line

        self._redactor.place = "metrics"
        limits, metrics, baseline = self._limits, self._alert.metrics, self._alert.baseline
        lines: list[Metric] = []
        names = dict.fromkeys((*metrics, *baseline))
        for name in self._first(names, limits.metrics, "metrics"):
            try:
                lines.append(metric_line(name, metrics, baseline))
            except self._pass_through:
                raise
            except Exception as error:
                self.note(f'The metric "{name}" cannot be shown: {type(error).__name__}.')
        cell = limits.cell
        return self._cleaned(lines, name=cell, value=cell, baseline=cell, change=cell)

    def _tables(self) -> Sequence[Table]:
        from .safe_tables import SafeTables

        self._redactor.place = "tables"
        tables = SafeTables(self._safe, self._shield, self._limits)
        shown = tables.shown(self._alert.tables)
        self.spilled_files += tables.files
        for sentence in tables.notes:
            self.note(sentence)
        return shown

    def _steps(self, error: str) -> tuple[Sequence[Step], str]:
        from .summaries import steps_table

        self._redactor.place = "steps"
        limits = self._limits
        lines, note = steps_table(self._alert.steps, limits.steps)
        cell, line = limits.cell, limits.line
        steps = self._cleaned(lines, name=cell, status=cell, reason=line, url=_LONGEST_URL)
        # What is said above already is not said again.
        steps = [step._replace(reason="") if step.reason == error else step for step in steps]
        return steps, self._safe.one(note, line)

    def _headers(self) -> dict[str, str]:
        headers = {}
        for name, value in self._alert.headers.items():
            if self._safe.whole(name) == clean_text(name):
                headers[name] = self._safe.one(value, _LONGEST_HEADER)
            else:
                self.note("A header was left out because its name contains a secret.")
        return headers

    def _safe_attachment(self, file: Attachment) -> Attachment:
        given = {name: getattr(file, name) for name in _NAMES_OF_FILES}
        safe = dict(zip(given, self._safe.all(list(given.values())), strict=True))
        if safe == given:
            return file
        if safe["content_type"] != file.content_type:
            safe["content_type"] = "application/octet-stream"
        return file.model_copy(update=safe)

    # --- the traceback and the log

    def _log(self) -> str:
        self._redactor.place = "the log"
        return self._safe.tail(self._alert.log.strip("\n"), self._limits.traceback_tail)

    def _traceback(self, error: str) -> TracebackView:
        self._redactor.place = "the traceback"
        limits, source = self._limits, self._alert.traceback.strip("\n")
        tail, omitted, between = "", 0, ""
        attached = "The whole traceback is"
        if len(source) > limits.traceback_head + limits.traceback_tail:
            head = self._safe.head(source, limits.traceback_head)
            tail = self._safe.tail(source, limits.traceback_tail)
            lines = source.count("\n") + 1
            omitted = max(1, lines - head.count("\n") - tail.count("\n") - 2)
            between = f"\n\n[... {omitted:,} lines left out ...]\n\n"
            attached = f"The traceback has {lines:,} lines; its beginning and its end are"
        else:
            head = self._safe.whole(source)
        view = view_traceback(
            head,
            tail,
            error=error,
            omitted=omitted,
            lines=limits.traceback_lines,
            width=limits.traceback_width,
        )
        if view.omitted or view.clipped:
            self.note(f"{attached} attached as traceback.txt.")
            self.spilled_files.append(
                Attachment(
                    filename="traceback.txt",
                    content_type="text/plain; charset=utf-8",
                    content=f"{head}{between}{tail}\n".encode("utf-8", "replace"),
                )
            )
        return view


def _from_markdown(text: str) -> Rendered:
    from .markdown import from_markdown

    return from_markdown(text)


def _changed_first(parameters: Mapping[Any, Any], changed: Sequence[str]) -> Mapping[Any, Any]:
    first = {f"{name} (changed)": parameters[name] for name in changed if name in parameters}
    others = {name: value for name, value in parameters.items() if name not in changed}
    return {**first, **others}


def _honest(label: str, url: str) -> str:
    """Return a link's label, with the host that it leads to where it hides that."""
    host = true_host(url, label)
    return f"{label} (leads to {host})" if host else label


def _as_url(text: str) -> str:
    return clean_line(text, limit=_LONGEST_URL + 100)
