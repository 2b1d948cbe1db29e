"""Use a second alerter beside the stack's.

The stack's alerter mails the team. This one pages on call, with a server of its own:

    zenml alerter register oncall_alerter --flavor=smtp_email ...
"""

from zenml import pipeline, step
from zenml.client import Client
from zenml.enums import StackComponentType
from zenml.stack import StackComponent

from zenmail_zenml import SMTPEmailAlerter


@step
def check(drift: float) -> None:
    """Mail the team; page on call if it is serious."""
    client = Client()
    team = client.active_stack.alerter
    assert team is not None
    team.post(f"Drift is {drift:.0%}")
    if drift > 0.2:
        found = client.get_stack_component(StackComponentType.ALERTER, "oncall_alerter")
        oncall = StackComponent.from_model(found)
        assert isinstance(oncall, SMTPEmailAlerter)
        oncall.post(f"Drift is {drift:.0%}: look at it now")


@pipeline(enable_cache=False)
def monitoring() -> None:
    """Check the drift."""
    check(drift=0.31)


if __name__ == "__main__":
    monitoring()
