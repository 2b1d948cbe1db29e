from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path
from typing import Any

import pytest

from zenmail import (
    AccessToken,
    Alert,
    AmbiguousTransport,
    BrokenTransport,
    Deadline,
    Email,
    Mailer,
    MissingExtra,
    PluginHost,
    TemporaryFailure,
    TokenRequest,
    TransportOptions,
    UnknownTransport,
    VerifyRequest,
    hookimpl,
)

Install = Callable[..., Callable[[], list[Distribution]]]

pytestmark = pytest.mark.extras

TRANSPORT = """
from zenmail import Receipt, TransportOptions, hookimpl

class Options(TransportOptions):
    url: str = ""

@hookimpl
def transport_options():
    return Options

@hookimpl
def send_email(request):
    return Receipt(accepted=request.envelope.recipients)
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return what installs distributions, each with a module and its entry points."""
    monkeypatch.syspath_prepend(str(tmp_path))
    found: list[Distribution] = []

    def add(
        distribution: str,
        module: str,
        source: str,
        group: str = "zenmail.transports",
        **names: str,
    ) -> Callable[[], list[Distribution]]:
        (tmp_path / f"{module}.py").write_text(source)
        monkeypatch.delitem(sys.modules, module, raising=False)
        info = tmp_path / f"{distribution}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n"
        )
        lines = "".join(f"{name} = {target}\n" for name, target in names.items())
        (info / "entry_points.txt").write_text(f"[{group}]\n{lines}")
        found.append(PathDistribution(info))
        return lambda: found

    return add


def make_email(**changes: Any) -> Email:
    """Return a mail."""
    values: dict[str, Any] = {"sender": "a@example.com", "to": "b@example.com", "subject": "s"}
    return Email(**{**values, **changes})


# Transports by name.


def test_a_transport_is_loaded_by_name_alone(install: Install) -> None:
    """Neither the neighbours in its distribution nor other distributions are imported."""
    install("mail-one", "zt_one", TRANSPORT, one="zt_one", other="zt_broken")
    installed = install(
        "mail-two", "zt_broken", "raise RuntimeError('imported')", two="zt_broken"
    )
    host = PluginHost(installed=installed)
    assert host.transport("one").parse_options({"url": "x"}).model_dump() == {"url": "x"}
    assert "zt_broken" not in sys.modules
    assert [offer.name for offer in host.installed()] == ["one", "other", "two"]
    assert "zt_broken" not in sys.modules


def test_bystanders_are_never_called(memory: Any, scripted: Any) -> None:
    """Of two loaded transports only the selected one gets the mail."""
    other = scripted()
    host = PluginHost(installed=list)
    host.register_transport("memory", memory)
    host.register_transport("other", other)
    with Mailer("memory", plugins=host) as mailer:
        assert mailer.send(make_email()).delivered
    assert len(memory.requests) == 1
    assert not other.requests


def test_each_host_has_transports_of_its_own(install: Install) -> None:
    """A class is instantiated once per host, so that no mailer shares another's state."""
    source = TRANSPORT + "\nclass Stateful:\n"
    source += "".join(
        f"    {line}\n"
        for line in TRANSPORT.replace("(request", "(self, request")
        .replace("options():", "options(self):")
        .strip()
        .splitlines()
    )
    installed = install("mail-one", "zt_state", source, one="zt_state:Stateful")
    hosts = [PluginHost(installed=installed) for _ in range(2)]
    first, second = (host.transport("one") for host in hosts)
    assert first is not second
    assert hosts[0].transport("one") is first


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("carrier", "Install the package that offers it"),
        ("webhok", "Did you mean 'webhook'?"),
        ("ses", 'pip install "zenmail[ses]"'),
        ("graph", 'pip install "zenmail[oauth]"'),
    ],
)
def test_an_unknown_name_is_explained(install: Install, name: str, remedy: str) -> None:
    """The error lists what is installed, and has the command for a name that we know."""
    host = PluginHost(installed=install("mail-one", "zt_w", TRANSPORT, webhook="zt_w"))
    with pytest.raises(UnknownTransport) as caught:
        host.transport(name)
    assert repr(name) in str(caught.value)
    assert "installed: webhook" in str(caught.value)
    assert remedy in str(caught.value)


def test_one_name_by_two_distributions_is_an_error(install: Install) -> None:
    """Neither is preferred; the error names both, and other names still work."""
    install("mail-one", "zt_one", TRANSPORT, webhook="zt_one", fine="zt_one")
    host = PluginHost(installed=install("mail-two", "zt_two", TRANSPORT, webhook="zt_two"))
    with pytest.raises(AmbiguousTransport, match=r"mail-one 1\.2 and mail-two 1\.2"):
        host.transport("webhook")
    assert host.transport("fine").options_type


