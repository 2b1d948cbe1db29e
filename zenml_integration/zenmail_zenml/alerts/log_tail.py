"""The last lines of a step's log, without the traceback that the mail shows anyway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zenml.enums import LoggingLevels
from zenml.models import StepRunResponse
from zenml.stack import Stack

from zenmail.patterns import pattern

from .tracebacks import last_line

if TYPE_CHECKING:
    from zenml.models.v2.misc.log_models import LogEntry

__all__ = ["read_log_tail"]

_MAX_BYTES = 64 * 1024
_MAX_LINES = 20
_MAX_LINE = 300
_HEAD = pattern(r"(?:  \+ Exception Group )?Traceback \(most recent call last\)")
_LINKS = ("The above exception was the direct cause", "During handling of the above exception")
# How ZenML introduces the traceback, by version.
_ANNOUNCEMENTS = ("An exception has occurred.", "Failed to run step")
_ESCAPES = pattern(r"\x1b\[[0-9;]*[A-Za-z]")


def read_log_tail(step: StepRunResponse, stack: Stack, *, traceback: str) -> tuple[str, ...]:
    """Return the last lines that a step logged before the traceback of its failure."""
    logs = next((it for it in step.log_collection or () if it.source == "step"), None)
    if logs is None:
        return ()
    store = stack.log_store
    if store is not None:
        store.flush()
    if logs.uri and logs.artifact_store_id == stack.artifact_store.id:
        entries = _from_file(logs.uri, stack.artifact_store)
    elif store is not None:
        entries = store.fetch(logs, start="newest", limit=10 * _MAX_LINES).items
    else:
        return ()
    # ZenML writes many of its own for each call.
    messages = [entry.message for entry in entries if entry.level != LoggingLevels.DEBUG]
    return _last_lines(messages, last_line(traceback))


def _from_file(uri: str, artifact_store: Any) -> list[LogEntry]:
    """Return the entries at the end of a log; ZenML itself reads one from its start."""
    from zenml.log_stores.artifact.artifact_log_store import parse_log_entry

    if artifact_store.isdir(uri):
        files = sorted(str(name) for name in artifact_store.listdir(uri))
        if not files:
            return []
        uri = f"{uri.rstrip('/')}/{files[-1]}"
    with artifact_store.open(uri, "rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _MAX_BYTES))
        lines = file.read(_MAX_BYTES).decode("utf-8", "replace").splitlines()
    if size > _MAX_BYTES:
        lines = lines[1:]
    return [entry for line in lines if (entry := parse_log_entry(line)) is not None]


def _last_lines(messages: list[str], error: str) -> tuple[str, ...]:
    lines = [
        line.rstrip()
        for message in messages
        for line in _ESCAPES.sub("", message).splitlines()
        if line.strip()
    ]
    heads = [
        place
        for place, line in enumerate(lines)
        if _HEAD.match(line) and not lines[max(place - 1, 0)].startswith(_LINKS)
    ]
    # The step may have logged other tracebacks, of errors that it handled.
    own = next((place for place in reversed(heads) if error in lines[place:]), None)
    if own is not None:
        lines = lines[:own]
        while lines and (lines[-1] == error or lines[-1].startswith(_ANNOUNCEMENTS)):
            lines.pop()
    return tuple(line[:_MAX_LINE] for line in lines[-_MAX_LINES:])
