"""Airflow's ``email_on_failure`` and ``EmailOperator``, in ZenML."""

from zenml import pipeline, step

from zenmail_zenml import (
    AlerterMessage,
    SMTPEmailAlerterSettings,
    alerter_post_step,
    smtp_email_alerter_failure_hook,
)


@step
def extract() -> int:
    """Return the number of rows."""
    return 48_211


# default_args={"email": ["team@example.com"], "email_on_failure": True}
@pipeline(
    enable_cache=False,
    settings={"alerter": SMTPEmailAlerterSettings(recipient_email="team@example.com")},
    on_failure=smtp_email_alerter_failure_hook,
)
def daily() -> None:
    """Extract, then mail."""
    extract()
    # EmailOperator(task_id="mail", to="boss@example.com", subject=..., html_content=...)
    alerter_post_step(
        AlerterMessage(
            title="Extract done",
            body="All partitions are **loaded**.",
            body_format="markdown",
            metadata={"recipient_email": "boss@example.com"},
        ),
        after="extract",
    )


if __name__ == "__main__":
    daily()
