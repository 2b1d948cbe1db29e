"""In a test environment nobody but the team gets mail, whatever the pipeline says.

    zenml alerter update email_alerter --redirect_to=staging@example.com \
        --redirect_allow="*@team.example.com"

Then mail to customers goes to staging@example.com, and a header names whom it was for. Those
who match redirect_allow still get theirs. The pipeline does not change, and no transport can
get around it: the host decides.

Run it on that stack: python examples/staging_redirect.py
"""

from zenml import pipeline, step
from zenml.client import Client

from zenmail_zenml import SMTPEmailAlerterParameters


@step
def notify(customer: str) -> None:
    """Mail a customer, with a copy to the team."""
    alerter = Client().active_stack.alerter
    assert alerter is not None
    alerter.post(
        "Your forecast is ready",
        SMTPEmailAlerterParameters(recipient_email=customer, cc="dev@team.example.com"),
    )


@pipeline(enable_cache=False)
def forecast() -> None:
    """Mail a customer."""
    notify(customer="boss@customer.example")


if __name__ == "__main__":
    forecast()
