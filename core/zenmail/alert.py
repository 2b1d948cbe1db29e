"""What happened, before anybody decided how it looks."""

import os
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_serializer, field_validator

from .attachment import Attachment
from .clean import as_text
from .model import TEXT, TEXTS, Model, ReadBy

if TYPE_CHECKING:
    from .attachment import Attachable

__all__ = ["Alert", "Image", "Severity", "StepSummary"]

Severity = Literal["info", "success", "warning", "error", "critical"]
_MOST_SENTENCES = 1_000


def _as_sentences(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return (as_text(value),)
    # It may have no end, and the mail shows a few.
    return tuple(map(as_text, islice(value, _MOST_SENTENCES)))


Text = Annotated[str, ReadBy(as_text, TEXT)]
Sentences = Annotated[tuple[str, ...], ReadBy(_as_sentences, TEXTS)]


class Image(Model):
    """A picture for the body of an alert.

    Attributes:
        source: PNG, JPEG or GIF bytes, a base64 data: URL of them, a path, a matplotlib
            figure or a PIL image. As JSON, bytes are a data: URL.
        alt: What it shows, for those who cannot see it.
        caption: A line under the picture, or "".
    """

    source: Any
    alt: Text = ""
    caption: Text = ""

    @field_validator("source", mode="before")
    @classmethod
    def _read_data_url(cls, value: Any) -> Any:
        if isinstance(value, str) and value.startswith("data:"):
            return b64decode(value.partition(",")[2])
        return value

    @field_serializer("source", when_used="json")
    def _write_data_url(self, value: Any) -> Any:
        if isinstance(value, bytes | bytearray):
            return f"data:;base64,{b64encode(value).decode('ascii')}"
        return str(value) if isinstance(value, os.PathLike) else value


class StepSummary(Model):
    """One step in the summary of a run.

    Attributes:
        name: The step's name.
        status: How it ended: "completed", "failed", "cached" and the like.
        started: Seconds from the run's start to the step's, or None.
        seconds: How long it took, or None.
        reason: Why it failed, in a line, or "".
        url: Where to read more, or "".
    """

    name: str
    status: str
    started: float | None = None
    seconds: float | None = None
    reason: str = ""
    url: str = ""


class Alert(Model):
    """What happened.

    Raises:
        ConfigurationError: An argument is unusable.

    Attributes:
        title: What happened, in a line.
        subject: The mail's subject, or "" for the title.
        body: More about it; Markdown unless ``body_format`` is "plain".
        body_format: How to read the body.
        history: Whether it is new, in a line beside the run.
        severity: How bad it is; decides colour and importance.
        facts: Label to value, shown as a table: pipeline, run, step, parameters.
        changed: Names of the parameters that differ from the last good run's.
        error: The exception's type and message, or "".
        traceback: The traceback, verbatim, or "".
        log: The last lines of the log, verbatim, or "".
        next_steps: What the reader should do, one sentence each.
        url: Where to read more, or "".
        url_label: What stands on the button for ``url``.
        command: A shell command that shows more, where there is no ``url``; or "".
        links: Label to address of further places.
        metrics: Name to number, shown as a table.
        baseline: Name to number to compare the metrics with.
        tables: Title to rows: a DataFrame, a list of dicts, or a list of lists.
        images: Pictures shown in the body.
        attachments: Files that travel with the mail.
        steps: The steps of a run, for its summary.
        html: A whole HTML part that replaces zenmail's own, or None.
        thread: What its conversation is about, such as a run's id; alerts with the same
            value stand together in mail programs. "" for none.
        incident: The thread of an incident's first alert, in those of later runs: they join
            its conversation. "" for none.
        list_id: What receivers can filter by (RFC 2919), or "".
        headers: Further headers (``X-...``).
        occurred_at: When it happened, with time zone.
    """

    title: Text = ""
    subject: Text = ""
    body: Text = ""
    body_format: Literal["markdown", "plain"] = "markdown"
    history: Text = ""
    severity: Severity = "info"
    facts: dict[Text, Any] = Field(default_factory=dict)
    changed: Sentences = ()
    error: Text = ""
    traceback: Text = ""
    log: Text = ""
    next_steps: Sentences = ()
    url: Text = ""
    url_label: Text = "Open in the dashboard"
    command: Text = ""
    links: dict[Text, Text] = Field(default_factory=dict)
    metrics: dict[Text, Any] = Field(default_factory=dict)
    baseline: dict[Text, Any] = Field(default_factory=dict)
    tables: dict[Text, Any] = Field(default_factory=dict)
    images: tuple[Image, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    steps: tuple[StepSummary, ...] = ()
    html: Text | None = None
    thread: Text = ""
    incident: Text = ""
    list_id: Text = ""
    headers: dict[str, Text] = Field(default_factory=dict)
    occurred_at: datetime = Field(default_factory=lambda: datetime.now(timezone.utc))

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            title: object = "",
            subject: object = "",
            body: object = "",
            body_format: Literal["markdown", "plain"] = "markdown",
            history: object = "",
            severity: Severity = "info",
            facts: Mapping[str, Any] = ...,
            changed: str | Iterable[str] = (),
            error: object = "",
            traceback: object = "",
            log: object = "",
            next_steps: str | Iterable[str] = (),
            url: str = "",
            url_label: str = "Open in the dashboard",
            command: str = "",
            links: Mapping[str, str] = ...,
            metrics: Mapping[str, Any] = ...,
            baseline: Mapping[str, Any] = ...,
            tables: Mapping[str, Any] = ...,
            images: Iterable[Image] = (),
            attachments: Iterable[Attachable] = (),
            steps: Iterable[StepSummary] = (),
            html: str | None = None,
            thread: str = "",
            incident: str = "",
            list_id: str = "",
            headers: Mapping[str, object] = ...,
            occurred_at: datetime = ...,
        ) -> None: ...

    def with_facts(self, facts: Mapping[str, Any]) -> "Alert":
        """Return a copy that states further facts behind its own."""
        return self.replace(facts={**self.facts, **facts})
