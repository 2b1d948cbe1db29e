"""Orders what changed: likely causes of a failure first.

Each difference has points, and the one with the most stands first:

- where it is: 30 in the step that failed, or in the first step whose output has another shape
  though its input has not; 20 in a step before; 15 in the whole run; 5 elsewhere;
- what it is: `_BASE` says; 6 more for another major version of a package;
- 40 if the error names it or its value or, for code, a word that only one version has; for a
  package, if the traceback goes through it;
- 20 if a line of the traceback names it, or is the changed line;
- 25 if errors of this kind often have such a cause, or its step is the first with another
  shape;
- 20 less, and none of that, for data from a step that changed or read what changed; left out
  if it has much the same shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import chain

from zenml.models import StepRunResponse

from .change import Change

__all__ = ["rank"]

_BASE = {
    "shape": 14,
    "code": 12,
    "pipeline": 12,
    "parameter": 10,
    "secret": 8,
    "stack": 8,
    "model": 8,
    "data": 8,
    "package": 6,
    "image": 6,
    "resource": 6,
    "environment": 6,
    "schedule": 6,
    "user": 2,
    "alike": -8,
}
# What an error of this kind is often caused by: kinds of changes, and words in their names.
_SYMPTOMS = {
    r"memory|oom\b|oomkilled|cannot allocate|unable to allocate|exit code 137|evicted|sigkill"
    r"|signal 9|\bkilled": "memory shape batch workers",
    r"no space left|disk quota": "stack shape tmpdir tmp disk storage volume",
    r"time ?d? ?out|time limit|deadline|exceeded": "shape resource timeout",
    r"unauthori[sz]ed|forbidden|credential|\b40[13]\b|log ?in|log ?on|password|access denied"
    r"|authenti|invalid_(auth|grant)|token|revoked|expired|signature": "secret account project",
    r"permission|not permitted|credential|privilege|access denied": "secret stack user role",
    r"connect|endpoint|resolve|not known|unreachable|tls|ssl": "host url uri endpoint proxy "
    "region port server address stack cert ssl",
    r"\b(429|50[0234])\b|unavailable|too many requests|reset by peer": "retry retries",
    r"does not exist|no such file|not ?found\b|bucket|not (there|available) yet": "stack "
    "schedule path dir root file bucket table",
    r"\.so\b|\.so\.|shared object|glibc|command|compiler|executable": "image",
    r"cuda|gpu|nvidia": "gpu cuda image accelerator",
    r"module ?not ?found|no module named|importerror|cannot import|unexpected keyword"
    r"|pickle|incompatible|has no attribute|deprecat|unsupported operand": "package",
    r"no module named|importerror": "image",
    r"nameerror|syntaxerror|indentationerror|zerodivision": "code",
    r"missing key|unexpected key|checkpoint|size mismatch": "model",
    r"keyerror|valueerror|expected at least|empty|no rows|could not convert|only one class"
    r"|\d+ samples?\b|\d+ sample\(s\)|nan\b": "shape data",
    # Nothing tells such values in data of much the same shape.
    r"\bnan\b|infinity|\bnull|missing values|unknown categor|duplicat|not unique": "alike code",
}
_IMPORTED_AS = {
    "scikit-learn": "sklearn",
    "pyyaml": "yaml",
    "pillow": "pil",
    "opencv-python": "cv2",
    "opencv-python-headless": "cv2",
    "beautifulsoup4": "bs4",
    "python-dateutil": "dateutil",
}
_FRAME = re.compile(r'File "([^"]+)", line \d+.*\n\s+(.+)')


def rank(
    changes: list[Change],
    *,
    failed: str,
    error: str,
    traceback: str = "",
    steps: Mapping[str, StepRunResponse] | None = None,
) -> list[Change]:
    """Return the changes worth telling, likely causes first; the module says how.

    Args:
        changes: As `compare` returns them.
        failed: The name of the step that failed, or "".
        error: Its error, as in the last line of a traceback.
        traceback: Its traceback.
        steps: The steps of the run by name; without them, all ran before the one that failed.
    """
    found = (
        targets.split()
        for pattern, targets in _SYMPTOMS.items()
        if re.search(pattern, error.lower())
    )
    often = set(chain.from_iterable(found))
    imported = set(re.findall(r"-packages[\\/]([A-Za-z_]\w*)", traceback.lower()))
    lines = [line for file, line in _FRAME.findall(traceback) if "-packages" not in file]
    before = _before(failed, steps) if steps else None
    shapes = [it for it in changes if it.kind == "shape"]
    first = {it.made_by for it in shapes} - {step for it in shapes for step in it.steps} - {""}
    reading = {step for it in changes if it.is_data for step in it.steps}
    changed = {
        step for it in changes if it.kind in ("code", "pipeline") for step in it.steps
    } | reading

    def points(change: Change) -> int:
        suspect = not change.is_data and not first.isdisjoint(change.steps)
        if failed in change.steps or suspect:
            place = 30
        elif not change.steps:
            place = 15
        else:
            place = 20 if before is None or before & change.steps else 5
        if change.is_data and change.made_by in changed:
            return place - 20
        return (
            place
            + _BASE.get(change.kind, 0)
            + 6 * (change.kind == "package" and _major(change.before) != _major(change.after))
            + 40 * (bool(_imports(change) & imported) or _is_named(change, error))
            + 20 * any(map(change.is_in, lines))
            + 25 * (suspect or not often.isdisjoint(_subjects(change)))
        )

    told = [it for it in changes if it.kind != "alike" or it.made_by not in changed]
    return sorted(told, key=points, reverse=True)


def _before(failed: str, steps: Mapping[str, StepRunResponse]) -> set[str]:
    """Return the steps that a step depends on, however far."""
    found: set[str] = set()
    new = {failed}
    while new:
        found |= new
        new = {
            name for it in new & steps.keys() for name in steps[it].spec.upstream_steps
        } - found
    return found


def _subjects(change: Change) -> Iterable[str]:
    """Return what kinds of errors name as their causes: the kind, and words of the name."""
    words = [] if change.is_data else re.split(r"[_\W\d]+", change.name.lower())
    return {change.kind, *words}


def _major(version: str) -> str:
    """Return the part of a version that changes when it may break what uses it."""
    match = re.match(r"\D*(0\.\d+|3\.\d+(?=\.\d+$)|\d+)", version)
    return match[1] if match else version


def _imports(change: Change) -> set[str]:
    """Return what a package is called in an import."""
    if change.kind not in ("package", "installed"):
        return set()
    name = change.name.lower()
    return {_IMPORTED_AS.get(name, name.replace("-", "_"))}


def _is_named(change: Change, error: str) -> bool:
    """Return whether the error names what changed, its value or a word of its name."""
    if change.kind == "alike":
        return False
    if change.kind == "code":
        words = [set(re.findall(r"\w{3,}", text)) for text in (change.before, change.after)]
        return not (words[0] ^ words[1]).isdisjoint(re.findall(r"\w{3,}", error))
    if change.is_data:
        terms = set(change.name.split())
    else:
        terms = {change.name, change.after, change.before} | _imports(change)
        # Variables are named after the library or service that reads them: OMP_NUM_THREADS.
        shortest = 3 if change.kind == "environment" else 5
        words_of_name = re.split(r"[_\W]+", change.name)
        terms |= {word for word in words_of_name if len(word) >= shortest}
    if change.kind == "image":
        terms.add(change.after.split(":")[0])
    return any(
        len(term) > (2 if term.isdigit() else 1)
        and re.search(rf"(?<![A-Za-z0-9]){re.escape(term)}(?![A-Za-z0-9])", error, re.I)
        for term in terms
    )
