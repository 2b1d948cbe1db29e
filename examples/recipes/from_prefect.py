"""Prefect's ``email_send_message`` and state hooks, in ZenML."""

from zenml import pipeline, step
from zenml.client import Client

from zenmail_zenml import SMTPEmailAlerterParameters, smtp_email_alerter_failure_hook


# @task(on_failure=[notify])
@step(on_failure=smtp_email_alerter_failure_hook)
def report() -> None:
    """Mail from inside a step."""
    alerter = Client().active_stack.alerter
    assert alerter is not None
    # email_send_message(email_server_credentials=..., subject=..., msg=..., email_to=...)
    alerter.post(
        "All partitions are loaded.",
        SMTPEmailAlerterParameters(subject="Load done", recipient_email="boss@example.com"),
    )


# @flow
@pipeline(enable_cache=False)
def daily() -> None:
    """Report."""
    report()


if __name__ == "__main__":
    daily()
