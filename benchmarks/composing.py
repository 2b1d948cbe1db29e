"""What it costs to make bytes of an alert, part by part, in this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from .content import RECIPIENT, SENDER, alert_arguments
from .tables import duration, table


def cost(action: Callable[[], object], *, seconds: float = 0.3) -> float:
    """Return the median of the seconds that one call takes."""
    action()
    started = time.perf_counter()
    action()
    number = max(1, int(0.01 / max(time.perf_counter() - started, 1e-7)))
    found = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(found) < 5:
        started = time.perf_counter()
        for _ in range(number):
            action()
        found.append((time.perf_counter() - started) / number)
    return median(found)


def report() -> str:
    """Return the table."""
    from zenmail import Alert, Email, compose

    arguments = alert_arguments()
    alert = Alert(**arguments)
    to = [RECIPIENT]
    whole = compose(alert, sender=SENDER, to=to)
    fields = {"sender": SENDER, "to": to, "subject": whole.subject, "text": whole.text}
    number = 0

    def fresh() -> Email:
        nonlocal number
        number += 1
        return Email(**fields, html=f"{whole.html}{number}", date=alert.occurred_at)

    def one_of_many() -> bytes:
        nonlocal number
        number += 1
        return compose(
            Alert(**{**arguments, "title": f"Run {number}"}), sender=SENDER, to=to
        ).as_bytes()

    without = cost(lambda: compose(alert, sender=SENDER, to=to, redact=False))
    text_only = cost(
        lambda: compose(alert, sender=SENDER, to=to, redact=False, include_html=False)
    )
    composing = cost(lambda: compose(alert, sender=SENDER, to=to))
    building = cost(fresh)
    rows = [
        ("make the `Alert`", cost(lambda: Alert(**arguments))),
        ("redact", composing - without),
        ("render HTML", without - text_only),
        ("render text", text_only - building),
        ("check and make the `Email`", building),
        ("write it as bytes", cost(whole.as_bytes)),
        (
            "**alert to bytes** (`compose` and `as_bytes`)",
            cost(lambda: compose(alert, sender=SENDER, to=to).as_bytes()),
        ),
        ("the same with a new `Alert` each time", cost(one_of_many)),
    ]
    size = len(whole.as_bytes())
    return f"A mail of {size:,} bytes; text and HTML.\n\n" + table(
        ("part", "median"), [(name, duration(max(0.0, took))) for name, took in rows]
    )
