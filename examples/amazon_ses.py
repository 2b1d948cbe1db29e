"""Send alerts through Amazon SES: the pipeline is as any other, the alerter differs.

    pip install "zenmail[ses]"
    zenmail register --provider=ses --region=eu-west-1 --sender-email=alerts@example.com \
        --recipient-email=team@example.com

Run it on that stack: python examples/amazon_ses.py
"""

from zenml import pipeline, step
from zenml.client import Client

from zenmail_zenml import smtp_email_alerter_success_hook


@step(on_success=smtp_email_alerter_success_hook)
def score(customers: int = 1200) -> float:
    """Return the share of customers who stay."""
    return 1 - 60 / customers


@step
def tell(share: float) -> None:
    """Mail the share to others than the alerter's recipients."""
    alerter = Client().active_stack.alerter
    assert alerter is not None
    alerter.post(f"Churn scored\n{share:.1%} of the customers stay.")


@pipeline(enable_cache=False)
def churn() -> None:
    """Score, then tell."""
    tell(score())


if __name__ == "__main__":
    churn()
