"""The pipeline that ``zenmail demo`` runs: four alerts, each sent in a different way."""

import math

from zenml import pipeline, step
from zenml.client import Client

from zenmail_zenml import (
    SMTPEmailAlerterParameters,
    smtp_email_alerter_failure_hook,
    smtp_email_alerter_success_hook,
)


@step
def load_data() -> int:
    """Post a line of text."""
    rows = 48_211
    alerter = Client().active_stack.alerter
    assert alerter is not None
    alerter.post(f"Data loaded\n{rows} rows, none of them empty.")
    return rows


@step(on_success=smtp_email_alerter_success_hook)
def train(rows: int, epochs: int = 3) -> float:
    """Succeed; the hook mails it."""
    return round(1 - 1 / math.log(rows * epochs), 3)


@step
def report(accuracy: float) -> None:
    """Post custom HTML."""
    page = f"""
    <html lang="en">
      <body style="font-family: Arial, sans-serif; color: #333333;">
        <h1 style="color: #2a4d9b;">Training complete</h1>
        <p>The model reached an accuracy of <strong>{accuracy:.1%}</strong>.</p>
      </body>
    </html>
    """
    alerter = Client().active_stack.alerter
    assert alerter is not None
    alerter.post(
        message=f"Training complete. Accuracy: {accuracy:.1%}",
        params=SMTPEmailAlerterParameters(subject="Training results", html_body=page),
    )


@step(on_failure=smtp_email_alerter_failure_hook)
def publish(accuracy: float, threshold: float = 0.99) -> None:
    """Fail; the hook mails why."""
    if accuracy < threshold:
        raise ValueError(f"The accuracy is {accuracy}, below the threshold of {threshold}.")


@pipeline(enable_cache=False)
def zenmail_demo() -> None:
    """Load, train, report and fail to publish."""
    accuracy = train(load_data())
    report(accuracy)
    publish(accuracy, after="report")


if __name__ == "__main__":
    zenmail_demo()
