"""What happened, before anybody decided how it looks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from .email import Attachment
from .model import Model

__all__ = ["Alert", "Image", "Severity", "StepSummary"]

Severity = Literal["info", "success", "warning", "error", "critical"]


def _as_text(value: object) -> object:
    """Return what a program gave for a text as one: an alert is lost for no type."""
    if isinstance(value, str):
        # A subclass may claim to be escaped already (markupsafe.Markup).
        return value if type(value) is str else str.__str__(value)
    if value is None:
        return ""
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"
    return str(value)


def _as_sentences(value: object) -> object:
    return () if value is None else (value,) if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_as_text)]


class Image(Model):
    """A picture for the body of an alert.

    Attributes:
        source: PNG, JPEG or GIF bytes, a path, a matplotlib figure or a PIL image.
        alt: What it shows, for those who cannot see it.
        caption: A line under the picture, or "".
    """

    source: Any
    alt: str = ""
    caption: str = ""


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
        body: More about it; Markdown unless ``body_format`` is "plain".
        body_format: How to read the body.
        severity: How bad it is; decides colour and importance.
        facts: Label to value, shown as a table: pipeline, run, step, parameters.
        error: The exception's type and message, or "".
        traceback: The traceback, verbatim, or "".
        next_steps: What the reader should do, one sentence each.
        url: Where to read more, or "".
        url_label: What stands on the button for ``url``.
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
        list_id: What receivers can filter by (RFC 2919), or "".
        headers: Further headers (``X-...``).
        occurred_at: When it happened, with time zone.
    """

    title: Text = ""
    body: Text = ""
    body_format: Literal["markdown", "plain"] = "markdown"
    severity: Severity = "info"
    facts: dict[Text, Any] = Field(default_factory=dict)
    error: Text = ""
    traceback: Text = ""
    next_steps: Annotated[tuple[Text, ...], BeforeValidator(_as_sentences)] = ()
    url: Text = ""
    url_label: Text = "Open in the dashboard"
    links: dict[Text, Text] = Field(default_factory=dict)
    metrics: dict[Text, Any] = Field(default_factory=dict)
    baseline: dict[Text, Any] = Field(default_factory=dict)
    tables: dict[Text, Any] = Field(default_factory=dict)
    images: tuple[Image, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    steps: tuple[StepSummary, ...] = ()
    html: str | None = None
    thread: Text = ""
    list_id: Text = ""
    headers: dict[str, Text] = Field(default_factory=dict)
    occurred_at: datetime = Field(default_factory=lambda: datetime.now(timezone.utc))

    def with_facts(self, facts: Mapping[str, Any]) -> Alert:
        """Return a copy that states further facts behind its own."""
        return self.replace(facts={**self.facts, **facts})
