"""The typed side of the plugin manager: transports by name, middleware around every send."""

from __future__ import annotations

import inspect
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy
from pydantic import SecretStr

from .email import Email, Envelope
from .errors import (
    AmbiguousTransport,
    BrokenTransport,
    TemporaryFailure,
    UnknownOutcome,
    UnknownTransport,
    ZenmailError,
)
from .hookspecs import PROJECT_NAME, MiddlewareSpec, TokenSourceSpec, TransportSpec
from .model import Model
from .receipt import Receipt
from .runtime.forks import defer_forks, reset_after_fork
from .tokens import AccessToken, TokenRequest
from .transport import Check, SendRequest, TransportOptions, VerifyRequest

if TYPE_CHECKING:
    from .alert import Alert

__all__ = ["InstalledPlugin", "PluginHost", "Transport"]

TRANSPORTS = "zenmail.transports"
TOKEN_SOURCES = "zenmail.token_sources"  # noqa: S105 - the name of an entry-point group
MIDDLEWARE = "zenmail.plugins"

INSTALL_COMMANDS: dict[str, dict[str, str]] = {
    TRANSPORTS: {
        "smtp": "pip install zenmail",
        "console": "pip install zenmail",
        "file": "pip install zenmail",
        "ses": 'pip install "zenmail[ses]"',
    },
    TOKEN_SOURCES: {
        "google": 'pip install "zenmail[oauth]"',
        "microsoft": 'pip install "zenmail[oauth]"',
    },
}
"""How to install the plugins we know of, by entry-point group and name."""

_logger = logging.getLogger(__name__)
# Seconds after which it is said that a plugin keeps an alert waiting.
_LONG = 1.0
_Result = TypeVar("_Result", bound=Model)


@dataclass(frozen=True)
class InstalledPlugin:
    """A plugin that some installed distribution offers.

    Attributes:
        name: What users type to select it.
        distribution: The distribution's name on the package index.
        version: The distribution's version.
    """

    name: str
    distribution: str
    version: str
    entry_point: EntryPoint


class Transport:
    """One selected transport, its hooks as typed methods.

    Each has a plugin manager to itself: pluggy would call the bystanders too.
    """

    def __init__(
        self,
        name: str,
        manager: pluggy.PluginManager,
        pass_through: tuple[type[BaseException], ...] = (),
    ) -> None:
        self.name = name
        self._hook = manager.hook
        self._leaving: tuple[type[BaseException], ...] = (ZenmailError, *pass_through)
        self._check_contract()

    def _check_contract(self) -> None:
        for hook in ("transport_options", "send_email"):
            if not getattr(self._hook, hook).get_hookimpls():
                raise BrokenTransport(
                    f"The plugin has no {hook}().",
                    transport=self.name,
                    remedy=f"A transport marks transport_options and send_email with "
                    f"zenmail.hookimpl; ask the authors of {self.name!r} to add {hook}.",
                )
        try:
            options = self._hook.transport_options()
        except self._leaving:
            raise
        except Exception as error:
            raise BrokenTransport(
                f"transport_options() fails: {type(error).__name__}: {error}",
                transport=self.name,
                remedy=f"Tell the authors of {self.name!r}.",
            ) from error
        if not (inspect.isclass(options) and issubclass(options, TransportOptions)):
            raise BrokenTransport(
                "transport_options() returns no class derived from zenmail.TransportOptions.",
                transport=self.name,
            )
        self.options_type: type[TransportOptions] = options

    @property
    def verifies(self) -> bool:
        """Whether the transport can check its set-up without sending."""
        return bool(self._hook.verify_transport.get_hookimpls())

    def parse_options(self, values: Mapping[str, Any]) -> TransportOptions:
        """Validate options that a user typed.

        Raises:
            OptionsError: A key is unknown, missing, or has an unusable value.
        """
        return self.options_type.parse(values, transport=self.name)

    def send(self, request: SendRequest[Any]) -> Receipt:
        """Call the transport's ``send_email``; whatever it raises passes through.

        Raises:
            UnknownOutcome: It returned something else than a receipt.
        """
        receipt = self._hook.send_email(request=request)
        if not isinstance(receipt, Receipt):
            raise UnknownOutcome(
                f"The transport {self.name!r} returned {type(receipt).__name__}, not a "
                "zenmail.Receipt: whether it sent the mail, nobody knows.",
                code="transport-broken",
                transport=self.name,
                remedy=f"Ask the authors of the transport {self.name!r} to return a receipt.",
            )
        return receipt

    def verify(self, request: VerifyRequest[Any]) -> list[Check]:
        """Call the transport's ``verify_transport``; what it raises is a failed check."""
        try:
            return list(self._hook.verify_transport(request=request) or ())
        except self._leaving as error:
            if not isinstance(error, ZenmailError):
                raise
            return [Check(self.name, "failed", error.message, error.remedy, code=error.code)]
        except Exception as error:
            detail = f"verify_transport() fails: {type(error).__name__}: {error}"
            return [Check(self.name, "failed", detail, f"Tell the authors of {self.name!r}.")]

    def close(self) -> None:
        """Let the transport release what it holds; its trouble is logged, not raised."""
        try:
            self._hook.close_transport()
        except self._leaving as error:
            if not isinstance(error, ZenmailError):
                raise
            self._complain(error)
        except Exception as error:
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        # Its text may hold anything, a secret included.
        _logger.warning("Transport %r does not close: %s.", self.name, type(error).__name__)


