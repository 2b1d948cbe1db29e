"""Parses the text that ZenML's stock alerter hooks post.

ZenML 0.94.1 to 0.98.0 posts Slack markup and a traceback that rich drew for a terminal. The
text is parsed line by line, in linear time.
"""

from __future__ import annotations

import ast
import sys
from typing import Any

from .tracebacks import error_text, user_traceback

__all__ = ["parse_hook_text"]

_FAILURE = "*Failure Hook Notification! Step failed!*"
_SUCCESS = "*Success Hook Notification! Step completed successfully*"
_LABELS = {
    "Pipeline": "Pipeline name: `",
    "Run": "Run name: `",
    "Step": "Step name: `",
    "Parameters": "Parameters: `",
}
_EXCEPTION = "Exception: `(<class '"
_MAX_PARAMETERS = 20_000


def parse_hook_text(text: str) -> dict[str, Any] | None:
    """Return the fields of an `Alert` for a stock hook's text, or None for other text."""
    failed = text.startswith(_FAILURE)
    if not failed and not text.startswith(_SUCCESS):
        return None
    head = len(_LABELS) + 2
    lines = text.rstrip("\n").split("\n", head)
    facts = _facts(lines)
    rest = lines[head] if len(lines) > head else ""
    if facts is None or bool(rest) != failed:
        return None
    if not failed:
        return {
            "title": "Pipeline Success Notification",
            "body": f"Step {facts['Step']} of pipeline {facts['Pipeline']} is completed.",
            "body_format": "plain",
            "severity": "success",
            "facts": facts,
        }
    error = _error(rest)
    if error is None:
        return None
    return {
        "title": "Pipeline Failure Alert",
        "body": f"Step {facts['Step']} of pipeline {facts['Pipeline']} failed.",
        "body_format": "plain",
        "severity": "error",
        "facts": facts,
        **error,
    }


def _facts(lines: list[str]) -> dict[str, Any] | None:
    if len(lines) < len(_LABELS) + 2 or lines[1]:
        return None
    facts: dict[str, Any] = {}
    for (label, prefix), line in zip(_LABELS.items(), lines[2:], strict=False):
        if not line.startswith(prefix) or not line.endswith("`") or len(line) == len(prefix):
            return None
        facts[label] = line[len(prefix) : -1]
    parameters = _parse_parameters(facts["Parameters"])
    if parameters:
        facts["Parameters"] = parameters
    else:
        del facts["Parameters"]
    return facts


def _parse_parameters(text: str) -> Any:
    """Return the parameters as a mapping, so that secrets are recognised by their names."""
    if len(text) > _MAX_PARAMETERS:
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _error(text: str) -> dict[str, str] | None:
    if not text.startswith(_EXCEPTION) or not text.endswith("`"):
        return None
    kind, found, _ = text[len(_EXCEPTION) : -1].partition("'>) ")
    if not found:
        return None
    # rich draws the exception that is being handled, and no other; it still is.
    current = sys.exc_info()[1]
    if current is not None and str(type(current)) == f"<class '{kind}'>":
        return {"error": error_text(current), "traceback": user_traceback(current)}
    # The box is left out: rich breaks its lines anywhere, so that a secret in them is not
    # known for one.
    return {"error": kind}
