"""What differs between a failed run and the last good one, likely causes first.

Each difference has points, and the one with the most stands first:

- where it is: 30 in the step that failed, 20 in a step before it, 15 in the whole run;
- what it is: 14 for data that shrank to a half or doubled, 12 for code, 10 for a parameter,
  8 for a secret or the stack, 6 for a package, the image, a resource or an environment
  variable, 2 for data that changed otherwise, 0 for the rest;
- 40 if the error names it or its value or, for code, a word that only one version has;
- 25 if the error is of a kind that it often causes;
- 20 less for data of much the same size that a step made in which something changed, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import BaseModel

from zenmail.clean import clean_line
from zenmail.redaction.names import secrecy_of

if TYPE_CHECKING:
    from zenml.client import Client
    from zenml.models import PipelineRunResponse, StepRunResponse

__all__ = ["Change", "compare", "rank", "read_steps"]

_BASE = {
    "code": 12,
    "parameter": 10,
    "secret": 8,
    "stack": 8,
    "package": 6,
    "image": 6,
    "resource": 6,
    "environment": 6,
    "size": 14,
    "data": 2,
}
# What an error of this kind is often caused by.
_SYMPTOMS: tuple[tuple[str, frozenset[str]], ...] = (
    (
        r"memory ?error|out of memory|oom|cannot allocate|unable to allocate|exit code 137",
        frozenset({"resource", "size"}),
    ),
    (r"no space left|disk quota", frozenset({"stack", "size"})),
    (
        r"time ?d? ?out|time limit|deadline",
        frozenset({"size", "resource"}),
    ),
    (
        r"unauthori[sz]ed|forbidden|credential|\b40[13]\b|log ?in|password|access denied",
        frozenset({"secret"}),
    ),
    (r"permission|not permitted", frozenset({"secret", "stack"})),
    (r"connection|endpoint|resolve|not known|unreachable", frozenset({"environment", "stack"})),
    (r"\.so\b|\.so\.|shared object|glibc", frozenset({"image"})),
    (r"cuda|gpu|nvidia", frozenset({"resource", "image"})),
    (
        r"module ?not ?found|no module named|importerror|unexpected keyword argument"
        r"|pickle|incompatible|has no attribute|deprecat",
        frozenset({"package"}),
    ),
    (r"nameerror|syntaxerror|indentationerror|zerodivision", frozenset({"code"})),
    (
        r"keyerror|expected at least|empty|no rows|could not convert|only one class",
        frozenset({"size", "data"}),
    ),
)
_IMPORTED_AS = {
    "scikit-learn": "sklearn",
    "pyyaml": "yaml",
    "pillow": "pil",
    "opencv-python": "cv2",
    "beautifulsoup4": "bs4",
    "python-dateutil": "dateutil",
}
_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9][\w.-]*)(?:\[[^]]*])?\s*(.*?)\s*$")


@dataclass(frozen=True)
class Change:
    """One difference between two runs.

    Attributes:
        kind: "parameter", "code", "package", "data", "size" (of data), "image", "resource",
            "environment", "secret", "stack" or "setting".
        what: What changed, for readers.
        before: Its value in the good run.
        after: Its value now.
        step: The step that it belongs to, or "" for the whole run.
        name: What an error would call it.
        made_by: The step of the run that made the data, or "".
    """

    kind: str
    what: str
    before: str
    after: str
    step: str = ""
    name: str = ""
    made_by: str = ""


def read_steps(run: PipelineRunResponse, client: Client) -> dict[str, StepRunResponse]:
    """Return the last attempt of each step of a run, by name, in one request.

    Args:
        run: The run.
        client: ZenML's client.
    """
    page = client.list_run_steps(
        pipeline_run_id=run.id, size=200, sort_by="asc:created", hydrate=True
    )
    return {step.name: step for step in page.items}


def compare(
    run: PipelineRunResponse,
    good: PipelineRunResponse,
    steps: Mapping[str, StepRunResponse],
    good_steps: Mapping[str, StepRunResponse],
    client: Client,
) -> list[Change]:
    """Return the differences between two runs of a pipeline, in no order.

    Args:
        run: The run that failed.
        good: The last good run.
        steps: Its steps, as `read_steps` returns them.
        good_steps: The good run's.
        client: ZenML's client; asked once if the run has secrets.
    """
    found = list(_of_run(run, good))
    shared: set[tuple[str, str, str]] = set()
    makers = {
        output.id: step.name
        for step in steps.values()
        for outputs in step.outputs.values()
        for output in outputs
    }
    for name, step in steps.items():
        if name in good_steps:
            for change in _of_step(step, good_steps[name], makers):
                # What is set for the whole pipeline is repeated in each step.
                key = (change.what, change.before, change.after)
                whole = Change(change.kind, *key, name=change.name)
                if whole in found or key in shared:
                    continue
                if change.kind in ("data", "size"):
                    shared.add(key)
                found.append(change)
    configs: list[Any] = [run.config, good.config]
    configs += [step.config for step in (*steps.values(), *good_steps.values())]
    used = {str(secret) for config in configs for secret in _list(config, "secrets")}
    return _with_secrets(found, used, good.created, client) if used else found


def _with_secrets(
    found: list[Change], used: set[str], since: datetime, client: Client
) -> list[Change]:
    """Give secrets their names, and add those whose values changed."""
    secrets = client.list_secrets(size=500).items
    names = {str(secret.id): secret.name for secret in secrets}
    named = [
        replace(it, name=names[it.name], what=f"secret {names[it.name]}")
        if it.kind == "secret" and it.name in names
        else it
        for it in found
    ]
    rotated = [
        Change(
            "secret",
            f"secret {secret.name}",
            "(not shown)",
            f"updated {secret.updated:%Y-%m-%d %H:%M} UTC",
            name=secret.name,
        )
        for secret in secrets
        if secret.updated > since and {secret.name, str(secret.id)} & used
    ]
    return named + rotated


def _of_run(run: PipelineRunResponse, good: PipelineRunResponse) -> Iterator[Change]:
    yield from _of_config(run.config, good.config, "")
    before, after = good.config.extra or {}, run.config.extra or {}
    yield from _differences("setting", before, after, "", label="extra ")
    was, now = good.client_environment, run.client_environment
    for key, label in (("python_version", "Python"), ("zenml_version", "ZenML")):
        old, new = str(was.get(key, "")), str(now.get(key, ""))
        if old and new and old != new:
            yield Change("package", label, old, new, name=label.lower())
    if run.stack is not None and good.stack is not None and run.stack.id != good.stack.id:
        yield Change("stack", "stack", good.stack.name, run.stack.name, name=run.stack.name)
    old, new = _commit(good), _commit(run)
    if old and new and old != new:
        yield Change("code", "commit (code)", old[:12], new[:12])
    if good.build is not None and run.build is not None and good.build.id != run.build.id:
        yield from _of_builds(good.build, run.build)


def _commit(run: PipelineRunResponse) -> str:
    reference = run.code_reference
    return reference.commit if reference is not None else ""


def _of_builds(before: Any, after: Any) -> Iterator[Change]:
    old, new = before.images, after.images
    for key in old.keys() & new.keys():
        yield from _packages(old[key].requirements, new[key].requirements, "")


def _of_step(
    step: StepRunResponse, good: StepRunResponse, makers: Mapping[UUID, str]
) -> Iterator[Change]:
    name = step.name
    yield from _of_config(step.config, good.config, name)
    if step.source_code and good.source_code and step.source_code != good.source_code:
        old, new = _first_difference(good.source_code, step.source_code)
        # What is written in the head reaches the step as a parameter or a setting.
        if old or new:
            yield Change("code", f"code of {name}", old, new, name)
    for key in step.inputs.keys() & good.inputs.keys():
        for new_data, old_data in zip(step.inputs[key], good.inputs[key], strict=False):
            yield from _of_data(key, old_data, new_data, name, makers.get(new_data.id, ""))


def _of_data(key: str, old: Any, new: Any, step: str, made_by: str) -> Iterator[Change]:
    if old.id == new.id:
        return
    sizes: Any = getattr(old, "item_count", None), getattr(new, "item_count", None)
    hashes = getattr(old, "content_hash", None), getattr(new, "content_hash", None)
    if hashes[0] and hashes[0] == hashes[1]:
        return
    if not all(hashes) and sizes[0] == sizes[1]:
        # A new version each run, and nothing that says whether it holds anything new.
        return
    kind = "data"
    if sizes[0] is not None and sizes[1] is not None:
        before, after = (
            f"v{it.version}, {size:,} rows" for it, size in zip((old, new), sizes, strict=True)
        )
        low, high = sorted(sizes)
        if high >= 2 * low:
            kind = "size"
    else:
        before, after = f"v{old.version}", f"v{new.version}"
    yield Change(kind, f"data {old.artifact.name}", before, after, step, key, made_by)


def _first_difference(old: str, new: str) -> tuple[str, str]:
    """Return the first line of a function's body that differs, in both."""
    before, after = (_body(text).splitlines() for text in (old, new))
    for place in range(max(len(before), len(after))):
        was = before[place] if place < len(before) else ""
        now = after[place] if place < len(after) else ""
        if was != now:
            return clean_line(was.strip(), limit=120), clean_line(now.strip(), limit=120)
    return "", ""


