from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from email import message_from_string
from email.utils import getaddresses
from typing import Any

import pytest


class MotoSES:
    """moto's Amazon SES, over HTTP."""

    def __init__(self, endpoint: str, canaries: dict[str, str]) -> None:
        self.endpoint = endpoint
        self.options = {
            "region": "eu-west-1",
            "access_key_id": canaries["AWS key"],
            "secret_access_key": canaries["AWS secret"],
            "endpoint_url": endpoint,
        }

    def client(self) -> Any:
        """Return a client of boto3's own, which logs its keys."""
        import boto3

        return boto3.client(
            "sesv2",
            region_name="eu-west-1",
            endpoint_url=self.endpoint,
            aws_access_key_id="own",
            aws_secret_access_key="own",
        )

    def messages(self) -> list[dict[str, Any]]:
        """Return what was sent: id, source, destinations and raw_data of each mail."""
        from moto.ses.models import ses_backends

        found = []
        for message in ses_backends["123456789012"]["eu-west-1"].sent_messages:
            headers = message_from_string(message.raw_data)
            shown = getaddresses([headers.get("To", ""), headers.get("Cc", "")])
            # moto adds the addresses in the headers to the envelope's; SES does not.
            added = len([address for _, address in shown if address])
            told = message.destinations[: len(message.destinations) - added]
            found.append(
                {
                    "id": message.id,
                    "source": message.source,
                    "destinations": told,
                    "raw_data": message.raw_data,
                }
            )
        return found


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    """Address of moto's server, in a thread of this process."""
    pytest.importorskip("moto")
    pytest.importorskip("boto3")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def ses(moto_endpoint: str, canaries: dict[str, str]) -> MotoSES:
    """Amazon SES without mails, where example.com may send."""
    request = urllib.request.Request(f"{moto_endpoint}/moto-api/reset", method="POST")
    with urllib.request.urlopen(request, timeout=10):
        pass
    server = MotoSES(moto_endpoint, canaries)
    client = server.client()
    client.create_email_identity(EmailIdentity="example.com")
    client.create_email_identity(EmailIdentity="alerts@example.com")
    client.close()
    return server
