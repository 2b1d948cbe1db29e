"""Module names under ``zenml`` that ZenML's documentation uses but no release has.

``import zenml`` calls `install` before anything else, so nothing here may fail, take time or
import ZenML.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.abc import Loader
    from types import ModuleType

__all__ = ["install"]

_OURS = "zenmail_zenml."
_ALERTER = ("alerter", "config", "flavor", "alerts.message")
_FLAVORS = ("config", "flavor")
# Our modules by alias; an alias that others start with is a package.
_ALIASES = {
    "zenml.integrations.smtp_email": (),
    "zenml.integrations.smtp_email.alerters": _ALERTER,
    "zenml.integrations.smtp_email.alerters.smtp_email_alerter": _ALERTER,
    "zenml.integrations.smtp_email.flavors": _FLAVORS,
    "zenml.integrations.smtp_email.flavors.smtp_email_alerter_flavor": _FLAVORS,
    "zenml.integrations.smtp_email.hooks": ("hooks",),
    "zenml.integrations.smtp_email.hooks.smtp_email_alerter_hooks": ("hooks",),
    "zenml.alerter.steps": ("steps",),
    "zenml.alerter.steps.alerter_post_step": ("steps",),
    "zenml.models.v2.misc.alerter_models": ("alerts.message",),
}


# Importing the base class would cost more than everything else here.
class _Aliases(Loader if TYPE_CHECKING else object):  # type: ignore[misc]
    """Finds the aliases, last in ``sys.meta_path``, and fills them with our public names."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in _ALIASES:
            return None
        packaged = any(name.startswith(f"{fullname}.") for name in _ALIASES)
        return ModuleSpec(fullname, self, origin="zenmail", is_package=packaged)

    def create_module(self, spec: ModuleSpec) -> None:
        """Let Python create an ordinary module."""

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        if name == "zenml.alerter.steps":
            # The step and its module share a name. Importing the module first lets the
            # package's attribute be the step.
            import_module(f"{name}.alerter_post_step")
        public: list[str] = []
        for home in _ALIASES[name]:
            ours = import_module(_OURS + home)
            public += ours.__all__
            module.__dict__.update({item: getattr(ours, item) for item in ours.__all__})
        module.__dict__["__all__"] = public


def install() -> None:
    """Make the aliases importable; modules that ZenML ships take precedence."""
    if not any(isinstance(finder, _Aliases) for finder in sys.meta_path):
        sys.meta_path.append(_Aliases())