def _body(source: str) -> str:
    """Return a function's source without decorators and signature."""
    head = re.search(r"^(?:async )?def .*?\)(?: *->[^\n]*)?:[ \t]*\n", source, re.M | re.S)
    return source[head.end() :] if head else source


def _of_config(config: Any, good: Any, step: str) -> Iterator[Change]:
    label = f"{step}." if step else ""
    if step or config.parameters or good.parameters:
        yield from _differences(
            "parameter", good.parameters or {}, config.parameters or {}, step, label=label
        )
    yield from _environment(_field(good, "environment"), _field(config, "environment"), step)
    old, new = set(map(str, _list(good, "secrets"))), set(map(str, _list(config, "secrets")))
    for name in sorted(old ^ new):
        states = ("given", "not given") if name in old else ("not given", "given")
        yield Change("secret", f"secret {name}", *states, name=name)
    settings, good_settings = _plain(config.settings), _plain(good.settings)
    for key in settings.keys() | good_settings.keys():
        now, was = dict(settings.get(key) or {}), dict(good_settings.get(key) or {})
        if key == "docker":
            yield from _packages(
                _lines(was.pop("requirements", None)),
                _lines(now.pop("requirements", None)),
                step,
            )
            for name in ("environment", "runtime_environment"):
                yield from _environment(
                    was.pop(name, None) or {}, now.pop(name, None) or {}, step
                )
            yield from _differences("image", was, now, step, label="image: ")
        else:
            kind = "resource" if key == "resources" else "setting"
            yield from _differences(kind, was, now, step, label=f"{label}{key}.")


