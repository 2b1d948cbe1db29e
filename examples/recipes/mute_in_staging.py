"""Send nothing unless the run is in production."""

import os

from zenml import pipeline, step

from zenmail_zenml import SMTPEmailAlerterSettings, smtp_email_alerter_success_hook


@step(on_success=smtp_email_alerter_success_hook)
def train() -> None:
    """Train."""


@pipeline(enable_cache=False)
def scoring() -> None:
    """Train."""
    train()


def run() -> None:
    """Run it; a dry run composes each mail and does everything except send."""
    muted = os.environ.get("STAGE") != "production"
    scoring.with_options(settings={"alerter": SMTPEmailAlerterSettings(dry_run=muted)})()


if __name__ == "__main__":
    run()
