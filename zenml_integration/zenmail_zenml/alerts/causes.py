"""Orders what changed: likely causes of a failure first.

Each difference has points, and the one with the most stands first:

- where it is: 30 in the step that failed, 20 in another one, 15 in the whole run;
- what it is: 14 for data that shrank to a half, doubled, or lost or changed a column, 12 for
  code, 10 for a parameter, 8 for a secret or the stack, 6 for a required package, the image,
  a resource, an environment variable or the schedule, 2 for data that changed otherwise, 0 for
  the rest;
- 40 if the error names it or its value or, for code, a word that only one version has; for a
  package, if the traceback goes through it;
- 25 if the error is of a kind that it often causes;
- 20 less for data from a step whose code or own data changed, and for data of much the same
  size from a step in which anything changed.
"""

from __future__ import annotations

import re

from .changes import Change

__all__ = ["rank"]

_BASE = {
    "shape": 14,
    "code": 12,
    "parameter": 10,
    "secret": 8,
    "stack": 8,
    "package": 6,
    "image": 6,
    "resource": 6,
    "environment": 6,
    "schedule": 6,
    "data": 2,
}
# What an error of this kind is often caused by.
_SYMPTOMS = {
    r"memory|oom\b|oomkilled|cannot allocate|unable to allocate|exit code 137|evicted": {
        "resource",
        "shape",
    },
    r"no space left|disk quota": {"stack", "shape"},
    r"time ?d? ?out|time limit|deadline": {"shape", "resource"},
    r"unauthori[sz]ed|forbidden|credential|\b40[13]\b|log ?in|password|access denied"
    r"|authenti|invalid_auth|token|revoked|expired": {"secret"},
    r"permission|not permitted|credential": {"secret", "stack"},
    r"connection|endpoint|resolve|not known|unreachable": {"environment", "stack"},
    r"does not exist|no such file|filenotfound|bucket|not (?:there|available) yet": {
        "stack",
        "schedule",
    },
    r"\.so\b|\.so\.|shared object|glibc": {"image"},
    r"cuda|gpu|nvidia": {"resource", "image"},
    r"module ?not ?found|no module named|importerror|unexpected keyword argument"
    r"|pickle|incompatible|has no attribute|deprecat": {"package"},
    r"nameerror|syntaxerror|indentationerror|zerodivision": {"code"},
    r"keyerror|expected at least|empty|no rows|could not convert|only one class"
    r"|\d+ samples?\b|\d+ sample\(s\)": {"shape", "data"},
}
_IMPORTED_AS = {
    "scikit-learn": "sklearn",
    "pyyaml": "yaml",
    "pillow": "pil",
    "opencv-python": "cv2",
    "beautifulsoup4": "bs4",
    "python-dateutil": "dateutil",
}


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
    often = set().union(
        *(kinds for pattern, kinds in _SYMPTOMS.items() if re.search(pattern, lowered))
    )
    imported = set(re.findall(r"-packages[\\/]([A-Za-z_]\w*)", traceback.lower()))
    changed = {it.step for it in changes} - {""}
    makers = {it.step for it in changes if it.kind in ("data", "shape", "code")}

    def points(change: Change) -> int:
        place = 15 if not change.step else 30 if change.step == failed else 20
        derived = change.made_by in makers or (
            change.kind == "data" and change.made_by in changed
        )
        return (
            place
            + _BASE.get(change.kind, 0)
            + (40 if _names(change) & imported or _is_named(change, error) else 0)
            + (25 if change.kind in often else 0)
            - (20 if derived else 0)
        )

    return sorted(changes, key=points, reverse=True)


def _names(change: Change) -> set[str]:
    """Return what a package is called in an import."""
    if change.kind not in ("package", "installed"):
        return set()
    name = change.name.lower()
    return {_IMPORTED_AS.get(name, name.replace("-", "_"))}


def _is_named(change: Change, error: str) -> bool:
    """Return whether the error names what changed, its value or a word of its name."""
    if change.kind == "code":
        words = [set(re.findall(r"\w{3,}", text)) for text in (change.before, change.after)]
        return not (words[0] ^ words[1]).isdisjoint(re.findall(r"\w{3,}", error))
    if change.kind in ("data", "shape"):
        terms = set(change.name.split())
    else:
        terms = {change.name, change.after, change.before} | _names(change)
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
