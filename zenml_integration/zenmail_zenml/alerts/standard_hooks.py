"""Parses the text that ZenML's stock alerter hooks post.

ZenML 0.94.1 to 0.98.0 posts Slack markup and a traceback that rich drew for a terminal.
"""

from __future__ import annotations

import ast
import re
import sys
from typing import Any

from zenmail.patterns import pattern

from .tracebacks import error_text, user_traceback

__all__ = ["parse_hook_text"]

# No part can match what another one does, so that it takes linear time.
_TEXT = pattern(
    r"""\*(?:(?P<failed>Failure\ Hook\ Notification!\ Step\ failed!)
           |Success\ Hook\ Notification!\ Step\ completed\ successfully)\*\n\n
    Pipeline\ name:\ `(?P<pipeline>[^\n]+)`\n
    Run\ name:\ `(?P<run>[^\n]+)`\n
    Step\ name:\ `(?P<step>[^\n]+)`\n
    Parameters:\ `(?P<parameters>[^\n]+)`\n*
    (?P<exception>(?<=\n)Exception:\ `\(<class\ '(?P<kind>[^'\n]+)'>\)\ .*`\n*)?""",
    re.DOTALL | re.VERBOSE,
)
_MAX_PARAMETERS = 20_000


def parse_hook_text(text: str) -> dict[str, Any] | None:
    """Return the fields of an `Alert` for a stock hook's text, or None for other text."""
    found = _TEXT.fullmatch(text)
    if found is None or bool(found["failed"]) != bool(found["exception"]):
        return None
    failed = bool(found["failed"])
    facts: dict[str, Any] = {
        "Pipeline": found["pipeline"],
        "Run": found["run"],
        "Step": found["step"],
    }
    if parameters := _parse_parameters(found["parameters"]):
        facts["Parameters"] = parameters
    ended = "failed" if failed else "is completed"
    return {
        "title": "Pipeline Failure Alert" if failed else "Pipeline Success Notification",
        "body": f"Step {facts['Step']} of pipeline {facts['Pipeline']} {ended}.",
        "body_format": "plain",
        "severity": "error" if failed else "success",
        "facts": facts,
        **(_error(found["kind"]) if failed else {}),
    }


def _parse_parameters(text: str) -> Any:
    """Return the parameters as a mapping, so that secrets are recognised by their names."""
    if len(text) > _MAX_PARAMETERS:
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _error(kind: str) -> dict[str, str]:
    # rich draws the exception that is being handled, and no other; it still is.
    current = sys.exc_info()[1]
    if current is not None and str(type(current)) == f"<class '{kind}'>":
        return {"error": error_text(current), "traceback": user_traceback(current)}
    # The box is left out: rich breaks its lines anywhere, so that a secret in them is not
    # known for one.
    return {"error": kind}
