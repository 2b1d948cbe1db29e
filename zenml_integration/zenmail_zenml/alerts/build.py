"""A message of ZenML's world made an `Alert` of ours."""

from __future__ import annotations

from typing import Any

from zenmail import Alert, Attachment, ConfigurationError, Image

from .message import AlerterImage, AlerterMessage, SMTPEmailAlerterParameters
from .run_context import Surroundings
from .standard_hooks import recognise

__all__ = ["build_alert"]


def build_alert(
    message: object,
    params: SMTPEmailAlerterParameters | None,
    place: Surroundings,
    *,
    include_pipeline_info: bool,
) -> Alert:
    """Return what is to be mailed.

    Args:
        message: What the user posted: text, an `AlerterMessage`, an `Alert`, None, or
            anything else, which is stated as text.
        params: The parameters of the post.
        place: The step or run it comes from.
        include_pipeline_info: Whether to say so.
    """
    values = _from_message(message)
    facts: dict[str, Any] = dict(values.pop("facts", {}))
    images: list[Image] = list(values.pop("images", ()))
    if params is not None:
        facts.update((params.payload.facts if params.payload else {}) | (params.facts or {}))
        images += _images(params.images)
        values.update(_from_parameters(params))
        values["attachments"], missing = _attachments(params.attachments)
        if missing:
            facts["Not attached"] = missing
    if include_pipeline_info:
        said = {name.lower() for name in facts}
        known = place.facts().items()
        facts = {**{name: text for name, text in known if name.lower() not in said}, **facts}
        values.setdefault("url", place.url)
    if not (values.get("title") or values.get("body") or values.get("error")):
        values["title"] = _title(params, place)
    if place.run is not None:
        values.setdefault("thread", str(place.run_id))
        values.setdefault("list_id", place.pipeline_name)
    return Alert(**values, facts=facts, images=tuple(images))


def _from_message(message: object) -> dict[str, Any]:
    if isinstance(message, Alert):
        return {name: getattr(message, name) for name in message.model_fields_set}
    if isinstance(message, AlerterMessage):
        return {
            "title": message.title or "",
            "body": message.body or "",
            "body_format": message.body_format,
            "severity": message.severity,
            "facts": message.facts,
            "images": _images(message.images),
        }
    text = "" if message is None else message if isinstance(message, str) else _text(message)
    # Text is shown as it is: Markdown would eat the underscores of names.
    return recognise(text) or {"body": text, "body_format": "plain"}


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception as error:
        return f"({type(value).__name__}, which has no text: {type(error).__name__})"


def _from_parameters(params: SMTPEmailAlerterParameters) -> dict[str, Any]:
    values: dict[str, Any] = {
        "html": params.html_body,
        "severity": params.severity,
        "body_format": params.body_format,
        "metrics": params.metrics,
        "baseline": params.baseline,
        "tables": params.tables,
        "links": params.links,
        "url": params.url,
        "next_steps": params.next_steps,
    }
    return {name: value for name, value in values.items() if value is not None}


def _images(images: list[AlerterImage] | None) -> list[Image]:
    return [
        Image(source=image.source, alt=image.alt, caption=image.caption)
        for image in images or ()
    ]


def _attachments(given: list[Any] | None) -> tuple[tuple[Attachment, ...], list[str]]:
    """Return the files that are there, and of the others what is wrong with them."""
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


def _title(params: SMTPEmailAlerterParameters | None, place: Surroundings) -> str:
    if params is not None and params.subject:
        return params.subject
    if place.step is not None:
        return f"Message from step {place.step_name}"
    if place.pipeline_name:
        return f"Message from pipeline {place.pipeline_name}"
    return "Message from ZenML"
