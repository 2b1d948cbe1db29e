"""Parses the text that ZenML's stock alerter hooks post.

ZenML 0.94.1 to 0.98.0 posts Slack markup and a traceback that rich drew for a terminal. The
text is parsed line by line, in linear time.
"""

from __future__ import annotations

import ast
import re
import sys
from typing import Any

from .tracebacks import error_line, user_traceback

__all__ = ["parse_hook_text", "plain_traceback"]

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
    kind, found, drawn = text[len(_EXCEPTION) : -1].partition("'>) ")
    if not found:
        return None
    # The exception that the stock hook printed is still being handled.
    current = sys.exc_info()[1]
    if current is not None and str(type(current)) == f"<class '{kind}'>":
        return {"error": error_line(current), "traceback": user_traceback(current)}
    traceback, last = plain_traceback(drawn)
    return {"error": last or kind, "traceback": traceback}


_HEADER = re.compile(r"(?P<file>.+):(?P<line>\d+) in (?P<where>.+)\Z")
_GUIDES = re.compile(r"\A(?:│   |    )*")
_MAX_HEADER = 2000
_MAX_WORD = 40
_SOURCE = re.compile(r"(?P<mark>❱)?\s*\d+ (?P<code>.*)\Z")


def plain_traceback(drawn: str) -> tuple[str, str]:
    """Return rich's traceback as Python prints it, and its last exception.

    Args:
        drawn: Boxes of frames, each followed by the message of the exception.
    """
    output: list[str] = []
    message: list[str] = []
    box: list[str] | None = None
    width = 0
    for raw in drawn.split("\n"):
        line = raw.rstrip() if box is not None else raw
        if line.startswith("╭") and "Traceback" in line:
            output += message
            box, message, width = [], [], len(line.rstrip())
        elif box is not None and line.startswith("╰"):
            output += ["Traceback (most recent call last):", *_frames(box, width - 4)]
            box = None
        elif box is not None and line.startswith("│"):
            box.append(line[2:-1].rstrip() if line.endswith("│") else line[2:])
        else:
            message.append(line)
    if box:
        output += ["Traceback (most recent call last):", *_frames(box, width - 4)]
    joined = _unwrap(message, width)
    text = "\n".join([*output, *joined]).strip("\n")
    return text, "\n".join(joined).strip() if width else ""


def _frames(box: list[str], width: int) -> list[str]:
    output: list[str] = []
    header = ""
    for line in [*box, ""]:
        source = _SOURCE.match(line.lstrip()) if not header else None
        if source is not None:
            if source["mark"]:
                output.append(f"    {_without_guides(source['code'])}")
        elif line.strip():
            header = _join_header(header, line, width)
        elif header:
            found = _HEADER.match(header)
            output.append(
                f'  File "{found["file"].strip()}", line {found["line"]}, in {found["where"]}'
                if found
                else f"  {header}"
            )
            header = ""
    return output


def _join_header(header: str, line: str, width: int) -> str:
    if not header or len(header) > _MAX_HEADER:
        return header or line
    # rich cuts a path at the edge of the box, and other text at a space.
    cut = header.endswith(":") or (len(header) % max(width, 1) == 0 and " in" not in header)
    return f"{header}{'' if cut else ' '}{line}"


def _without_guides(text: str) -> str:
    """Return a source line without rich's indent guides."""
    return _GUIDES.sub("", text, count=1).lstrip()


def _unwrap(lines: list[str], width: int) -> list[str]:
    """Join the lines that rich wrapped; it keeps the space at which it broke them."""
    output: list[list[str]] = []
    for line in lines:
        before = output[-1][-1] if output else ""
        if before.endswith(" ") and 0 < width <= len(before) + _MAX_WORD:
            output[-1].append(line)
        else:
            output.append([line])
    return ["".join(parts) for parts in output]
