"""An AWS service connector gives the transport ses its session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.zenml

KEYS = {
    # No canary: ZenML asks STS with it, and botocore logs that.
    "aws_access_key_id": "own",
    "aws_secret_access_key": "canary/aws+secret/4d5e",
}


@pytest.fixture
def ses(amazon_ses: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server, as the only one that AWS's clients know of."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", amazon_ses)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return amazon_ses


def test_the_connector_gives_the_session(register: Callable[..., Any], ses: str) -> None:
    """With --connector the alerter sends through SES without keys of its own."""
    pytest.importorskip("aws_profile_manager", reason="ZenML's AWS connector is not installed")
    from moto.ses.models import ses_backends
    from zenml.client import Client
    from zenml.enums import StackComponentType
    from zenml.stack import StackComponent

    client = Client()
    alerter = register(transport="ses")
    connector: Any
    connector, _ = client.create_service_connector(
        name=f"connector-{alerter.name}",
        connector_type="aws",
        auth_method="secret-key",
        resource_type="aws-generic",
        configuration={**KEYS, "region": "eu-west-1"},
        verify=False,
    )
    client.update_stack_component(
        alerter.id, StackComponentType.ALERTER, connector_id=connector.id
    )
    model = client.get_stack_component(StackComponentType.ALERTER, alerter.id)
    connected: Any = StackComponent.from_model(model)
    assert connected.connector == connector.id
    assert connected.post("Over the connector") is True
    (sent,) = ses_backends["123456789012"]["eu-west-1"].sent_messages
    assert set(sent.destinations) == {"default@example.com"}
    assert "Over the connector" in sent.raw_data
