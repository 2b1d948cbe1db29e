"""Mail why a step failed, without the secrets that stand in its traceback.

The exception below quotes a connection string, as database drivers do. The mail has the
exception, the traceback and the step's parameters; password and token are taken out of them.

Run it on a stack with an alerter: python examples/failure_alert.py
"""

from zenml import pipeline, step

from zenmail_zenml import smtp_email_alerter_failure_hook


@step(on_failure=smtp_email_alerter_failure_hook)
def load(table: str, api_token: str) -> int:
    """Fail as a database does."""
    address = "postgresql://loader:hunter2-hunter2@db.example.com/warehouse"
    raise ConnectionError(f"could not connect to {address}: no route to host")


@pipeline(enable_cache=False)
def loading() -> None:
    """Load a table."""
    load(table="orders", api_token="tok-2f9d81c7e5b34a60")


if __name__ == "__main__":
    loading()
