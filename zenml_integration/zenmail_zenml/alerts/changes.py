"""What differs between a failed run and the last good one."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from zenml.client import Client
from zenml.models import PipelineRunResponse, StackResponse, StepRunResponse

from zenmail.clean import clean_line
from zenmail.redaction.names import secrecy_of

from .change import Change
from .code_changes import compare_code, compare_commits
from .data_changes import compare_data
from .run_context import read_or_default, steps_of

__all__ = ["compare", "read_run", "read_steps"]

_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9][\w.-]*)(?:\[[^]]*])?\s*(.*?)\s*$")
_MAX_STEPS = 200
_LABELS = {
    "parameter": "{step}{name}",
    "resource": "{step}{name}",
    "setting": "{step}{name}",
    "environment": "{name} (environment variable)",
    "secret": "secret {name}",
    "image": "image: {name}",
    "installed": "{name} (installed)",
}
_ABSENT = {"package": "not required", "secret": "not given", "installed": "not installed"}
# What is not there is not known.
_KNOWN = ("stack", "code", "user", "schedule")
_SYSTEM = ("os", "linux_distro", "linux_distro_version", "mac_version", "windows_version")
_SETTINGS = ("retry", "runtime", "step_operator", "experiment_tracker", "enable_cache", "extra")


def read_run(run: PipelineRunResponse, client: Client) -> PipelineRunResponse:
    """Return a run with the packages that were installed where it ran, in one request.

    ZenML's client has no option for the packages.
    """
    store: Any = client.zen_store
    wanted = {"hydrate": True, "include_python_packages": True}
    if hasattr(store, "get"):
        body = store.get(f"/runs/{run.id}", params=wanted)
        return PipelineRunResponse.model_validate(body)
    found: PipelineRunResponse = store.get_run(run.id, **wanted)
    return found


def read_steps(run: PipelineRunResponse, client: Client) -> dict[str, StepRunResponse]:
    """Return the last attempt of each step of a run, by name, in one request."""
    return {step.name: step for step in steps_of(run, client, size=_MAX_STEPS)}


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
    common = steps.keys() & good_steps.keys()
    # Reading a stack's parts is a request, and usually both runs have the same one.
    stack = run.stack if run.stack == good.stack else good.stack
    old = _facts(good, {name: good_steps[name] for name in common}, secrets, stack, None)
    new = _facts(run, {name: steps[name] for name in common}, secrets, run.stack, good.created)
    installed = all(any(kind == "installed" for kind, *_ in it) for it in (old, new))
    found: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    for kind, step, name in sorted(old.keys() | new.keys()):
        was, now = (it.get((kind, step, name)) for it in (old, new))
        unknown = (kind in _KNOWN and None in (was, now)) or (
            kind == "installed" and not installed
        )
        if was == now or unknown:
            continue
        shown = _shown(kind, name, was, now)
        if any(shown):
            key = (kind, name, *shown)
            found[key].add(step)
    changes = [
        Change("pipeline", f"step {name}", "not in the pipeline", "new", frozenset([name]))
        for name in sorted(steps.keys() - common)
        if len(good_steps) < _MAX_STEPS
    ]
    for (kind, name, before, after), places in found.items():
        # What is set for the whole run is repeated in each step; a parameter goes to some.
        whole = "" in places and kind != "parameter"
        step = f"{min(places)}." if len(places) == 1 and not whole else ""
        label = _LABELS.get(kind, "{name}").format(step=step.lstrip("."), name=name)
        # In a table, what stands beside the bare name of a secret is taken for its value.
        hidden = "not shown)" in before + after and not label.endswith(")")
        changes.append(
            Change(
                kind,
                f"{label} ({kind})" if hidden else label,
                before,
                after,
                frozenset() if whole else frozenset(places - {""}),
                name if kind == "package" else name.rsplit(".", 1)[-1],
            )
        )
    return changes + read_or_default(
        lambda: list(compare_data(steps, good_steps, client)), list[Change]()
    )


def _facts(
    run: PipelineRunResponse,
    steps: Mapping[str, StepRunResponse],
    secrets: list[Any],
    stack: StackResponse | None,
    since: datetime | None,
) -> dict[tuple[str, str, str], Any]:
    """Return what a run and its steps were given, by kind, step (or "") and name.

    Secrets and parts of the stack count as updated since a moment; None for not at all.
    """
    names = {str(it.id): it.name for it in secrets}
    found = {"": _of_run(run), **{name: _of_step(step) for name, step in steps.items()}}
    for values in found.values():
        # Its code or a parameter may name a secret that it is not given.
        text = json.dumps([*values["code"].values(), values["parameter"]], default=str)
        values["secret"] = {names.get(it, it): "given" for it in values["secret"]} | {
            name: "given"
            for name in names.values()
            if re.search(rf"""["']{re.escape(name)}\\?["']""", text)
        }
        values["secret"] |= _updates(
            {it.name: it for it in secrets if it.name in values["secret"]}, since
        )
    components = stack.components if stack is not None else {}
    parts = {
        f"{kind.replace('_', ' ')} {it.name}": it
        for kind, its in components.items()
        for it in its
        if kind != "alerter"
    }
    found[""]["stack"] |= dict.fromkeys(parts, "part of the stack") | _updates(parts, since)
    return {
        (kind, step, name): value
        for step, kinds in found.items()
        for kind, values in kinds.items()
        for name, value in _flat(values)
    }


