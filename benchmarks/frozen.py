"""Counts a step's calls to ZenML's server, and freezes the server at each of them.

``benchmarks.watching`` runs it; ``SERVER`` is the process ID of the server.
"""

import json
import os
import signal
import time
from typing import Any

import requests
from zenml import pipeline, step
from zenml.client import Client

from zenmail import Mailer
from zenmail_zenml import (
    smtp_email_alerter_failure_hook,
    smtp_email_alerter_success_hook,
)
from zenmail_zenml.lineage import recording
from zenmail_zenml.mailers import mailers
from zenmail_zenml.settings import stored_secrets

DEADLINE = 3.0
SERVER = int(os.environ["SERVER"])
calls: list[str] = []
sent_after: list[str] = []
freeze_at = 0
_request = requests.Session.request
_send = Mailer.send_alert


def _counted(session: Any, method: str, url: str, **options: Any) -> Any:
    calls.append(f"{method} /{url.split('/api/v1/')[-1].split('?')[0]}")
    if len(calls) == freeze_at:
        os.kill(SERVER, signal.SIGSTOP)
    return _request(session, method, url, **options)


def _send_alert(mailer: Any, *arguments: Any, **options: Any) -> Any:
    global sent_after
    sent_after = list(calls)
    return _send(mailer, *arguments, **options)


def _measure(act: Any, freeze: int = 0) -> tuple[float, list[str], list[str]]:
    """Return the seconds, the calls before the mail left, and all calls."""
    global freeze_at
    calls.clear()
    sent_after.clear()
    freeze_at = freeze
    started = time.monotonic()
    act()
    seconds = time.monotonic() - started
    os.kill(SERVER, signal.SIGCONT)
    freeze_at = 0
    recording.close()
    time.sleep(0.5)
    return seconds, list(sent_after), list(calls)


@step(settings={"alerter": {"deadline": DEADLINE, "subject_prefix": "{{words.prefix}}"}})
def measure() -> None:
    """Post in each way, with the server well and frozen at each call."""
    requests.Session.request = _counted
    Mailer.send_alert = _send_alert  # type: ignore[method-assign]
    alerter: Any = Client().active_stack.alerter

    def cold(act: Any) -> Any:
        def run() -> None:
            stored_secrets.forget()
            act()

        return run

    def failure() -> None:
        try:
            raise ValueError("no rows")
        except ValueError as error:
            smtp_email_alerter_failure_hook(error)

    acts = {
        "post": lambda: alerter.post("text"),
        "success hook": smtp_email_alerter_success_hook,
        "failure hook": failure,
    }
    result: dict[str, Any] = {}
    for name, act in acts.items():
        first, warm = _measure(cold(act)), _measure(act)
        frozen = [
            round(_measure(cold(act), freeze=number)[0], 2)
            for number in range(1, len(first[2]) + 1)
        ]
        result[name] = {
            "calls before the first mail left": first[1],
            "calls before the next": warm[1],
            "calls in all, of the first, of the next": [len(first[2]), len(warm[2])],
            "seconds of the first, of the next": [round(first[0], 2), round(warm[0], 2)],
            "deadline": DEADLINE,
            "seconds when frozen at call 1, 2, ...": frozen,
        }
    requests.Session.request = _request
    print("RESULT" + json.dumps(result, indent=1) + "END", flush=True)
    mailers.close()


@pipeline(enable_cache=False)
def measured() -> None:
    """Measure within a run."""
    measure()


if __name__ == "__main__":
    Client().create_secret("words", {"prefix": "[test]"})
    measured()
