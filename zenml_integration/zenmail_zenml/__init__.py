"""zenmail in ZenML: the alerter flavor ``smtp_email``, its hooks and its step.

The names are listed in ``__init__.pyi`` and imported when they are first used: ZenML
imports this package each time it starts, for `import_paths`.
"""


def install_import_paths() -> None:
    """Call `import_paths.install`; ZenML does this first thing in ``import zenml``.

    Whatever is wrong there must not keep anybody from importing ZenML.
    """
    try:
        from .import_paths import install

        install()
    except Exception as error:
        import logging

        logging.getLogger(__name__).debug("The import paths are not installed: %s", error)


def __getattr__(name: str) -> object:
    from zenmail.runtime import lazy_names

    return lazy_names.load(__name__, name)


def __dir__() -> list[str]:
    from zenmail.runtime import lazy_names

    return sorted({*globals(), *lazy_names.exported(__name__)})
