"""zenmail in ZenML: the alerter flavor ``smtp_email``, its hooks and its step.

The names are imported when they are first used: ZenML imports this package each time it
starts, for the sake of `import_paths`.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .alerter import SMTPEmailAlerter
    from .alerts.message import (
        AlerterImage,
        AlerterMessage,
        SMTPEmailAlerterParameters,
        SMTPEmailAlerterPayload,
    )
    from .config import SMTPEmailAlerterConfig, SMTPEmailAlerterSettings
    from .flavor import SMTPEmailAlerterFlavor
    from .hooks import (
        smtp_email_alerter_end_hook,
        smtp_email_alerter_failure_hook,
        smtp_email_alerter_start_hook,
        smtp_email_alerter_success_hook,
    )
    from .steps import alerter_post_step

__all__ = [
    "AlerterImage",
    "AlerterMessage",
    "SMTPEmailAlerter",
    "SMTPEmailAlerterConfig",
    "SMTPEmailAlerterFlavor",
    "SMTPEmailAlerterParameters",
    "SMTPEmailAlerterPayload",
    "SMTPEmailAlerterSettings",
    "alerter_post_step",
    "smtp_email_alerter_end_hook",
    "smtp_email_alerter_failure_hook",
    "smtp_email_alerter_start_hook",
    "smtp_email_alerter_success_hook",
]

_HOMES = {
    "AlerterImage": "alerts.message",
    "AlerterMessage": "alerts.message",
    "SMTPEmailAlerter": "alerter",
    "SMTPEmailAlerterConfig": "config",
    "SMTPEmailAlerterFlavor": "flavor",
    "SMTPEmailAlerterParameters": "alerts.message",
    "SMTPEmailAlerterPayload": "alerts.message",
    "SMTPEmailAlerterSettings": "config",
    "alerter_post_step": "steps",
    "smtp_email_alerter_end_hook": "hooks",
    "smtp_email_alerter_failure_hook": "hooks",
    "smtp_email_alerter_start_hook": "hooks",
    "smtp_email_alerter_success_hook": "hooks",
}


def install_import_paths() -> None:
    """Call `import_paths.install`; ZenML does this first thing in ``import zenml``.

    Whatever is wrong there must not keep anybody from importing ZenML.
    """
    try:
        import_module(".import_paths", __name__).install()
    except Exception as error:
        import logging

        logging.getLogger(__name__).debug("The import paths are not installed: %s", error)


# To a type checker, any name at all would be one of a module with this function.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f".{home}", __name__), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
