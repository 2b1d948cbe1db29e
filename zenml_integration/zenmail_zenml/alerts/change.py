"""One difference between two runs."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Change"]


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
