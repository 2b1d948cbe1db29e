"""The contract with templates: the variables that a template is given."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .pictures import Picture
    from .summaries import Metric, Step
    from .tables import Table
    from .traceback_view import TracebackView

__all__ = ["Content"]


class Content(NamedTuple):
    """What a template is given: cleaned, cut and redacted, but not yet escaped.

    Attributes:
        subject: The subject, without prefix.
        title: What happened.
        preheader: What an inbox shows behind the subject.
        origin: The pipeline and the run, in a line.
        history: Whether it is new, in a line.
        severity: The alert's severity: "info", "success", "warning", "error", "critical".
        label: The severity as a word.
        symbol: The severity as a symbol.
        lang: The language, as far as its script reveals it.
        dir: "ltr" or "rtl".
        message: The body as text.
        message_html: The body as HTML, already escaped.
        more_html: The rest of a long body as HTML, already escaped.
        facts: Labels and values.
        sections: Headings, each with labels and values.
        error: The exception.
        next_steps: What the reader should do.
        url: Where to read more.
        url_label: The text of the button for ``url``.
        command: A shell command that shows more.
        links: Labels and addresses.
        metrics: Rows of the metrics table.
        has_baseline: Whether the metrics are compared with a baseline.
        tables: Tables of limited size.
        pictures: Inline pictures.
        steps: Rows of the run's summary.
        steps_note: Which steps the summary leaves out.
        traceback: The part of the traceback that is shown, or None.
        log: The last lines of the log.
        notes: What was cut or could not be shown.
        redactions: How many secrets were removed.
        redacted: Of which kinds they were, and where.
        occurred_at: When it happened.
    """

    subject: str
    title: str
    preheader: str
    origin: str
    history: str
    severity: str
    label: str
    symbol: str
    lang: str
    dir: str
    message: str
    message_html: str
    more_html: str
    facts: Sequence[tuple[str, str]]
    sections: Sequence[tuple[str, Sequence[tuple[str, str]]]]
    error: str
    next_steps: Sequence[str]
    url: str
    url_label: str
    command: str
    links: Sequence[tuple[str, str]]
    metrics: "Sequence[Metric]"
    has_baseline: bool
    tables: "Sequence[Table]"
    pictures: "Sequence[Picture]"
    steps: "Sequence[Step]"
    steps_note: str
    traceback: "TracebackView | None"
    log: str
    notes: Sequence[str]
    redactions: int
    redacted: str
    occurred_at: str
