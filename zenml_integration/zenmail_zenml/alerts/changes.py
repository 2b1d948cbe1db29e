"""What differs between a failed run and the last good one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from zenmail.clean import clean_line
from zenmail.redaction.names import secrecy_of

from .run_context import read_or_default

if TYPE_CHECKING:
    from zenml.client import Client
    from zenml.models import PipelineRunResponse, StepRunResponse

__all__ = ["Change", "compare", "read_run", "read_steps"]

_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9][\w.-]*)(?:\[[^]]*])?\s*(.*?)\s*$")
_MAX_DATA = 50
_LABELS = {
    "environment": "environment variable {name}",
    "secret": "secret {name}",
    "image": "image: {name}",
    "package": "{name}",
    "installed": "{name} (installed)",
}
# Where a value that is not set is called otherwise.
_ABSENT = {"package": "not required", "secret": "not given", "installed": "not installed"}


@dataclass(frozen=True)
class Change:
    """One difference between two runs.

    Attributes:
        kind: "parameter", "code", "package" (required), "installed" (package), "data", "shape"
            (of data), "image", "resource", "environment", "secret", "stack", "schedule" or
            "setting".
        what: What changed, for readers.
        before: Its value in the good run.
        after: Its value now.
        step: The step that it belongs to, or "" for the whole run.
        name: What an error would call it; columns, of data.
        made_by: The step of the run that made the data, or "".
    """

    kind: str
    what: str
    before: str
    after: str
    step: str = ""
    name: str = ""
    made_by: str = ""


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
        size=200,
        sort_by="asc:created",
        hydrate=True,
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
        run: The run that failed, as `read_run` returns it.
        good: The last good run.
        steps: Its steps, as `read_steps` returns them.
        good_steps: The good run's.
        client: ZenML's client; asked once if the run has secrets, and once if data changed.
    """
    names, updated = _secrets([run, good, *steps.values(), *good_steps.values()], client)
    found = list(_differences(_of_run(good, names), _of_run(run, names), ""))
    known = {(it.what, it.before, it.after) for it in found}
    for name in steps.keys() & good_steps.keys():
        step, before = steps[name], good_steps[name]
        for change in _differences(
            _of_config(before.config, names), _of_config(step.config, names), name
        ):
            # What is set for the whole pipeline is repeated in each step.
            whole = change.what.removeprefix(f"{name}.")
            if (whole, change.before, change.after) not in known:
                found.append(change)
        old, new = _first_difference(before.source_code or "", step.source_code or "")
        if before.source_code and step.source_code and (old or new):
            found.append(Change("code", f"code of {name}", old, new, name))
    found += [
        Change(
            "secret",
            f"secret {name}",
            "(not shown)",
            f"updated {at:%Y-%m-%d %H:%M} UTC",
            name=name,
        )
        for name, at in updated.items()
        if at > good.created
    ]
    return found + read_or_default(
        lambda: list(_of_data(steps, good_steps, client)), list[Change]()
    )


def _secrets(owners: list[Any], client: Client) -> tuple[dict[str, str], dict[str, datetime]]:
    """Return the names by ID, and the last updates by name, of the secrets that are used."""
    used = {
        str(secret) for it in owners for secret in getattr(it.config, "secrets", None) or ()
    }
    if not used:
        return {}, {}
    secrets = [
        secret
        for secret in read_or_default(lambda: client.list_secrets(size=500).items, list[Any]())
        if {secret.name, str(secret.id)} & used
    ]
    names = {str(secret.id): secret.name for secret in secrets}
    return names, {secret.name: secret.updated for secret in secrets}


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
    reference, schedule = run.code_reference, run.schedule
    values["stack"] = {"stack": run.stack.name if run.stack is not None else None}
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
        "setting": {**settings, "extra": config.extra or {}},
    }


def _requirements(text: str | None) -> dict[str, str]:
    matches = map(_REQUIREMENT.match, (text or "").splitlines())
    return {
        match[1]: match[2].removeprefix("==") or "any version" for match in matches if match
    }


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], step: str) -> Iterator[Change]:
    for kind in old.keys() & new.keys():
        before, after = dict(_flat(old[kind])), dict(_flat(new[kind]))
        if kind == "installed" and not (before and after):
            continue
        for name in sorted(before.keys() | after.keys()):
            was, now = before.get(name), after.get(name)
            # A commit, like a stack, can be unknown.
            if was == now or (kind in ("stack", "code") and None in (was, now)):
                continue
            place = f"{step}.{name}" if step else name
            yield Change(
                kind,
                _LABELS.get(kind, place).format(name=name),
                *_shown(kind, name, was, now),
                step,
                name.rsplit(".", 1)[-1] if kind != "package" else name,
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
    """Yield the inputs that hold something else, each for the first step that reads it."""
    makers = {
        output.id: step.name
        for step in steps.values()
        for outputs in step.outputs.values()
        for output in outputs
    }
    pairs: dict[UUID, tuple[Any, Any, str]] = {}
    for name, step in steps.items():
        inputs = good_steps[name].inputs if name in good_steps else {}
        for key in step.inputs.keys() & inputs.keys():
            for new, old in zip(step.inputs[key], inputs[key], strict=False):
                same = new.content_hash and new.content_hash == old.content_hash
                if new.id != old.id and not same:
                    pairs.setdefault(new.id, (old, new, name))
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
    for old, new, reader in pairs.values():
        if old.id in known and new.id in known:
            yield from _of_versions(
                known[old.id], known[new.id], reader, makers.get(new.id, "")
            )


def _of_versions(old: Any, new: Any, step: str, made_by: str) -> Iterator[Change]:
    was, now = old.run_metadata, new.run_metadata
    if was == now and not (old.content_hash and new.content_hash):
        # A new version each run, and nothing that says whether it holds anything new.
        return
    rows = [_rows(old), _rows(new)]
    columns, types = [], [_types(was), _types(now)]
    shown = [[f"v{it.version}"] for it in (old, new)]
    for number, texts in zip(rows, shown, strict=True):
        if None not in rows:
            texts.append(f"{number:,} rows")
    for name in sorted(types[0].keys() | types[1].keys()):
        before, after = (it.get(name, "no") for it in types)
        if before != after and all(types):
            columns.append(name)
            shown[0].append(f"{before} column {name}" if before != "no" else f"no {name}")
            shown[1].append(f"{after} column {name}" if after != "no" else f"no {name}")
    low, high = sorted(number or 0 for number in rows)
    for name, top in _mapping(now, "max").items():
        constant = _mapping(now, "min").get(name) == top and (rows[1] or 0) > 1
        if (
            top is not None
            and constant
            and _mapping(was, "min").get(name) != _mapping(was, "max").get(name)
        ):
            columns.append(name)
            shown[1].append(f"{name} always {top:g}")
    kind = "shape" if columns or (None not in rows and high > 0 and high >= 2 * low) else "data"
    before, after = (", ".join(texts[:6]) for texts in shown)
    yield Change(
        kind, f"data {new.artifact.name}", before, after, step, " ".join(columns), made_by
    )


def _rows(version: Any) -> int | None:
    shape = version.run_metadata.get("shape")
    # ZenML counts the columns of a table.
    return shape[0] if shape else getattr(version, "item_count", None)


def _mapping(metadata: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = metadata.get(key)
    return value if isinstance(value, Mapping) else {}


def _types(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return the type of each column of a table."""
    return {
        name: re.sub(r".*?([\w]+)\W*$", r"\1", str(kind))
        for name, kind in _mapping(metadata, "dtype").items()
    }
