"""Run the pipelines on a throwaway ZenML and keep each of their mails.

``python -m gallery FOLDER``, in the folder above, writes each as .html, .txt and .eml, and the
alerts as samples.json. With ``--record`` these become the samples of ``zenmail preview``.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import sys
import tempfile
from email import message_from_bytes, policy
from email.message import EmailMessage
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT.parents[1] / "core" / "zenmail" / "composing" / "samples.json"
NAMES = {
    "First failure after": "new-failure",
    "Failing since": "repeated-failure",
    "Recovered after": "recovered",
    "add_features": "failure",
    "score_customers": "raised-from",
    "resolve_features": "exception-group",
    "validate_rows": "stock-hook",
    "train_model": "success",
    "Churn model": "report",
    "Six customers": "aligned-text",
    "KeyError": "posted-exception",
    "学習": "japanese",
    "האימון": "hebrew",
    "onerror": "hostile",
    "forecast_by_region": "run-summary",
    "publish_models": "run-completed",
}
"""What a mail is called, by a word of its text."""


def run(folder: Path) -> None:
    """Run each pipeline in a ZenML of its own, with the file transport."""
    with tempfile.TemporaryDirectory() as home:
        os.environ.update(
            ZENML_ANALYTICS_OPT_IN="false",
            ZENML_CONFIG_PATH=f"{home}/config",
            ZENML_REPOSITORY_PATH=home,
            ZENML_ENABLE_RICH_TRACEBACK="false",
            ZENML_LOGGING_VERBOSITY="ERROR",
        )
        from zenml.client import Client
        from zenml.enums import StackComponentType
        from zenml.utils import source_utils

        # Not the repository: ZenML would load a second copy of zenmail_zenml from there.
        source_utils.set_custom_source_root(str(ROOT))
        client = Client()
        configuration: dict[str, Any] = {
            "transport": "file",
            "transport_options": {"folder": str(folder / "sent")},
            "sender_email": "ZenML alerts <alerts@example.com>",
            "recipient_email": "oncall@example.com",
        }
        alerter = StackComponentType.ALERTER
        client.create_flavor("zenmail_zenml.flavor.SMTPEmailAlerterFlavor", alerter)
        client.create_stack_component(
            name="mail",
            flavor="smtp_email",
            component_type=alerter,
            configuration=configuration,
        )
        client.create_stack(
            "production",
            components={
                StackComponentType.ORCHESTRATOR: "default",
                StackComponentType.ARTIFACT_STORE: "default",
                alerter: "mail",
            },
        )
        client.activate_stack("production")
        alerts: Any = import_module("zenmail.delivery.alerts")
        from .pipelines import PIPELINES

        compose = alerts.compose_addressed
        sent: list[Any] = []

        def recorded(alert: Any, *args: Any, **options: Any) -> Any:
            sent.append(alert)
            return compose(alert, *args, **options)

        alerts.compose_addressed = recorded
        for pipeline in PIPELINES:
            if pipeline is not None:
                with contextlib.suppress(Exception):
                    pipeline()
        alerts.compose_addressed = compose
        samples = {
            name: as_json(alert, home) for alert in sent if (name := name_of(f"{alert!r}"))
        }
        text = json.dumps(samples, ensure_ascii=False, indent=1)
        (folder / "samples.json").write_text(f"{text}\n", encoding="utf-8")
        from zenmail_zenml.mailers import mailers

        mailers.close()


def name_of(text: str) -> str:
    """Return what a mail is called."""
    return next((name for word, name in NAMES.items() if word in text), "")


def as_json(alert: Any, home: str) -> Any:
    """Return an alert's fields without the folders and the name of this machine."""
    tables = {
        title: json.loads(frame.to_json(orient="records", date_format="iso"))
        for title, frame in alert.tables.items()
        if hasattr(frame, "to_json")
    }
    fields = alert.replace(tables={**alert.tables, **tables}).model_dump(
        mode="json", exclude_defaults=True
    )
    text = json.dumps(fields, ensure_ascii=False)
    for folder, shown in (
        (str(ROOT), "/app"),
        (home, "/home/app"),
        (str(Path(os.__file__).parent), "/usr/lib/python3.12"),
    ):
        text = text.replace(folder, shown)
    text = re.sub(
        r"/[^\"\\ ]*/site-packages/", "/app/.venv/lib/python3.12/site-packages/", text
    )
    # pandas writes a date as a moment.
    shown = json.loads(text.replace("T00:00:00.000", ""))
    if "Host" in shown.get("facts", {}):
        shown["facts"]["Host"] = "worker-1"
    return shown


def keep(folder: Path) -> None:
    """Write each mail as .html, .txt and .eml under a name that stays."""
    for path in sorted((folder / "sent").glob("*.eml")):
        data = path.read_bytes()
        mail = message_from_bytes(data, policy=policy.default)
        text = body(mail, "plain")
        if not (name := name_of(f"{mail['subject']}\n{text}")):
            continue
        (folder / f"{name}.eml").write_bytes(data)
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
        (folder / f"{name}.html").write_text(standalone(mail), encoding="utf-8")


def body(mail: EmailMessage, kind: str) -> str:
    """Return the text or HTML part of a mail."""
    part = mail.get_body((kind,))
    return "" if part is None else str(part.get_content()).replace("\r\n", "\n")


def standalone(mail: Any) -> str:
    """Return the HTML part with its pictures inside, for a browser knows no ``cid:``."""
    pictures = {
        part["Content-ID"].strip("<>"): part for part in mail.walk() if part["Content-ID"]
    }

    def inline(match: re.Match[str]) -> str:
        part = pictures[match[1]]
        data = base64.b64encode(bytes(part.get_content())).decode("ascii")
        return f'"data:{part.get_content_type()};base64,{data}"'

    return re.sub(r'"cid:([^"]+)"', inline, body(mail, "html"))


if __name__ == "__main__":
    target = Path(sys.argv[1]).resolve()
    target.mkdir(parents=True, exist_ok=True)
    run(target)
    keep(target)
    if "--record" in sys.argv:
        SAMPLES.write_bytes((target / "samples.json").read_bytes())
