"""Mail only when a step fails."""

from zenml import pipeline, step

from zenmail_zenml import smtp_email_alerter_failure_hook


@step
def load() -> int:
    """Return the number of rows."""
    return 48_211


@step
def train(rows: int) -> None:
    """Fail."""
    raise ValueError(f"Loss is NaN after {rows} rows")


# ZenML gives the hook to each step.
@pipeline(enable_cache=False, on_failure=smtp_email_alerter_failure_hook)
def nightly() -> None:
    """Load and train."""
    train(load())


if __name__ == "__main__":
    nightly()