def _field(config: Any, name: str) -> dict[str, Any]:
    return dict(getattr(config, name, None) or {})


def _list(config: Any, name: str) -> list[Any]:
    return list(getattr(config, name, None) or ())


def _plain(value: Any) -> dict[str, Any]:
    return {
        key: item.model_dump(mode="json") if isinstance(item, BaseModel) else item
        for key, item in (value or {}).items()
        # What mails the failure did not cause it; it holds the whole alerter's settings.
        if not key.startswith("alerter")
    }


def _lines(value: Any) -> str:
    return "\n".join(value) if isinstance(value, list) else ""


def _packages(old: str | None, new: str | None, step: str) -> Iterator[Change]:
    before, after = _requirements(old), _requirements(new)
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name, "not required"), after.get(name, "not required")
        if was != now:
            called = _IMPORTED_AS.get(name.lower(), name)
            yield Change(
                "package", name, was.removeprefix("=="), now.removeprefix("=="), step, called
            )


def _requirements(text: str | None) -> dict[str, str]:
    matches = (_REQUIREMENT.match(line) for line in (text or "").splitlines())
    return {match[1]: match[2] or "any version" for match in matches if match}


def _environment(old: Mapping[str, Any], new: Mapping[str, Any], step: str) -> Iterator[Change]:
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            # Any variable may hold a secret, so that only numbers are shown.
            old_state, new_state = (
                "not set" if name not in values else _number(values[name]) or fallback
                for values, fallback in ((old, "(not shown)"), (new, "(changed, not shown)"))
            )
            what = f"environment variable {name}"
            yield Change("environment", what, old_state, new_state, step, name)


