"""Mail the data team about data, and everybody else about the rest."""

from zenml import pipeline, step

from zenmail_zenml import SMTPEmailAlerterSettings, smtp_email_alerter_success_hook

DATA_TEAM = SMTPEmailAlerterSettings(
    recipient_email="data@example.com", subject_prefix="[data]"
)


@step(settings={"alerter": DATA_TEAM}, on_success=smtp_email_alerter_success_hook)
def load() -> int:
    """Return the number of rows; its mail goes to the data team."""
    return 48_211


@step(on_success=smtp_email_alerter_success_hook)
def train(rows: int) -> None:
    """Train; its mail goes to the alerter's recipients."""


@pipeline(enable_cache=False)
def features() -> None:
    """Load and train."""
    train(load())


if __name__ == "__main__":
    features()
