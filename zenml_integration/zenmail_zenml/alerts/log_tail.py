"""The last lines of a step's log, without the traceback that the mail shows anyway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zenmail.patterns import pattern

if TYPE_CHECKING:
    from zenml.models import StepRunResponse
    from zenml.stack import Stack

__all__ = ["read_log_tail"]

_MAX_BYTES = 64 * 1024
_MAX_LINES = 20
_MAX_LINE = 300
_ESCAPES = pattern(r"\x1b\[[0-9;]*[A-Za-z]")


def read_log_tail(step: StepRunResponse, stack: Stack) -> tuple[str, ...]:
    """Return the last lines that a step logged before its traceback.

    Args:
        step: The step run.
        stack: The stack that it ran on.
    """
    logs = next((it for it in step.log_collection or () if it.source == "step"), None)
    if logs is None:
        return ()
    store = stack.log_store
    if store is not None:
        store.flush()
    if logs.uri and logs.artifact_store_id == stack.artifact_store.id:
        messages = _from_file(logs.uri, stack.artifact_store)
    elif store is not None:
        entries = store.fetch(logs, start="newest", limit=10 * _MAX_LINES).items
        messages = [entry.message for entry in entries]
    else:
        return ()
    return _last_lines(messages)


def _from_file(uri: str, artifact_store: Any) -> list[str]:
    """Return the messages at the end of a log; ZenML itself reads one from its start."""
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
    return [entry.message for line in lines if (entry := parse_log_entry(line)) is not None]


def _last_lines(messages: list[str]) -> tuple[str, ...]:
    lines = [
        line.rstrip()
        for message in messages
        for line in _ESCAPES.sub("", message).splitlines()
        if line.strip()
    ]
    for place, line in enumerate(lines):
        if line.startswith(("Traceback (most recent call last)", "Failed to run step")):
            lines = lines[:place]
            break
    return tuple(line[:_MAX_LINE] for line in lines[-_MAX_LINES:])