def _number(value: Any) -> str:
    return str(value) if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", str(value)) else ""


def _differences(
    kind: str, old: Any, new: Any, step: str, *, label: str = "", name: str = ""
) -> Iterator[Change]:
    """Yield what differs, deep inside of mappings, too."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys(), key=str):
            inner = f"{name}.{key}" if name else str(key)
            yield from _differences(
                kind, old.get(key), new.get(key), step, label=label, name=inner
            )
    elif old != new:
        states = ("(not shown)", "(changed, not shown)")
        if not any(map(secrecy_of, name.split("."))):
            states = (_shown(old), _shown(new))
        yield Change(kind, f"{label}{name}", *states, step, name.rsplit(".", 1)[-1])


def _shown(value: Any) -> str:
    return "not set" if value is None else clean_line(str(value), limit=120)


def rank(
    changes: list[Change], *, failed: str, error: str, traceback: str = ""
) -> list[Change]:
    """Return the changes, likely causes first; the module says how.

    Args:
        changes: As `compare` returns them.
        failed: The name of the step that failed, or "".
        error: Its error, as in the last line of a traceback.
        traceback: Its traceback.
    """
    lowered = error.lower()
    often: set[str] = set()
    for pattern, kinds in _SYMPTOMS:
        if re.search(pattern, lowered):
            often |= kinds
    packages = set(re.findall(r"-packages[\\/]([A-Za-z_]\w*)", traceback))

    changed = {change.step for change in changes}

    def points(change: Change) -> int:
        place = 15 if not change.step else 30 if change.step == failed else 20
        named = _named(change, error) or (change.kind == "package" and change.name in packages)
        return (
            place
            + _BASE.get(change.kind, 0)
            + (40 if named else 0)
            + (25 if change.kind in often else 0)
            - (20 if change.kind == "data" and change.made_by in changed - {""} else 0)
        )

    return sorted(changes, key=points, reverse=True)


def _named(change: Change, error: str) -> bool:
    """Return whether the error names what changed, its value or a word of its name."""
    if change.kind in ("data", "size"):
        return False
    if change.kind == "code":
        words = [set(re.findall(r"\w{3,}", text)) for text in (change.before, change.after)]
        return (
            not words[0].symmetric_difference(words[1]).isdisjoint(re.findall(r"\w{3,}", error))
        )
    terms = {change.name, change.after, change.before}
    # Variables are named after the library or service that reads them: OMP_NUM_THREADS.
    shortest = 3 if change.kind == "environment" else 5
    terms |= {word for word in re.split(r"[_\W]+", change.name) if len(word) >= shortest}
    terms |= {term.split(":")[0] for term in (change.after,) if change.kind == "image"}
    return any(
        len(term) > (2 if term.isdigit() else 1)
        and re.search(rf"(?<![A-Za-z0-9]){re.escape(term)}(?![A-Za-z0-9])", error, re.I)
        for term in terms
    )
