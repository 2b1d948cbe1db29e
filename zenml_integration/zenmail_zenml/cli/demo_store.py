"""What ``zenmail demo`` runs in a process of its own: a ZenML store, made and used."""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

__all__ = ["PROGRESS", "run"]

PROGRESS = "@zenmail "
"""Starts a line on standard output that is meant for the parent process."""


def run() -> None:
    """Register everything that is described on standard input, then run the pipeline.

    The description is JSON: ``configuration`` of the alerter, ``secret`` (values by key)
    and ``module``, the name of the pipeline's module.
    """
    plan: dict[str, Any] = json.load(sys.stdin)
    _progress("Starting ZenML (the first start makes its database)")
    from zenml.client import Client
    from zenml.enums import StackComponentType

    client = Client()
    store = client.zen_store.url
    stack = client.active_stack_model
    _progress("Registering flavor, secret, alerter and stack")
    client.create_flavor(
        "zenmail_zenml.flavor.SMTPEmailAlerterFlavor", StackComponentType.ALERTER
    )
    client.create_secret("email_credentials", values=plan["secret"])
    client.create_stack_component(
        "email_alerter", "smtp_email", StackComponentType.ALERTER, plan["configuration"]
    )
    components: dict[StackComponentType, Any] = {
        kind: stack.components[kind][0].id
        for kind in (StackComponentType.ORCHESTRATOR, StackComponentType.ARTIFACT_STORE)
    }
    client.create_stack("demo", {**components, StackComponentType.ALERTER: "email_alerter"})
    client.activate_stack("demo")
    _progress("Running the pipeline", store=store)
    module = importlib.import_module(plan["module"])
    try:
        module.zenmail_demo()
    except Exception:  # the pipeline fails on purpose
        if not client.list_pipeline_runs(size=1).items:
            raise
    run = client.list_pipeline_runs(size=1, sort_by="desc:created").items[0]
    _progress("", status=str(run.status))


def _progress(words: str, **facts: Any) -> None:
    sys.stdout.write(PROGRESS + json.dumps({"words": words, **facts}) + "\n")
    sys.stdout.flush()
