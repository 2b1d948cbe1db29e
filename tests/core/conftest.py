from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr

from zenmail import Email, Mailer, PluginHost, Receipt, SendRequest, TransportOptions, hookimpl

Answer = Callable[[SendRequest[Any]], Any]


class ScriptedOptions(TransportOptions):
    keeps_deadline: ClassVar[bool] = True
    password: SecretStr = SecretStr("")


class WatchedOptions(TransportOptions):
    password: SecretStr = SecretStr("")


class Scripted:
    """A transport that answers as told; the last answer goes on for ever."""

    def __init__(self, answers: Sequence[Any], options: type[TransportOptions]) -> None:
        self.answers = list(answers)
        self.options = options
        self.requests: list[SendRequest[Any]] = []

    @property
    def envelopes(self) -> list[tuple[str, ...]]:
        return [request.envelope.recipients for request in self.requests]

    @hookimpl
    def transport_options(self) -> type[TransportOptions]:
        return self.options

    @hookimpl
    def send_email(self, request: SendRequest[Any]) -> Receipt | None:
        self.requests.append(request)
        answer = self.answers[0]
        if len(self.answers) > 1:
            del self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        if answer == "ok":
            return Receipt(accepted=request.envelope.recipients)
        if callable(answer):
            answer = answer(request)
        return answer  # type: ignore[no-any-return]


@pytest.fixture
def scripted() -> Callable[..., Scripted]:
    """Return a maker of transports that answer as told: errors are raised, "ok" accepts."""

    def make(*answers: Any, watched: bool = False) -> Scripted:
        return Scripted(answers or ["ok"], WatchedOptions if watched else ScriptedOptions)

    return make


class Memory:
    """A transport that keeps its requests."""

    def __init__(self) -> None:
        self.requests: list[SendRequest[Any]] = []

    @hookimpl
    def transport_options(self) -> type[TransportOptions]:
        return TransportOptions

    @hookimpl
    def send_email(self, request: SendRequest[Any]) -> Receipt:
        self.requests.append(request)
        return Receipt(accepted=request.envelope.recipients)


@pytest.fixture
def memory() -> Memory:
    """Return a transport that keeps its requests."""
    return Memory()


@pytest.fixture
def host(memory: Memory) -> PluginHost:
    """Return a host without installed plugins, and with the transport ``memory``."""
    host = PluginHost(installed=list)
    host.register_transport("memory", memory)
    return host


@pytest.fixture
def mailer_of() -> Iterator[Callable[..., Mailer]]:
    """Return a maker of mailers over transports called "one", "two" and so on."""
    opened: list[Mailer] = []

    def make(*transports: Any, **settings: Any) -> Mailer:
        host = PluginHost(pass_through=settings.pop("pass_through", ()))
        names = ["one", "two", "three"][: len(transports)]
        for name, transport in zip(names, transports, strict=True):
            host.register_transport(name, transport)
        middleware = settings.pop("middleware", {})
        for name, plugin in middleware.items():
            host.register_middleware(name, plugin)
        mailer = Mailer(names[0], fallbacks=names[1:], plugins=host, **settings)
        opened.append(mailer)
        return mailer

    yield make
    for mailer in opened:
        mailer.close()


@pytest.fixture
def email() -> Email:
    """Return a mail to three recipients, one of them blind."""
    return Email(
        sender="a@example.com",
        to="b@example.com",
        cc="c@example.com",
        bcc="zoe@example.com",
        subject="Step failed",
        text="It failed.\n",
    )
