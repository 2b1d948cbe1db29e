"""Makes an `Alert` of what was posted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zenmail import Alert, Attachment, ConfigurationError, Image
from zenmail.composing.plain_html import is_row

from .run_context import RunContext
from .tracebacks import error_text, user_traceback

if TYPE_CHECKING:
    from .message import AlerterImage, SMTPEmailAlerterParameters

__all__ = ["as_text", "build_alert"]

_CONTENT = (
    "severity", "body_format", "metrics", "baseline", "tables", "links", "url", "next_steps"
)  # fmt: skip


def build_alert(
    message: object,
    params: SMTPEmailAlerterParameters | None,
    context: RunContext,
    *,
    include_pipeline_info: bool,
) -> Alert:
    """Return the alert to mail.

    Args:
        message: Text, an `AlerterMessage`, an `Alert`, None, or anything else, which is
            converted to text.
        params: The parameters of the post.
        context: The step or run that posted it.
        include_pipeline_info: Whether to name pipeline, run, step and stack.
    """
    values = _from_message(message)
    facts: dict[str, Any] = dict(values.pop("facts", {}))
    images: list[Image] = list(values.pop("images", ()))
    if params is not None:
        facts.update((params.payload.facts if params.payload else {}) | (params.facts or {}))
        images += _images(params.images)
        given = {name: getattr(params, name) for name in _CONTENT}
        values.update({name: value for name, value in given.items() if value is not None})
        if params.html_body is not None:
            values["html"] = params.html_body
        values["attachments"], missing = _attachments(params.attachments)
        if missing:
            facts["Not attached"] = missing
    if include_pipeline_info:
        taken = {name.lower() for name in facts}
        origin = context.facts().items()
        facts = {**{name: text for name, text in origin if name.lower() not in taken}, **facts}
        if not values.setdefault("url", context.url) and values.get("severity") == "error":
            values.setdefault("command", context.command)
    if not (values.get("title") or values.get("error") or _says(values.get("body", ""))):
        values["title"] = _title(params, context)
    if context.run is not None:
        values.setdefault("thread", str(context.run.id))
        values.setdefault("list_id", context.pipeline_name)
    return Alert(**values, facts=facts, images=tuple(images))


def as_text(alert: Alert) -> str:
    """Return the alert as text, secrets included."""
    facts = "\n".join(f"{label}: {value}" for label, value in alert.facts.items())
    parts = (alert.title, alert.body, facts, alert.error, alert.traceback, alert.url)
    return "\n\n".join(part for part in parts if part)


def _from_message(message: object) -> dict[str, Any]:
    if isinstance(message, Alert):
        return {name: getattr(message, name) for name in message.model_fields_set}
    if message is None or isinstance(message, str):
        from .standard_hooks import parse_hook_text

        # Not as Markdown, which would swallow the underscores in names.
        text = message or ""
        return parse_hook_text(text) or {"body": text, "body_format": "plain"}
    from .message import AlerterMessage

    if isinstance(message, AlerterMessage):
        return {
            "title": message.title or "",
            "body": message.body or "",
            "body_format": message.body_format,
            "severity": message.severity,
            "facts": message.facts,
            "images": _images(message.images),
        }
    if isinstance(message, BaseException):
        return {
            "subject": f"Error: {error_text(message)}".partition("\n")[0],
            "title": "An error was reported",
            "severity": "error",
            "error": error_text(message),
            "traceback": user_traceback(message) if message.__traceback__ else "",
        }
    is_frame = hasattr(message, "columns") and hasattr(message, "shape")
    if is_frame or (isinstance(message, Mapping) and message):
        return {"tables": {type(message).__name__: message}}
    return _from_message(_as_text(message))


def _says(body: str) -> bool:
    """Whether a text begins with words, which are then its title."""
    first = body.lstrip().partition("\n")[0]
    return bool(first) and not is_row(first)


def _as_text(value: object) -> str:
    try:
        return str(value)
    except Exception as error:
        return f"({type(value).__name__} that cannot be shown: {type(error).__name__})"


def _images(images: list[AlerterImage] | None) -> list[Image]:
    return [
        Image(source=image.source, alt=image.alt, caption=image.caption)
        for image in images or ()
    ]


def _attachments(given: list[Any] | None) -> tuple[tuple[Attachment, ...], list[str]]:
    """Return the attachments, and what is wrong with those that cannot be attached."""
    found: list[Attachment] = []
    missing: list[str] = []
    for item in given or ():
        try:
            found.append(
                item if isinstance(item, Attachment) else Attachment.model_validate(item)
            )
        except ConfigurationError as error:
            missing.append(error.message)
    return tuple(found), missing


def _title(params: SMTPEmailAlerterParameters | None, context: RunContext) -> str:
    if params is not None and params.subject:
        return params.subject
    if context.step is not None:
        return f"Message from step {context.step_name}"
    if context.pipeline_name:
        return f"Message from pipeline {context.pipeline_name}"
    return "Message from ZenML"