class PluginHost:
    """Finds, loads and calls plugins. Each host has its own instances.

    Transports and token sources are loaded by name, when they are asked for: nobody
    imports what they do not use. Middleware is loaded whole, when it is first needed.
    ``ZENMAIL_DISABLE_PLUGINS=name,name`` blocks plugins of any kind, and
    ``ZENMAIL_TRACE_PLUGINS=1`` logs each hook call.

    Args:
        installed: Returns the installed distributions; for tests.
        pass_through: Exceptions that never count as a plugin's failure.
    """

    def __init__(
        self,
        *,
        installed: Callable[[], Iterable[Distribution]] = distributions,
        pass_through: tuple[type[BaseException], ...] = (),
    ) -> None:
        self._installed = installed
        self._pass_through = pass_through
        self._leaving: tuple[type[BaseException], ...] = (ZenmailError, *pass_through)
        self._disabled = frozenset(
            filter(
                None, map(str.strip, os.environ.get("ZENMAIL_DISABLE_PLUGINS", "").split(","))
            )
        )
        self._offers: dict[str, list[InstalledPlugin]] | None = None
        self._transports: dict[str, Transport] = {}
        self._token_sources: dict[str, pluggy.PluginManager] = {}
        self._traced = os.environ.get("ZENMAIL_TRACE_PLUGINS", "") not in ("", "0")
        self._middleware = self._manager()
        self._middleware_loaded = False
        reset_after_fork(self)

    def reset(self) -> None:
        """Open a lock that another thread held when this process was forked."""
        self._loading = threading.RLock()

    def installed(self, group: str = TRANSPORTS) -> list[InstalledPlugin]:
        """Return the plugins that the installed distributions offer in a group, by name."""
        if self._offers is None:
            self._offers = _offers(self._installed())
        return self._offers.get(group, [])

    def owner(self, name: str, group: str = TRANSPORTS) -> InstalledPlugin:
        """Return which distribution offers the name.

        Raises:
            UnknownTransport: None does, or it is disabled.
            AmbiguousTransport: More than one does.
        """
        offers = [offer for offer in self.installed(group) if offer.name == name]
        if name in self._disabled:
            raise UnknownTransport(
                f"{name!r} is disabled.", remedy="Take it out of ZENMAIL_DISABLE_PLUGINS."
            )
        if len(offers) > 1:
            owners = " and ".join(f"{offer.distribution} {offer.version}" for offer in offers)
            raise AmbiguousTransport(
                f"{name!r} is offered by {owners}.", remedy="Uninstall one of them."
            )
        if not offers:
            raise self._unknown(name, group)
        return offers[0]

    def _unknown(self, name: str, group: str) -> UnknownTransport:
        import difflib

        names = [offer.name for offer in self.installed(group)]
        kind = "token source" if group == TOKEN_SOURCES else "transport"
        known = INSTALL_COMMANDS.get(group, {})
        close = difflib.get_close_matches(name, names, n=1)
        if name in known:
            remedy = f"Install it: {known[name]}"
        elif close:
            remedy = f"Did you mean {close[0]!r}?"
        else:
            remedy = "Install the package that offers it, or choose one of these."
        return UnknownTransport(
            f"No {kind} is called {name!r}; installed: {', '.join(names) or 'none'}.",
            remedy=remedy,
        )

    def register_transport(self, name: str, plugin: object) -> Transport:
        """Take a transport that no entry point names: a module, an object or a class."""
        manager = self._manager()
        self._register(manager, name, plugin)
        self._transports[name] = Transport(name, manager, self._pass_through)
        return self._transports[name]

    def register_middleware(self, name: str, plugin: object) -> None:
        """Take a middleware plugin that no entry point names.

        Raises:
            BrokenTransport: It does not fit the hooks.
        """
        self._register(self._middleware, name, plugin)
        callers = self._middleware.get_hookcallers(self._middleware.get_plugin(name)) or ()
        for caller in callers:
            for found in caller.get_hookimpls():
                if found.plugin_name == name and (found.wrapper or found.hookwrapper):
                    self._middleware.unregister(name=name)
                    raise BrokenTransport(
                        f"Its {caller.name} is a hook wrapper; zenmail calls middleware one "
                        "by one, so there is nothing to wrap.",
                        transport=name,
                        remedy="Take wrapper=True away.",
                    )

    def register_token_source(self, name: str, plugin: object) -> None:
        """Take a token source that no entry point names."""
        manager = self._manager()
        self._register(manager, name, plugin)
        if not manager.hook.fetch_token.get_hookimpls():
            raise BrokenTransport(
                f"The token source {name!r} has no fetch_token().",
                remedy="Ask its authors to mark fetch_token with zenmail.hookimpl.",
            )
        self._token_sources[name] = manager

    def transport(self, name: str) -> Transport:
        """Return the transport of this name, loading it the first time.

        Raises:
            UnknownTransport: No installed distribution offers it.
            AmbiguousTransport: Two installed distributions offer it.
            BrokenTransport: It does not load, or lacks a required hook.
            MissingExtra: It needs an optional dependency that is not installed.
        """
        with self._loading:
            if name not in self._transports:
                self.register_transport(name, self._load(self.owner(name)))
            return self._transports[name]

    def fetch_token(self, source: str, request: TokenRequest) -> AccessToken:
        """Ask a token source, by name, for an access token.

        Raises:
            UnknownTransport: No installed distribution offers it.
            TemporaryFailure: It raises what no error of ours is.
        """
        with self._loading:
            if source not in self._token_sources:
                offer = self.owner(source, TOKEN_SOURCES)
                self.register_token_source(source, self._load(offer))
        try:
            token = self._token_sources[source].hook.fetch_token(request=request)
        except self._leaving:
            raise
        except Exception as error:
            raise TemporaryFailure(
                f"The token source {source!r} fails: {type(error).__name__}: {error}",
                code="token-source-exception",
                remedy=f"If it stays, tell the authors of the token source {source!r}.",
            ) from error
        if not (isinstance(token, AccessToken) and isinstance(token.value, SecretStr)):
            raise BrokenTransport(f"The token source {source!r} returned no AccessToken.")
        return token

    @defer_forks()
    def _load(self, offer: InstalledPlugin) -> object:
        try:
            return offer.entry_point.load()
        except self._leaving:
            raise
        except (Exception, SystemExit) as error:
            raise BrokenTransport(
                f"It does not load: {type(error).__name__}: {error}",
                transport=offer.name,
                remedy=f"Update or uninstall {offer.distribution} {offer.version}.",
            ) from error

    def _manager(self) -> pluggy.PluginManager:
        manager = pluggy.PluginManager(PROJECT_NAME)
        # All of them: one module may be a transport and middleware at once.
        for spec in (TransportSpec, MiddlewareSpec, TokenSourceSpec):
            manager.add_hookspecs(spec)
        if self._traced:
            _trace(manager)
        return manager

    def _register(self, manager: pluggy.PluginManager, name: str, plugin: object) -> None:
        try:
            manager.register(plugin() if inspect.isclass(plugin) else plugin, name=name)
            manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise BrokenTransport(
                f"It does not fit zenmail's hooks: {error}",
                transport=name,
                remedy="Compare its hooks with zenmail.hookspecs.",
            ) from None
        except self._leaving:
            raise
        except Exception as error:
            raise BrokenTransport(
                f"It does not start: {type(error).__name__}: {error}",
                transport=name,
                remedy=f"Tell the authors of {name!r}.",
            ) from error

    def load_middleware(self) -> None:
        """Load the installed middleware, unless that was done before."""
        with self._loading:
            if self._middleware_loaded:
                return
            self._middleware_loaded = True
            for offer in self.installed(MIDDLEWARE):
                if offer.name in self._disabled:
                    continue
                try:
                    self.register_middleware(offer.name, self._load(offer))
                except ZenmailError as error:
                    _logger.warning("Plugin %r is left out. %s", offer.name, error)

    def close(self) -> None:
        """Close every transport that was loaded."""
        for transport in self._transports.values():
            transport.close()

    def before_render(self, alert: Alert) -> Alert:
        """Let the middleware see, and replace, an alert."""
        # Whoever has an alert has imported it.
        from .alert import Alert

        return self._chain("before_render", Alert, alert, {})

    def before_send(self, email: Email, envelope: Envelope) -> Email:
        """Let the middleware see, and replace, a mail."""
        return self._chain("before_send", Email, email, {"envelope": envelope})

    def after_send(self, receipt: Receipt, email: Email) -> None:
        """Tell the middleware what became of a mail."""
        for implementation in self._implementations("after_send"):
            # To each its own: nobody changes what the others, and the sender, are told.
            told = receipt.model_copy(deep=True)
            self._guarded(implementation, {"receipt": told, "email": email})

    def _chain(
        self, hook: str, kind: type[_Result], value: _Result, context: dict[str, Any]
    ) -> _Result:
        argument = "alert" if hook == "before_render" else "email"
        for implementation in self._implementations(hook):
            replaced = self._guarded(implementation, {argument: value, **context})
            if isinstance(replaced, kind):
                # pydantic lets a plugin make one without any check.
                checked = self._try(implementation, replaced.replace)
                value = value if checked is None else checked
            elif replaced is not None:
                _logger.warning(
                    "Plugin %r returned %s from %s; the alert goes on without it.",
                    implementation.plugin_name,
                    type(replaced).__name__,
                    hook,
                )
        return value

    def _guarded(self, implementation: pluggy.HookImpl, arguments: dict[str, Any]) -> Any:
        if self._traced:
            _logger.warning(
                "hook %s: calls %s",
                implementation.function.__name__,
                implementation.plugin_name,
            )
        given = [arguments[name] for name in implementation.argnames]
        return self._try(implementation, lambda: implementation.function(*given))

    def _try(self, implementation: pluggy.HookImpl, call: Callable[[], Any]) -> Any:
        started = time.monotonic()
        try:
            return call()
        except self._pass_through:
            raise
        except Exception as error:
            _logger.warning(
                "Plugin %r fails; the alert goes on without it. %s: %s",
                implementation.plugin_name,
                type(error).__name__,
                error,
            )
            _logger.debug("Where %r fails:", implementation.plugin_name, exc_info=error)
            return None
        finally:
            if (took := time.monotonic() - started) > _LONG:
                _logger.warning(
                    "Plugin %r took %.1f s of the time that the alert has.",
                    implementation.plugin_name,
                    took,
                )

    def _implementations(self, hook: str) -> list[pluggy.HookImpl]:
        """Return a middleware hook's implementations, the first registered first.

        They are called one by one, not through the hook, so that each sees what the one
        before it made and the failure of one does not end the chain.
        """
        self.load_middleware()
        caller: pluggy.HookCaller = getattr(self._middleware.hook, hook)
        found = caller.get_hookimpls()
        if not found:
            return found
        return [
            *reversed([item for item in found if item.tryfirst]),
            *(item for item in found if not (item.tryfirst or item.trylast)),
            *reversed([item for item in found if item.trylast]),
        ]