def test_a_distribution_that_is_found_twice_is_one(install: Install) -> None:
    """A folder that is on the path twice does not make its plugins ambiguous."""
    installed = install("mail-one", "zt_one", TRANSPORT, webhook="zt_one")
    assert PluginHost(installed=lambda: installed() * 2).transport("webhook").options_type


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("raise RuntimeError('no')", "does not load: RuntimeError: no"),
        ("import no_such_module_anywhere", "does not load: ModuleNotFoundError"),
        ("raise SystemExit(3)", "does not load: SystemExit: 3"),
        ("x = ", "does not load: SyntaxError"),
        ("", "has no transport_options"),
        (TRANSPORT.replace("send_email", "send_mail"), "does not fit zenmail's hooks"),
        (
            TRANSPORT.replace("send_email(request)", "send_email(request, extra)"),
            "does not fit",
        ),
        (TRANSPORT.replace("return Options", "return 1 / 0"), "transport_options() fails"),
        (TRANSPORT.replace("return Options", "return dict"), "no class derived from"),
        (TRANSPORT.replace("return Options", "return Options()"), "no class derived from"),
    ],
)
def test_a_broken_transport_is_named(install: Install, source: str, what: str) -> None:
    """What is wrong with it is said when it is selected, with whom to ask."""
    host = PluginHost(installed=install("mail-bad", "zt_bad", source, bad="zt_bad"))
    with pytest.raises(BrokenTransport) as caught:
        host.transport("bad")
    assert caught.value.transport == "bad"
    assert what in str(caught.value)


def test_a_class_that_does_not_start_is_named(install: Install) -> None:
    """An exception of its constructor is an error of ours."""
    source = "class Plugin:\n    def __init__(self): raise KeyError('x')\n"
    host = PluginHost(installed=install("mail-bad", "zt_bad", source, bad="zt_bad:Plugin"))
    with pytest.raises(BrokenTransport, match="does not start: KeyError"):
        host.transport("bad")


def test_a_missing_extra_passes_through(install: Install) -> None:
    """What a transport says about an absent dependency reaches the user as it is."""
    source = TRANSPORT.replace(
        "return Options", "raise MissingExtra('No x.', remedy='pip install x')"
    ).replace("import Receipt", "import MissingExtra, Receipt")
    host = PluginHost(installed=install("mail-x", "zt_x", source, x="zt_x"))
    with pytest.raises(MissingExtra, match="pip install x"):
        host.transport("x")


def test_a_transport_may_be_middleware_too(install: Install) -> None:
    """Hooks of the other kinds in a transport's module are no mistake."""
    source = TRANSPORT + "\n@hookimpl\ndef after_send(receipt, email): pass\n"
    host = PluginHost(installed=install("mail-one", "zt_both", source, both="zt_both"))
    assert host.transport("both").options_type


def test_many_threads_load_a_transport_once(install: Install) -> None:
    """The first use from several threads makes one instance."""
    source = TRANSPORT + "\nimport time\ntime.sleep(0.05)\n"
    host = PluginHost(installed=install("mail-one", "zt_slow", source, slow="zt_slow"))
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(host.transport("slow"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(item) for item in found}) == 1


