"""What users pass to ``post``: a message and its parameters."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, Literal, Optional, Union

from pydantic import BaseModel, ConfigDict, Field, model_validator
from zenml.alerter.base_alerter import BaseAlerterStepParameters

from zenmail.alert import Severity
from zenmail.composing.pictures import png_of, title_of

from ..config import SMTPEmailAlerterSettings

__all__ = [
    "AlerterImage",
    "AlerterMessage",
    "SMTPEmailAlerterParameters",
    "SMTPEmailAlerterPayload",
]

_SETTINGS = frozenset(SMTPEmailAlerterSettings.model_fields)


class AlerterImage(BaseModel):
    """An image in a message.

    Attributes:
        path: Path of a PNG, JPEG or GIF file on the machine that sends, or "" if
            ``content`` is given.
        content: The image's bytes in base64, so that ZenML can store the message.
        alt: Alternative text.
        caption: Caption below the image, or "".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = ""
    content: str = Field(default="", repr=False)
    alt: str = ""
    caption: str = ""

    @model_validator(mode="before")
    @classmethod
    def _accept_sources(cls, value: Any) -> Any:
        """Accept a path, bytes, a matplotlib figure or a PIL image."""
        if isinstance(value, Mapping):
            content = value.get("content")
            if isinstance(content, bytes | bytearray):
                return {**value, "content": b64encode(content).decode("ascii")}
            return value
        if isinstance(value, BaseModel):
            return value
        if isinstance(value, bytes | bytearray):
            return {"content": b64encode(value).decode("ascii")}
        picture = png_of(value)
        if picture is not None:
            return {"content": b64encode(picture).decode("ascii"), "alt": title_of(value)}
        return {"path": str(value)}

    @property
    def source(self) -> str | bytes:
        """The image's bytes, or its path."""
        return b64decode(self.content) if self.content else self.path


class AlerterMessage(BaseModel):
    """A message with a title, for any alerter.

    Attributes:
        title: One line that says what happened; the subject of a mail.
        body: The details.
        metadata: Alerter settings, such as ``recipient_email`` or ``cc``, which take effect;
            anything else is shown as facts.
        images: Paths, bytes, matplotlib figures, PIL images, or `AlerterImage`.
        severity: "info", "success", "warning", "error" or "critical".
        body_format: "plain" or "markdown".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Optional[str] = None  # noqa: UP045
    body: Optional[str] = None  # noqa: UP045
    metadata: Optional[dict[str, Any]] = None  # noqa: UP045
    images: Optional[list[AlerterImage]] = None  # noqa: UP045
    severity: Severity = "info"
    body_format: Literal["plain", "markdown"] = "plain"

    @property
    def settings(self) -> dict[str, Any]:
        """The alerter settings in the metadata."""
        return {
            name: value for name, value in (self.metadata or {}).items() if name in _SETTINGS
        }

    @property
    def facts(self) -> dict[str, Any]:
        """The rest of the metadata."""
        return {
            name: value
            for name, value in (self.metadata or {}).items()
            if name not in _SETTINGS
        }

    def as_text(self) -> str:
        """Return the message as text, for alerters that take nothing else."""
        facts = "\n".join(f"{name}: {value}" for name, value in self.facts.items())
        return "\n\n".join(part for part in (self.title, self.body, facts) if part)

    def __str__(self) -> str:
        return self.as_text()


class SMTPEmailAlerterPayload(BaseModel):
    """Where a message comes from. It takes any other attribute too, and all are shown.

    Attributes:
        pipeline_name: The pipeline.
        step_name: The step.
        stack_name: The stack.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    pipeline_name: Optional[str] = None  # noqa: UP045
    step_name: Optional[str] = None  # noqa: UP045
    stack_name: Optional[str] = None  # noqa: UP045

    @property
    def facts(self) -> dict[str, Any]:
        """The attributes that are set, by label."""
        labels = {"pipeline_name": "Pipeline", "step_name": "Step", "stack_name": "Stack"}
        return {
            labels.get(name, name): value
            for name, value in self.model_dump().items()
            if value is not None
        }


class SMTPEmailAlerterParameters(SMTPEmailAlerterSettings, BaseAlerterStepParameters):
    """Parameters of one post: any setting, and more content for the mail.

    Attributes:
        subject: Subject of the mail. Default: the message's title or first line.
        payload: Where the message comes from.
        html_body: HTML to send instead of zenmail's own.
        severity: "info", "success", "warning", "error" or "critical".
        body_format: "plain" or "markdown".
        facts: Values by label, shown as a table.
        metrics: Numbers by name, shown as a table.
        baseline: Numbers to compare the metrics with, by name.
        tables: Tables by title: a DataFrame, a list of dicts, or a list of lists.
        images: Paths, bytes, matplotlib figures, PIL images, or `AlerterImage`.
        attachments: Paths of files to attach.
        links: URLs by label.
        url: URL to read more. Default: the run in the dashboard.
        next_steps: What the reader should do, one sentence each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    subject: Optional[str] = None  # noqa: UP045
    payload: Optional[SMTPEmailAlerterPayload] = None  # noqa: UP045
    html_body: Optional[str] = None  # noqa: UP045
    severity: Optional[Severity] = None  # noqa: UP045
    body_format: Optional[Literal["plain", "markdown"]] = None  # noqa: UP045
    facts: Optional[dict[str, Any]] = None  # noqa: UP045
    metrics: Optional[dict[str, Any]] = None  # noqa: UP045
    baseline: Optional[dict[str, Any]] = None  # noqa: UP045
    tables: Optional[dict[str, Any]] = None  # noqa: UP045
    images: Optional[list[AlerterImage]] = None  # noqa: UP045
    attachments: Optional[list[Any]] = None  # noqa: UP045
    links: Optional[dict[str, str]] = None  # noqa: UP045
    url: Optional[str] = None  # noqa: UP045
    next_steps: Optional[Union[str, list[str]]] = None  # noqa: UP007, UP045

    def settings(self) -> dict[str, Any]:
        """Return the settings in the parameters, references unresolved."""
        return self.model_dump(include=set(_SETTINGS), exclude_none=True)
