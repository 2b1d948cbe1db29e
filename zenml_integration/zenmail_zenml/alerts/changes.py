"""What differs between a failed run and the last good one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import BaseModel

from zenmail.clean import clean_line
from zenmail.redaction.names import secrecy_of

from .run_context import read_or_default

if TYPE_CHECKING:
    from zenml.client import Client
    from zenml.models import PipelineRunResponse, StepRunResponse

__all__ = ["Change", "compare", "read_run", "read_steps"]

_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9][\w.-]*)(?:\[[^]]*])?\s*(.*?)\s*$")
_MAX_DATA = 50
_MAX_STEPS = 200
_LABELS = {
    "environment": "environment variable {name}",
    "secret": "secret {name}",
    "image": "image: {name}",
    "package": "{name}",
    "installed": "{name} (installed)",
}
# Where a value that is not set is called otherwise.
_ABSENT = {"package": "not required", "secret": "not given", "installed": "not installed"}
_OTHER_SETTINGS = (
    "retry",
    "runtime",
    "step_operator",
    "experiment_tracker",
    "enable_cache",
    "execution_mode",
    "extra",
)


@dataclass(frozen=True)
class Change:
    """One difference between two runs.

    Attributes:
        kind: "parameter", "code", "package" (required), "installed" (package), "data", "shape"
            (of data), "alike" (data of much the same shape), "pipeline" (its steps), "image",
            "resource", "environment", "secret", "stack", "model", "user", "schedule" or
            "setting".
        what: What changed, for readers.
        before: Its value in the good run.
        after: Its value now.
        steps: The steps that it belongs to; none for the whole run.
        name: What an error would call it; columns, of data.
        made_by: The step of the run that made the data, or "".
    """

    kind: str
    what: str
    before: str
    after: str
    steps: frozenset[str] = frozenset()
    name: str = ""
    made_by: str = ""

    @property
    def is_data(self) -> bool:
        """Whether it is an input that holds something else."""
        return self.kind in ("data", "shape", "alike")

    def is_in(self, line: str) -> bool:
        """Return whether a line of code names it, or is the changed line."""
        if self.kind == "code":
            return line.strip() == self.after
        return not self.is_data and self.name in re.findall(r"\w+", line)


def read_run(run: PipelineRunResponse, client: Client) -> PipelineRunResponse:
    """Return a run with the packages that were installed where it ran, in one request.

    Args:
        run: The run.
        client: ZenML's client, which has no option for the packages.
    """
    from zenml.models import PipelineRunResponse

    store: Any = client.zen_store
    wanted = {"hydrate": True, "include_python_packages": True}
    if hasattr(store, "get"):
        body = store.get(f"/runs/{run.id}", params=wanted)
        return PipelineRunResponse.model_validate(body)
    found: PipelineRunResponse = store.get_run(run.id, **wanted)
    return found


def read_steps(run: PipelineRunResponse, client: Client) -> dict[str, StepRunResponse]:
    """Return the last attempt of each step of a run, by name, in one request.

    Args:
        run: The run.
        client: ZenML's client.
    """
    page = client.list_run_steps(
        project=run.project_id,
        pipeline_run_id=run.id,
        size=_MAX_STEPS,
        sort_by="asc:created",
        hydrate=True,
    )
    return {step.name: step for step in page.items}


def compare(
    run: PipelineRunResponse,
    good: PipelineRunResponse,
    steps: Mapping[str, StepRunResponse],
    good_steps: Mapping[str, StepRunResponse],
    secrets: list[Any],
    client: Client,
) -> list[Change]:
    """Return the differences between two runs of a pipeline, in no order.

    Args:
        run: The run that failed, as `read_run` returns it.
        good: The last good run.
        steps: Its steps, as `read_steps` returns them.
        good_steps: The good run's.
        secrets: The secrets that ZenML has.
        client: ZenML's client; asked once if data changed.
    """
    names = {str(it.id): it.name for it in secrets}
    found: dict[tuple[str, ...], Change] = {}

    def add(changes: Iterator[tuple[str, Change]]) -> None:
        for path, new in changes:
            key = (new.kind, path, new.before, new.after)
            known = found.setdefault(key, new)
            # What is set for the whole run is repeated in each step; a parameter goes to some.
            if known is not new and (known.steps or new.kind == "parameter"):
                what = path if new.kind == "parameter" else known.what
                found[key] = replace(known, what=what, steps=known.steps | new.steps)

    add(_differences(_of_run(good, names), _of_run(run, names), ""))
    for name in sorted(steps.keys() & good_steps.keys()):
        before, now = _of_step(good_steps[name], names), _of_step(steps[name], names)
        add(_differences(before, now, name))
    rest = [
        Change("pipeline", f"step {name}", "not in the pipeline", "new", frozenset([name]))
        for name in steps.keys() - good_steps.keys()
        if len(good_steps) < _MAX_STEPS
    ]
    for name in steps.keys() & good_steps.keys():
        texts = good_steps[name].source_code, steps[name].source_code
        old, new = _first_difference(*texts) if all(texts) else ("", "")  # type: ignore[arg-type]
        if old or new:
            rest.append(Change("code", f"code of {name}", old, new, frozenset([name])))
    rest += read_or_default(
        lambda: list(_of_updates(run, good, steps, secrets)), list[Change]()
    )
    rest += read_or_default(lambda: list(_of_data(steps, good_steps, client)), list[Change]())
    return [*found.values(), *rest]


def _of_updates(
    run: PipelineRunResponse,
    good: PipelineRunResponse,
    steps: Mapping[str, StepRunResponse],
    secrets: list[Any],
) -> Iterator[Change]:
    """Yield the secrets that the run uses, and the parts of its stack, changed since then."""
    given = {str(it) for it in run.config.secrets or ()} if _has_secrets(run) else set[str]()
    for secret in secrets:
        users = {name for name, step in steps.items() if _uses(step, secret)}
        if users or {secret.name, str(secret.id)} & given:
            yield from _update("secret", f"secret {secret.name}", secret, good, users)
    if run.stack is not None and good.stack is not None and run.stack.id == good.stack.id:
        for kind, components in run.stack.components.items():
            for component in components if kind != "alerter" else ():
                what = f"{kind.replace('_', ' ')} {component.name}"
                yield from _update("stack", what, component, good, ())


def _update(
    kind: str, what: str, found: Any, good: PipelineRunResponse, steps: Iterable[str]
) -> Iterator[Change]:
    if found.updated > good.created:
        at = f"updated {found.updated:%Y-%m-%d %H:%M} UTC"
        yield Change(kind, what, "(not shown)", at, frozenset(steps), found.name)


def _has_secrets(owner: Any) -> bool:
    # ZenML 0.94.1 has none in a configuration.
    return hasattr(owner.config, "secrets")


def _uses(step: StepRunResponse, secret: Any) -> bool:
    """Return whether a step is given a secret, or its code or parameters name it."""
    given = {str(it) for it in getattr(step.config, "secrets", None) or ()}
    texts = (step.source_code or "", json.dumps(step.config.parameters, default=str))
    named = re.compile(rf"""["']{re.escape(secret.name)}["']""")
    return bool({secret.name, str(secret.id)} & given) or any(map(named.search, texts))


def _of_step(step: StepRunResponse, secrets: Mapping[str, str]) -> dict[str, Any]:
    """Return what a step was given, and what it reads from where."""
    sources: dict[str, str] = {}
    after = set(step.spec.upstream_steps)
    for name, given in step.spec.inputs.items():
        inputs = given if isinstance(given, list) else [given]
        sources[f"input {name} of {step.name}"] = ", ".join(
            f"{it.output_name} of {it.step_name}" for it in inputs
        )
        after -= {it.step_name for it in inputs}
    sources[f"steps before {step.name}"] = ", ".join(sorted(after)) or "none"
    return {**_of_config(step.config, secrets), "pipeline": sources}


def _of_run(run: PipelineRunResponse, secrets: Mapping[str, str]) -> dict[str, Any]:
    """Return what a run was given, by the kind of change that a difference would be."""
    values = _of_config(run.config, secrets)
    environment = run.orchestrator_environment or run.client_environment
    versions = {"Python": "python_version", "ZenML": "zenml_version"}
    for image in (run.build.images if run.build is not None else {}).values():
        values["package"] |= _requirements(image.requirements)
    values["installed"] = _requirements(environment.get("python_packages"))
    values["package"] |= {
        label: environment[key] for label, key in versions.items() if environment.get(key)
    }
    system = ("os", "linux_distro", "linux_distro_version", "mac_version", "windows_version")
    values["image"] |= {key: environment[key] for key in system if environment.get(key)}
    reference, schedule, user = run.code_reference, run.schedule, run.user
    values["stack"] = {"stack": run.stack.name if run.stack is not None else None}
    values["user"] = {"started by user": user.name if user is not None else None}
    values["code"] = {"commit (code)": reference.commit[:12] if reference is not None else None}
    if schedule is not None:
        values["schedule"] = {
            "schedule": schedule.cron_expression or schedule.interval_second or "once"
        }
    return values


def _of_config(config: Any, secrets: Mapping[str, str]) -> dict[str, Any]:
    """Return what a configuration sets, by the kind of change that a difference would be."""
    settings = {
        key: item if isinstance(item, Mapping) else item.model_dump(mode="json")
        for key, item in (config.settings or {}).items()
        # What mails the failure did not cause it; it holds the whole alerter's settings.
        if not key.startswith("alerter")
    }
    docker = dict(settings.pop("docker", {}))
    environment = dict(getattr(config, "environment", None) or {})
    for key in ("environment", "runtime_environment"):
        environment |= docker.pop(key, None) or {}
    required = docker.pop("requirements", None)
    other = {name: getattr(config, name, None) for name in _OTHER_SETTINGS}
    given = (str(secret) for secret in getattr(config, "secrets", None) or ())
    return {
        "parameter": config.parameters or {},
        "environment": environment,
        "secret": {secrets.get(secret, secret): "given" for secret in given},
        "package": _requirements(
            "\n".join(required) if isinstance(required, list) else required
        ),
        "image": docker,
        "resource": {"resources": settings.pop("resources", {})},
        "model": {
            f"model {name}": getattr(config.model, name, None) for name in ("name", "version")
        },
        "setting": {
            **settings,
            **{
                name: value.model_dump(mode="json") if isinstance(value, BaseModel) else value
                for name, value in other.items()
            },
        },
    }


def _requirements(text: str | None) -> dict[str, str]:
    matches = map(_REQUIREMENT.match, (text or "").splitlines())
    return {
        match[1]: match[2].removeprefix("==") or "any version" for match in matches if match
    }


def _differences(
    old: Mapping[str, Any], new: Mapping[str, Any], step: str
) -> Iterator[tuple[str, Change]]:
    """Yield the differences of what two runs or steps were given, each with its path."""
    for kind in old.keys() & new.keys():
        before, after = dict(_flat(old[kind])), dict(_flat(new[kind]))
        if kind == "installed" and not (before and after):
            continue
        for name in sorted(before.keys() | after.keys()):
            was, now = before.get(name), after.get(name)
            # A commit, like a stack, can be unknown.
            if was == now or (kind in ("stack", "code", "user") and None in (was, now)):
                continue
            inside = step and kind not in ("pipeline", "model")
            label = _LABELS.get(kind, f"{step}.{{name}}" if inside else "{name}")
            yield (
                name,
                Change(
                    kind,
                    label.format(name=name),
                    *_shown(kind, name, was, now),
                    frozenset([step] if step else []),
                    name.rsplit(".", 1)[-1] if kind != "package" else name,
                ),
            )


def _flat(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value deep inside of mappings with its path."""
    for key, value in values.items():
        name = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping):
            yield from _flat(value, name)
        elif value is not None:
            yield name, value


def _shown(kind: str, name: str, old: Any, new: Any) -> tuple[str, str]:
    absent = _ABSENT.get(kind, "not set")
    # Any variable may hold a secret, so that only numbers are shown.
    hidden = any(map(secrecy_of, name.split(".")))
    if hidden or (kind == "environment" and not (_is_number(old) and _is_number(new))):
        return (
            absent if old is None else "(not shown)",
            absent if new is None else "(changed, not shown)",
        )
    return (
        absent if old is None else clean_line(str(old), limit=120),
        absent if new is None else clean_line(str(new), limit=120),
    )


def _is_number(value: Any) -> bool:
    return value is None or bool(re.fullmatch(r"\d{1,6}(\.\d{1,6})?", str(value)))


def _first_difference(old: str, new: str) -> tuple[str, str]:
    """Return the first line of a function's body that differs, in both."""
    before, after = (_body(text).splitlines() for text in (old, new))
    for place in range(max(len(before), len(after))):
        was, now = ("".join(text[place : place + 1]).strip() for text in (before, after))
        if was != now:
            return clean_line(was, limit=120), clean_line(now, limit=120)
    return "", ""


def _body(source: str) -> str:
    """Return a function's source without decorators and signature.

    What is written in the head reaches the step as a parameter or a setting.
    """
    head = re.search(r"^(?:async )?def .*?\)(?: *->[^\n]*)?:[ \t]*\n", source, re.M | re.S)
    return source[head.end() :] if head else source


def _of_data(
    steps: Mapping[str, StepRunResponse],
    good_steps: Mapping[str, StepRunResponse],
    client: Client,
) -> Iterator[Change]:
    """Yield the inputs that hold something else."""
    makers = {
        output.id: step.name
        for step in steps.values()
        for outputs in step.outputs.values()
        for output in outputs
    }
    pairs: dict[UUID, tuple[Any, Any, set[str]]] = {}
    for name, step in steps.items():
        inputs = good_steps[name].inputs if name in good_steps else {}
        for key in step.inputs.keys() & inputs.keys():
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
    for name in sorted(types[0].keys() | types[1].keys()) if all(types) else ():
        kinds = [re.sub(r".*?(\w+)\W*$", r"\1", str(it.get(name, "no"))) for it in types]
        if kinds[0] != kinds[1]:
            before, after = (
                f"{it} {name}" if it == "no" else f"{it} column {name}" for it in kinds
            )
            yield name, (before, after)
    sizes = [it.get("shape", ())[1:] for it in (was, now)]
    if sizes[0] != sizes[1] and not isinstance(now.get("dtype"), Mapping):
        before, after = (f"each {' x '.join(map(str, it)) or 'a number'}" for it in sizes)
        yield "shape", (before, after)
    ranges = [_ranges(it) for it in (was, now)]
    for name in ranges[0].keys() & ranges[1].keys():
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
