"""Mail one summary of a dynamic run, whatever number of steps it has.

Run-level hooks of a dynamic pipeline have no step to speak of; ZenML's own alerter hooks
fail there. zenmail's write a summary with the status of every step.

Run it on a stack with an alerter, ZenML 0.95.0 or newer: python examples/dynamic_summary.py
"""

from zenml import pipeline, step

from zenmail_zenml import smtp_email_alerter_failure_hook, smtp_email_alerter_success_hook


@step
def count(region: str) -> int:
    """Return how many shops a region has."""
    return len(region)


@step
def add(total: int, more: int) -> int:
    """Return the sum."""
    return total + more


@pipeline(
    dynamic=True,
    enable_cache=False,
    on_success=smtp_email_alerter_success_hook,
    on_failure=smtp_email_alerter_failure_hook,
)
def census() -> None:
    """Count the shops of each region; how many regions there are is known at run time."""
    total = count("north")
    for region in ("south", "east"):
        total = add(total, count(region))


if __name__ == "__main__":
    census()