def _offers(installed: Iterable[Distribution]) -> dict[str, list[InstalledPlugin]]:
    """Return what the distributions offer by entry-point group, sorted by name."""
    found: dict[tuple[str, str, str], InstalledPlugin] = {}
    for distribution in installed:
        # To read them all is quick, to parse them all is not.
        if "zenmail." not in (distribution.read_text("entry_points.txt") or ""):
            continue
        metadata = distribution.metadata  # read anew at each look
        owner, version = metadata["Name"], metadata["Version"]
        for entry_point in distribution.entry_points:
            offer = InstalledPlugin(entry_point.name, owner, version, entry_point)
            # A path that holds a distribution twice shows it twice.
            found.setdefault((entry_point.group, entry_point.name, owner), offer)
    groups: dict[str, list[InstalledPlugin]] = {}
    for offer in sorted(found.values(), key=lambda offer: offer.name):
        groups.setdefault(offer.entry_point.group, []).append(offer)
    return groups


def _trace(manager: pluggy.PluginManager) -> None:
    calls = threading.local()

    def before(hook: str, implementations: Sequence[pluggy.HookImpl], _: Any) -> None:
        calls.started = [*getattr(calls, "started", ()), time.perf_counter()]
        names = ", ".join(found.plugin_name for found in implementations) or "nobody"
        _logger.warning("hook %s: calls %s", hook, names)

    def after(_: Any, hook: str, __: Sequence[pluggy.HookImpl], ___: Any) -> None:
        took = time.perf_counter() - calls.started.pop()
        _logger.warning("hook %s: took %.1f ms", hook, 1000 * took)

    manager.add_hookcall_monitoring(before, after)
