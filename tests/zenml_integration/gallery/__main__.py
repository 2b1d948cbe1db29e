"""Run the pipelines on a throwaway ZenML and keep each of their mails.

``python -m gallery FOLDER``, in the folder above, writes each as .html, .txt and .eml.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import sys
import tempfile
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
NAMES = {
    "add_features": "step-failed",
    "score_customers": "raised-from",
    "resolve_features": "exception-group",
    "validate_rows": "stock-hook",
    "train_model": "step-completed",
    "Churn model": "report",
    "Six customers": "aligned-text",
    "KeyError": "posted-exception",
    "学習": "japanese",
    "האימון": "hebrew",
    "forecast_by_region": "run-failed",
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
        from .pipelines import PIPELINES

        for pipeline in PIPELINES:
            if pipeline is not None:
                with contextlib.suppress(Exception):
                    pipeline()
        from zenmail_zenml.mailers import mailers

        mailers.close()


def keep(folder: Path) -> None:
    """Write each mail as .html, .txt and .eml under a name that stays."""
    for path in sorted((folder / "sent").glob("*.eml")):
        data = path.read_bytes()
        mail = message_from_bytes(data, policy=policy.default)
        text = body(mail, "plain")
        names = [name for word, name in NAMES.items() if word in f"{mail['subject']}\n{text}"]
        if not names:
            continue
        (folder / f"{names[0]}.eml").write_bytes(data)
        (folder / f"{names[0]}.txt").write_text(text, encoding="utf-8")
        (folder / f"{names[0]}.html").write_text(standalone(mail), encoding="utf-8")


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
