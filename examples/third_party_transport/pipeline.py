"""A pipeline like any other; which transport sends is the alerter's business.

Run it on a stack with the alerter jsonl_alerter:
python examples/third_party_transport/pipeline.py
"""

from zenml import pipeline, step
from zenml.client import Client


@step
def tell() -> None:
    """Post a line."""
    alerter = Client().active_stack.alerter
    assert alerter is not None
    alerter.post("Sent by a transport of our own")


@pipeline(enable_cache=False)
def telling() -> None:
    """Post a line."""
    tell()


if __name__ == "__main__":
    telling()
