"""Help for testing alerts and transports.

`CapturedMail` is behind the pytest fixture ``captured_mail``; `TransportConformance` tests
a transport of your own; `SMTPServer` is a server with faults by script.
"""


# Late: pytest imports this package in every project that zenmail is installed beside, and
# the conformance suite needs pytest, which is not needed for sending mail.
def __getattr__(name: str) -> object:
    from ..runtime import lazy_names

    return lazy_names.load(__name__, name)


def __dir__() -> list[str]:
    from ..runtime import lazy_names

    return sorted({*globals(), *lazy_names.exported(__name__)})
