"""What it costs to make bytes of an alert, part by part, in this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from .content import (
    PLAIN_BODY,
    PLAIN_ERROR,
    PLAIN_TRACEBACK,
    RECIPIENT,
    SENDER,
    alert_arguments,
)
from .tables import duration, table


def cost(*actions: Callable[[], object], seconds: float = 0.5) -> list[float]:
    """Return the best processor time of each action, in seconds per call, taken in turns.

    The best, not the median: what other processes do to the caches is not what it costs.
    """
    numbers = []
    for action in actions:
        started = time.perf_counter()
        action()
        action()
        numbers.append(max(1, int(0.004 / max(time.perf_counter() - started, 1e-7))))
    best = [float("inf")] * len(actions)
    end = time.perf_counter() + seconds * len(actions)
    turns = 0
    while time.perf_counter() < end or turns < 5:
        turns += 1
        for index, (action, number) in enumerate(zip(actions, numbers, strict=True)):
            started = time.process_time()
            for _ in range(number):
                action()
            best[index] = min(best[index], (time.process_time() - started) / number)
    return best


def report() -> str:
    """Return the table: an alert as most are, and one that needs all the machinery."""
    plain = alert_arguments()
    plain["body"] = PLAIN_BODY
    plain["error"] = PLAIN_ERROR
    plain["traceback"] = PLAIN_TRACEBACK
    columns = [_costs(plain), _costs(alert_arguments())]
    names = list(columns[0])
    return table(
        (
            "part",
            "plain text, nothing that looks like a secret",
            "Markdown, words such as key, a long traceback",
        ),
        [(name, *(column[name] for column in columns)) for name in names],
    )


def _costs(arguments: dict[str, Any]) -> dict[str, str]:
    from zenmail import Alert, Email, compose

    alert = Alert(**arguments)
    to = [RECIPIENT]
    whole = compose(alert, sender=SENDER, to=to)
    fields = {"sender": SENDER, "to": to, "subject": whole.subject, "date": whole.date}

    def make() -> Email:
        return Email(**fields, text=whole.text, html=whole.html)

    composing, unredacted, text_only, making, writing, alerting, everything = cost(
        lambda: compose(alert, sender=SENDER, to=to),
        lambda: compose(alert, sender=SENDER, to=to, redact=False),
        lambda: compose(alert, sender=SENDER, to=to, redact=False, include_html=False),
        make,
        lambda: make().as_bytes(),
        lambda: Alert(**arguments),
        lambda: compose(alert, sender=SENDER, to=to).as_bytes(),
    )
    return {
        "the mail": f"{len(whole.as_bytes()):,} bytes",
        "make the `Alert`": duration(alerting),
        "redact": duration(max(0.0, composing - unredacted)),
        "render HTML": duration(max(0.0, unredacted - text_only)),
        "gather what is shown, render text": duration(max(0.0, text_only - making)),
        "check it and make the `Email`": duration(making),
        "write bytes": duration(max(0.0, writing - making)),
        "**alert to bytes**: `compose(alert).as_bytes()`": duration(everything),
    }