def _updates(found: Mapping[str, Any], since: datetime | None) -> dict[str, str]:
    return {
        name: f"updated {it.updated:%Y-%m-%d %H:%M} UTC"
        for name, it in found.items()
        if since is not None and it.updated > since
    }


def _of_run(run: PipelineRunResponse) -> dict[str, Any]:
    """Return what a run was given, by the kind of change that a difference would be."""
    values = _of_config(run.config)
    machine = run.orchestrator_environment or run.client_environment
    for image in (run.build.images if run.build is not None else {}).values():
        values["package"] |= _requirements(image.requirements)
    values["package"] |= {
        "Python": machine.get("python_version"),
        "ZenML": machine.get("zenml_version"),
    }
    values["image"] |= {key: machine.get(key) for key in _SYSTEM}
    reference, schedule, user, stack = run.code_reference, run.schedule, run.user, run.stack
    return {
        **values,
        "installed": _requirements(machine.get("python_packages")),
        "stack": {"stack": stack and stack.name},
        "user": {"started by user": user and user.name},
        "code": {"commit (code)": reference and reference.commit[:12]},
        "schedule": {
            "schedule": schedule
            and (schedule.cron_expression or schedule.interval_second or "once")
        },
    }


def _of_step(step: StepRunResponse) -> dict[str, Any]:
    """Return what a step was given, its code, and what it reads from where."""
    inputs: dict[str, str] = {}
    after = set(step.spec.upstream_steps)
    for name, given in step.spec.inputs.items():
        sources = given if isinstance(given, list) else [given]
        inputs[f"input {name} of {step.name}"] = ", ".join(
            f"{it.output_name} of {it.step_name}" for it in sources
        )
        after -= {it.step_name for it in sources}
    return {
        **_of_config(step.config),
        "code": {f"code of {step.name}": step.source_code or None},
        "pipeline": inputs | {f"steps before {step.name}": ", ".join(sorted(after)) or None},
    }


def _of_config(config: Any) -> dict[str, Any]:
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
    return {
        "parameter": config.parameters or {},
        "environment": environment,
        "secret": [str(secret) for secret in getattr(config, "secrets", None) or ()],
        "package": _requirements(docker.pop("requirements", None)),
        "image": docker,
        "resource": {"resources": settings.pop("resources", {})},
        "model": {
            f"model {name}": getattr(config.model, name, None) for name in ("name", "version")
        },
        "setting": settings | {name: getattr(config, name, None) for name in _SETTINGS},
    }


def _requirements(given: list[str] | str | None) -> dict[str, str]:
    lines = given.splitlines() if isinstance(given, str) else given or ()
    return {
        match[1]: match[2].removeprefix("==") or "any version"
        for match in map(_REQUIREMENT.match, lines)
        if match
    }


def _flat(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value deep inside of mappings with its path."""
    for key, value in values.items():
        name = f"{path}.{key}" if path else str(key)
        inner = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        if isinstance(inner, Mapping):
            yield from _flat(inner, name)
        elif inner is not None:
            yield name, inner


def _shown(kind: str, name: str, old: Any, new: Any) -> tuple[str, str]:
    if name.startswith("code of "):
        return compare_code(old, new)
    if name == "commit (code)":
        return compare_commits(old, new)
    absent = _ABSENT.get(kind, "not set")
    # Any variable may hold a secret, so that only numbers are shown.
    hidden = kind == "environment" and not (_is_number(old) and _is_number(new))
    if hidden or (kind != "secret" and any(map(secrecy_of, name.split(".")))):
        old, new = old and "(not shown)", new and "(changed, not shown)"
    before, after = (
        absent if it is None else clean_line(str(it), limit=120) for it in (old, new)
    )
    return before, after


def _is_number(value: Any) -> bool:
    return value is None or bool(re.fullmatch(r"\d{1,6}(\.\d{1,6})?", str(value)))
