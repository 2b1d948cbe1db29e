"""Compiles zenmail's templates into the wheel, also into that of an editable checkout."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class TemplatesHook(BuildHookInterface[Any]):
    """Writes the module that renders them; the wheel takes it as an artifact."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write it before the wheel's files are gathered."""
        core = Path(self.root, "core")
        sys.path.insert(0, str(core))
        from zenmail.composing.precompiled import as_module

        (core / "zenmail/composing/_templates.py").write_text(as_module(), encoding="utf-8")
