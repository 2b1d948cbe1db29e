"""Schedule this once a day: one mail with all runs of the last 24 hours."""

from datetime import datetime, timedelta, timezone

from zenml import pipeline, step
from zenml.client import Client

from zenmail_zenml import SMTPEmailAlerterParameters


@step
def digest() -> None:
    """Mail a table of runs."""
    since = datetime.now(timezone.utc) - timedelta(days=1)
    runs = Client().list_pipeline_runs(created=f"gt:{since:%Y-%m-%d %H:%M:%S}", size=500)
    rows = [
        {"pipeline": run.pipeline.name if run.pipeline else "", "status": str(run.status)}
        for run in runs.items
        if run.status.is_finished
    ]
    failed = sum(row["status"] == "failed" for row in rows)
    alerter = Client().active_stack.alerter
    assert alerter is not None
    alerter.post(
        f"{len(rows)} runs since yesterday, {failed} failed",
        SMTPEmailAlerterParameters(
            tables={"Runs": rows} if rows else None,
            severity="error" if failed else "success",
        ),
    )


@pipeline(enable_cache=False)
def daily_digest() -> None:
    """Mail what happened."""
    digest()


if __name__ == "__main__":
    daily_digest()
