"""Sets up a ZenML store and runs the pipeline, in the process that ``zenmail demo`` starts."""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

from .client import FLAVOR, FLAVOR_SOURCE

__all__ = ["PROGRESS", "run"]

PROGRESS = "@zenmail "
"""Prefix of lines on standard output for the parent process."""


def run() -> None:
    """Read a plan from standard input, register it and run its pipeline.

    The plan is JSON: ``configuration`` of the alerter, ``secret`` (values by key) and
    ``module``, the name of the pipeline's module.
    """
    plan: dict[str, Any] = json.load(sys.stdin)
    _progress("Starting ZenML (the first start creates its database)")
    from zenml.client import Client
    from zenml.enums import StackComponentType

    client = Client()
    stack = client.active_stack_model
    _progress("Registering flavor, secret, alerter and stack")
    client.create_flavor(FLAVOR_SOURCE, StackComponentType.ALERTER)
    client.create_secret("email_credentials", values=plan["secret"])
    client.create_stack_component(
        "email_alerter", FLAVOR, StackComponentType.ALERTER, plan["configuration"]
    )
    components: dict[StackComponentType, Any] = {
        kind: stack.components[kind][0].id
        for kind in (StackComponentType.ORCHESTRATOR, StackComponentType.ARTIFACT_STORE)
    }
    client.create_stack("demo", {**components, StackComponentType.ALERTER: "email_alerter"})
    client.activate_stack("demo")
    _progress("Running the pipeline")
    module = importlib.import_module(plan["module"])
    try:
        module.zenmail_demo()
    except Exception:  # the pipeline fails on purpose
        if not client.list_pipeline_runs(size=1).items:
            raise


def _progress(words: str) -> None:
    print(PROGRESS + words, flush=True)
