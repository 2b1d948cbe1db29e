"""The alert that everybody sends: an ordinary failed step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SENDER = "ZenML Alerts <alerts@example.com>"
RECIPIENT = "oncall@example.com"
SUBJECT = "Step train_model failed in fraud_detection"
BODY = """\
The step **train_model** of the pipeline *fraud_detection* failed after 3 min 12 s.

- 4 of 6 steps were done before it
- the last good run was `fraud_detection-2026_03_01-06_00`

Its inputs are kept; the run can be resumed once the column is back.
"""
FACTS = {
    "Pipeline": "fraud_detection",
    "Run": "fraud_detection-2026_03_02-06_00_12",
    "Step": "train_model",
    "Stack": "production-eks",
    "Started": "2026-03-02 06:00:12 UTC",
    "Learning rate": 0.001,
    "Batch size": 256,
    "User": "scheduler@example.com",
}
ERROR = "KeyError: 'customer_age'"
TRACEBACK = (
    "Traceback (most recent call last):\n"
    + "".join(
        f'  File "/app/steps/module_{number}.py", line {number * 17 + 3}, in step_{number}\n'
        f"    result_{number} = step_{number + 1}(frame, column={number})\n"
        for number in range(12)
    )
    + "KeyError: 'customer_age'"
)
PLAIN_BODY = """\
The step train_model of fraud_detection failed after 3 min 12 s.
Its inputs are kept; the run can be resumed once the column is back.
"""
PLAIN_ERROR = "ValueError: the column customer_age is missing"
PLAIN_TRACEBACK = (
    "\n".join(TRACEBACK.split("\n")[:11]).replace("customer_age", "age") + f"\n{PLAIN_ERROR}"
)
NEXT_STEPS = ("Look at the schema of the feature table.", "Resume the run when it is back.")
URL = "https://zenml.example.com/runs/4f2c8f1e-1c5b-4a53-9d0c-6b7f1b2c3d4e"


@dataclass(frozen=True)
class Content:
    """What a peer without alerts is given: the same mail, rendered already.

    Attributes:
        subject: Subject.
        text: Text part.
        html: HTML part.
    """

    subject: str
    text: str
    html: str


def alert_arguments() -> dict[str, Any]:
    """Return the arguments of the `Alert`."""
    return {
        "title": SUBJECT,
        "body": BODY,
        "severity": "error",
        "facts": FACTS,
        "error": ERROR,
        "traceback": TRACEBACK,
        "next_steps": NEXT_STEPS,
        "url": URL,
    }


def recipients(count: int) -> list[str]:
    """Return that many addresses, the same ones each time."""
    return [RECIPIENT, *(f"person{number}@example.com" for number in range(2, count + 1))]


def rendered() -> Content:
    """Return the alert as zenmail renders it, for those who only send."""
    from zenmail import Alert, compose

    email = compose(Alert(**alert_arguments()), sender=SENDER, to=[RECIPIENT])
    return Content(email.subject, email.text, email.html or "")
