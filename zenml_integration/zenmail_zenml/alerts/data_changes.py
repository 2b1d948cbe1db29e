"""What differs between the inputs of a failed run and those of the last good one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from zenml.client import Client
from zenml.models import StepRunResponse

from .change import Change

__all__ = ["compare_data"]

_MAX_DATA = 50


def compare_data(
    steps: Mapping[str, StepRunResponse],
    good_steps: Mapping[str, StepRunResponse],
    client: Client,
) -> Iterator[Change]:
    """Yield the inputs that hold something else; ZenML is asked once if there are any."""
    makers = {
        output.id: step.name
        for step in steps.values()
        for outputs in step.outputs.values()
        for output in outputs
    }
    pairs: dict[UUID, tuple[Any, Any, set[str]]] = {}
    for name, step in steps.items():
        inputs = good_steps[name].inputs if name in good_steps else {}
        for key in sorted(step.inputs.keys() & inputs.keys()):
            for new, old in zip(step.inputs[key], inputs[key], strict=False):
                same = new.content_hash and new.content_hash == old.content_hash
                if new.id != old.id and not same:
                    pairs.setdefault(new.id, (old, new, set()))[2].add(name)
    if not pairs:
        return
    wanted = [
        str(it.id) for old, new, _ in list(pairs.values())[:_MAX_DATA] for it in (old, new)
    ]
    # Only with their metadata do versions say what they hold.
    page = client.list_artifact_versions(
        id=f"oneof:{json.dumps(wanted)}", size=len(wanted), hydrate=True
    )
    known = {it.id: it for it in page.items}
    for old, new, readers in pairs.values():
        if old.id in known and new.id in known:
            yield from _of_versions(
                known[old.id], known[new.id], frozenset(readers), makers.get(new.id, "")
            )


def _of_versions(old: Any, new: Any, steps: frozenset[str], made_by: str) -> Iterator[Change]:
    was, now = old.run_metadata, new.run_metadata
    if was == now and not (old.content_hash and new.content_hash):
        # A new version each run, and nothing that says whether it holds anything new.
        return
    other = old.artifact.name != new.artifact.name
    shown = [[f"{it.artifact.name} " * other + f"v{it.version}"] for it in (old, new)]
    rows = [_rows(old), _rows(new)]
    if None not in rows:
        for number, texts in zip(rows, shown, strict=True):
            texts.append(f"{number:,} rows")
    unlike = dict(_unlike(was, now))
    for pair in unlike.values():
        for text, texts in zip(pair, shown, strict=True):
            texts.extend([text] if text else [])
    low, high = sorted(number or 0 for number in rows)
    if unlike or (None not in rows and high and (not low or high >= max(10, 1.5 * low))):
        kind = "shape"
    else:
        kind = "data" if None in rows or other else "alike"
    before, after = (", ".join(texts[:6]) for texts in shown)
    yield Change(
        kind, f"data {new.artifact.name}", before, after, steps, " ".join(unlike), made_by
    )


def _rows(version: Any) -> int | None:
    shape = version.run_metadata.get("shape")
    # ZenML counts the columns of a table.
    return shape[0] if shape else getattr(version, "item_count", None)


def _unlike(
    was: Mapping[str, Any], now: Mapping[str, Any]
) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the columns of a table, or an array as "values", that changed, and how."""
    types = [_by_column(it, "dtype") for it in (was, now)]
    empty = 0 in [*was.get("shape", ())[:1], *now.get("shape", ())[:1]]
    for name in sorted(types[0].keys() | types[1].keys()) if all(types) else ():
        kinds = [re.sub(r".*?(\w+)\W*$", r"\1", str(it.get(name, "no"))) for it in types]
        # Without rows, a column has no type of its own.
        if kinds[0] != kinds[1] and (not empty or "no" in kinds):
            before, after = (
                f"{it} {name}" if it == "no" else f"{it} column {name}" for it in kinds
            )
            yield name, (before, after)
    sizes = [it.get("shape", ())[1:] for it in (was, now)]
    if sizes[0] != sizes[1] and not isinstance(now.get("dtype"), Mapping):
        before, after = (f"each {' x '.join(map(str, it)) or 'a number'}" for it in sizes)
        yield "shape", (before, after)
    ranges = [_ranges(it) for it in (was, now)]
    for name in sorted(ranges[0].keys() & ranges[1].keys()):
        (low, high), (new_low, new_high) = ranges[0][name], ranges[1][name]
        largest, new_largest = max(-low, high), max(-new_low, new_high)
        if new_low == new_high and low != high and (now.get("shape") or [0])[0] > 1:
            yield name, ("", f"{name} always {new_high:g}")
        elif max(largest, new_largest) >= 5 * min(largest, new_largest) > 0:
            yield name, (f"{name} up to {largest:g}", f"{name} up to {new_largest:g}")


def _ranges(metadata: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Return the least and the greatest value of each column."""
    low, high = _by_column(metadata, "min"), _by_column(metadata, "max")
    return {
        name: (low[name], high[name])
        for name in low.keys() & high.keys()
        if all(isinstance(it[name], int | float) for it in (low, high))
    }


def _by_column(metadata: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = metadata.get(key, {})
    return value if isinstance(value, Mapping) else {"values": value}
