"""One process of `benchmarks.first_alert`: prints its processor time and what it imported."""

from __future__ import annotations

import gc
import sys
import time

_OUTCOME, _PORT, _AUTHORITY = sys.argv[1:4]
_TIMES = [time.process_time()]


def _lap() -> None:
    _TIMES.append(time.process_time())


import zenml  # noqa: E402, F401

_lap()
from zenml.client import Client  # noqa: E402

_ = Client().active_stack  # as the process of every step has before its hooks run
BEFORE = set(sys.modules)
# When Python next looks through the million objects of ZenML (0.2 s) is chance.
gc.collect()
gc.freeze()
_lap()

from zenmail_zenml import hooks  # noqa: E402
from zenmail_zenml.alerts.run_context import RunContext  # noqa: E402

_lap()
from zenmail_zenml.flavor import SMTPEmailAlerterFlavor  # noqa: E402

_FLAVOR = SMTPEmailAlerterFlavor()
_CLASS, _CONFIG = _FLAVOR.implementation_class, _FLAVOR.config_class
_lap()
import itertools  # noqa: E402
import json  # noqa: E402
from datetime import datetime, timezone  # noqa: E402
from types import SimpleNamespace  # noqa: E402
from typing import Any  # noqa: E402
from uuid import uuid4  # noqa: E402


def _train(learning_rate: float) -> None:
    raise KeyError("customer_age")


def _context() -> Any:
    """Return a step as ZenML describes it to its hooks, without a store behind it."""
    config = SimpleNamespace(
        parameters={"learning_rate": 0.001, "batch_size": 256, "table": "customers"},
        settings={},
    )
    started = datetime.now(timezone.utc)
    run = SimpleNamespace(
        id=uuid4(), name="fraud_detection-2026_03_02-06_00_12", config=config,
        pipeline=SimpleNamespace(name="fraud_detection"), start_time=started,
    )  # fmt: skip
    step = SimpleNamespace(
        id=uuid4(), name="train_model", config=config, start_time=started, version=1,
    )  # fmt: skip
    return RunContext(run=run, step=step, stack="production")  # type: ignore[arg-type]


def _post() -> None:
    context = _context()
    if _OUTCOME == "success":
        alert = hooks._success(context)
    else:
        try:
            _train(0.001)
        except KeyError as error:
            alert = hooks._failure(error, context)
    assert _ALERTER.post_about(context, alert, event="completed")


_ALERTER = _CLASS(
    name="email", id=uuid4(), config=_CONFIG(
        smtp_server="localhost", smtp_port=int(_PORT), smtp_username="user",
        password="not-a-secret", smtp_ca_file=_AUTHORITY,
        sender_email="alerts@example.com", recipient_email="oncall@example.com",
        ledger=f"{_AUTHORITY}.{_OUTCOME}.db", on_delivery_failure="raise",
    ), flavor="smtp_email", type="alerter", user=None,
    created=datetime.now(timezone.utc), updated=datetime.now(timezone.utc),
)  # fmt: skip
_post()
_lap()
_MODULES = sorted(set(sys.modules) - BEFORE)
_post()
_lap()
_STAGES = (
    "import zenml", "open its store", "import the hooks", "import the alerter",
    "first alert", "second",
)  # fmt: skip
_LAPS = (after - before for before, after in itertools.pairwise(_TIMES))
print(json.dumps({"seconds": dict(zip(_STAGES, _LAPS, strict=True)), "modules": _MODULES}))
