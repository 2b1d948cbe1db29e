from __future__ import annotations

from zenmail import Alert, Mailer, PluginHost, Receipt, SendRequest, TransportOptions, hookimpl


class Recorder:
    """A transport that keeps its requests."""

    def __init__(self) -> None:
        self.requests: list[SendRequest[TransportOptions]] = []

    @hookimpl
    def transport_options(self) -> type[TransportOptions]:
        return TransportOptions

    @hookimpl
    def send_email(self, request: SendRequest[TransportOptions]) -> Receipt:
        self.requests.append(request)
        return Receipt(accepted=request.envelope.recipients)


def test_send_alert_composes_and_sends() -> None:
    """An alert reaches the transport as one mail to all its recipients."""
    recorder, host = Recorder(), PluginHost()
    host.register_transport("recorder", recorder)
    with Mailer("recorder", plugins=host) as mailer:
        receipt = mailer.send_alert(
            Alert(title="Step failed"),
            sender="a@example.com",
            to="b@example.com",
            bcc=["c@example.com"],
            subject_prefix="[ZenML]",
        )
    assert receipt.outcome == "delivered"
    assert receipt.accepted == ("b@example.com", "c@example.com")
    assert recorder.requests[0].email.subject == "[ZenML] Step failed"
