"""zenmail: a ZenML pipeline's alerts by e-mail.

An `Alert` says what happened; `compose` makes an `Email` of it; a `Mailer` sends that
through a transport and hands back a `Receipt`.

The names are listed in ``__init__.pyi`` and imported when they are first used: a process
pays for what it needs.
"""


def __getattr__(name: str) -> object:
    from .runtime import lazy_names

    return lazy_names.load(__name__, name)


def __dir__() -> list[str]:
    from .runtime import lazy_names

    return sorted({*globals(), *lazy_names.exported(__name__)})