def test_the_disabled_are_blocked(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    """ZENMAIL_DISABLE_PLUGINS blocks transports by name, and the error says so."""
    installed = install("mail-one", "zt_one", TRANSPORT, one="zt_one", two="zt_one")
    monkeypatch.setenv("ZENMAIL_DISABLE_PLUGINS", "one, other")
    host = PluginHost(installed=installed)
    with pytest.raises(UnknownTransport, match="ZENMAIL_DISABLE_PLUGINS"):
        host.transport("one")
    assert host.transport("two").options_type


def test_our_own_transports_come_through_the_same_door() -> None:
    """smtp, ses, graph, file and console are entry points of the distribution zenmail."""
    offers = {offer.name: offer.distribution for offer in PluginHost().installed()}
    assert {name for name, owner in offers.items() if owner == "zenmail"} == {
        "smtp",
        "ses",
        "graph",
        "file",
        "console",
    }


class Stopped(Exception):
    """What a signal handler may raise anywhere."""


def test_stop_signals_pass_through_every_hook() -> None:
    """An exception of ``pass_through`` is nobody's failure, wherever it is raised."""

    class Stops:
        @hookimpl
        def transport_options(self) -> type[TransportOptions]:
            return TransportOptions

        @hookimpl
        def send_email(self) -> None:
            raise Stopped

        @hookimpl
        def close_transport(self) -> None:
            raise Stopped

        @hookimpl
        def verify_transport(self, request: VerifyRequest[Any]) -> None:
            raise Stopped

        @hookimpl
        def before_render(self, alert: Alert) -> None:
            raise Stopped

        @hookimpl
        def fetch_token(self, request: TokenRequest) -> None:
            raise Stopped

    host = PluginHost(installed=list, pass_through=(Stopped,))
    transport = host.register_transport("stops", Stops)
    host.register_middleware("stops", Stops())
    host.register_token_source("stops", Stops())
    deadline = Deadline.after(5)
    with pytest.raises(Stopped):
        list(transport.verify(VerifyRequest(None, TransportOptions(), deadline)))
    with pytest.raises(Stopped):
        transport.close()
    with pytest.raises(Stopped):
        host.middleware.before_render(Alert(title="x"))
    with pytest.raises(Stopped):
        host.fetch_token("stops", TokenRequest("a", (), deadline, {}))


# Middleware.


def test_installed_middleware_is_loaded_and_the_broken_left_out(
    install: Install, memory: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """All entry points of zenmail.plugins are used; one that does not load is named."""
    group = "zenmail.plugins"
    good = (
        "from zenmail import hookimpl\n"
        "@hookimpl\ndef before_send(email): return email.replace(subject='changed')\n"
    )
    wrapper = (
        "from zenmail import hookimpl\n"
        "@hookimpl(wrapper=True)\ndef before_send(email): return (yield)\n"
    )
    install("mw-good", "zt_good", good, group, good="zt_good")
    install("mw-wrapper", "zt_wrapper", wrapper, group, wrapper="zt_wrapper")
    installed = install("mw-bad", "zt_bad", "raise RuntimeError('no')", group, bad="zt_bad")
    host = PluginHost(installed=installed)
    host.register_transport("memory", memory)
    with Mailer("memory", plugins=host) as mailer:
        assert mailer.send(make_email()).delivered
    assert memory.requests[0].email.subject == "changed"
    assert "Plugin 'bad' is left out." in caplog.text
    assert "Plugin 'wrapper' is left out." in caplog.text


def test_disabled_middleware_is_not_even_imported(
    install: Install, memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ZENMAIL_DISABLE_PLUGINS blocks middleware by name."""
    monkeypatch.setenv("ZENMAIL_DISABLE_PLUGINS", "good")
    installed = install(
        "mw-good", "zt_good", "raise SystemExit", "zenmail.plugins", good="zt_good"
    )
    host = PluginHost(installed=installed)
    host.register_transport("memory", memory)
    with Mailer("memory", plugins=host) as mailer:
        assert mailer.send(make_email()).delivered
    assert "zt_good" not in sys.modules


def test_hook_calls_can_be_traced(
    memory: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """ZENMAIL_TRACE_PLUGINS logs which hook calls whom; without it nothing is logged."""

    class Watch:
        @hookimpl
        def before_send(self) -> None: ...

        @hookimpl
        def after_send(self) -> None: ...

    def run() -> str:
        caplog.clear()
        host = PluginHost(installed=list)
        host.register_transport("memory", memory)
        host.register_middleware("tag", Watch())
        with Mailer("memory", plugins=host) as mailer:
            mailer.send(make_email())
        return caplog.text

    caplog.set_level(logging.WARNING)
    assert "hook " not in run()
    monkeypatch.setenv("ZENMAIL_TRACE_PLUGINS", "1")
    traced = run()
    for hook, plugin in (
        ("before_send", "tag"),
        ("send_email", "memory"),
        ("after_send", "tag"),
        ("close_transport", "nobody"),
    ):
        assert f"hook {hook}: calls {plugin}" in traced
    assert "hook send_email: took" in traced


# Token sources.


def request() -> TokenRequest:
    """Return a request for a token."""
    return TokenRequest("a@example.com", (), Deadline.after(5), {"secret": "canary-token-91bc"})


def test_a_token_source_is_loaded_by_name(install: Install) -> None:
    """A source of somebody else's answers like ours do."""
    source = (
        "from pydantic import SecretStr\nfrom zenmail import AccessToken, hookimpl\n"
        "@hookimpl\ndef fetch_token(request):\n"
        "    return AccessToken(SecretStr(request.account), 1.0)\n"
    )
    host = PluginHost(
        installed=install("ts", "zt_ts", source, "zenmail.token_sources", vault="zt_ts")
    )
    token = host.fetch_token("vault", request())
    assert isinstance(token, AccessToken)
    assert token.value.get_secret_value() == "a@example.com"
    with pytest.raises(UnknownTransport, match="No token source is called 'volt'"):
        host.fetch_token("volt", request())


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("raise KeyError('oops')", TemporaryFailure),
        ("raise MissingExtra('x')", MissingExtra),
        ("return 'token'", BrokenTransport),
        ("return AccessToken(None, 1.0)", BrokenTransport),
    ],
)
def test_trouble_of_a_token_source_is_an_error_of_ours(
    install: Install, body: str, error: type[Exception]
) -> None:
    """What it raises or returns wrongly is said with its name, and without its options."""
    source = (
        "from zenmail import AccessToken, MissingExtra, hookimpl\n"
        f"@hookimpl\ndef fetch_token(request):\n    {body}\n"
    )
    host = PluginHost(
        installed=install("ts", "zt_ts", source, "zenmail.token_sources", bad="zt_ts")
    )
    with pytest.raises(error) as caught:
        host.fetch_token("bad", request())
    assert "canary" not in str(caught.value)


def test_a_token_source_without_the_hook_is_named(install: Install) -> None:
    """A module that lacks fetch_token is refused by name."""
    host = PluginHost(
        installed=install("ts", "zt_ts", "", "zenmail.token_sources", bad="zt_ts")
    )
    with pytest.raises(BrokenTransport, match="has no fetch_token"):
        host.fetch_token("bad", request())
