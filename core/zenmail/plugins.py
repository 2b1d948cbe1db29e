"""The plugins that are installed: transports and token sources by name, middleware whole."""

import inspect
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import TYPE_CHECKING, Any, NamedTuple

import pluggy
from pydantic import SecretStr

from .errors import (
    AmbiguousTransport,
    BrokenTransport,
    TemporaryFailure,
    UnknownTransport,
    ZenmailError,
)
from .hookspecs import PROJECT_NAME, MiddlewareSpec, TokenSourceSpec, TransportSpec
from .middleware import Middleware
from .runtime.forks import defer_forks, reset_after_fork
from .transport import Transport

if TYPE_CHECKING:
    from .tokens import AccessToken, TokenRequest

__all__ = ["InstalledPlugin", "PluginHost"]

TRANSPORTS = "zenmail.transports"
TOKEN_SOURCES = "zenmail.token_sources"  # noqa: S105 - the name of an entry-point group
MIDDLEWARE = "zenmail.plugins"

WHAT_TO_INSTALL = {
    TRANSPORTS: {
        **dict.fromkeys(("smtp", "console", "file"), "zenmail"),
        "ses": '"zenmail[ses]"',
        "graph": '"zenmail[oauth]"',
    },
    TOKEN_SOURCES: dict.fromkeys(("google", "microsoft"), '"zenmail[oauth]"'),
}
"""What pip has to install for the plugins we know of, by entry-point group and name."""

_logger = logging.getLogger(__name__)


class InstalledPlugin(NamedTuple):
    """A plugin that some installed distribution offers.

    Attributes:
        name: What users type to select it.
    """

    name: str
    entry_point: EntryPoint
    source: Distribution

    @property
    def distribution(self) -> str:
        """The distribution's name on the package index."""
        return self.source.metadata["Name"]

    @property
    def version(self) -> str:
        """The distribution's version."""
        return self.source.version


class PluginHost:
    """Finds, loads and calls plugins. Each host has its own instances.

    Transports and token sources are loaded by name, when they are asked for: nobody
    imports what they do not use. Middleware is loaded whole, when it is first needed.
    ``ZENMAIL_DISABLE_PLUGINS=name,name`` blocks plugins of any kind, and
    ``ZENMAIL_TRACE_PLUGINS=1`` logs each hook call.

    Args:
        installed: Returns the installed distributions; for tests.
        pass_through: Exceptions, raised by signal handlers, that are nobody's failure:
            they leave every hook and every send.
    """

    def __init__(
        self,
        *,
        installed: Callable[[], Iterable[Distribution]] = distributions,
        pass_through: tuple[type[BaseException], ...] = (),
    ) -> None:
        self._installed = installed
        self.pass_through = pass_through
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
        self._middleware = Middleware(
            self._manager, pass_through=pass_through, traced=self._traced
        )
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
                f"{name!r} is disabled.", remedy="Remove it from ZENMAIL_DISABLE_PLUGINS."
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
        known = WHAT_TO_INSTALL.get(group, {})
        close = difflib.get_close_matches(name, names, n=1)
        if name in known:
            remedy = f"Install it: pip install {known[name]}"
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
        self._transports[name] = Transport(name, manager, self.pass_through)
        return self._transports[name]

    def register_middleware(self, name: str, plugin: object) -> None:
        """Take a middleware plugin that no entry point names.

        Raises:
            BrokenTransport: It does not fit the hooks.
        """
        self._register(self._middleware.manager, name, plugin)
        self._middleware.refuse_wrappers(name)

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

    def fetch_token(self, source: str, request: "TokenRequest") -> "AccessToken":
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
                remedy="If it keeps happening, report it to the authors of the token source "
                f"{source!r}.",
            ) from error
        from .tokens import AccessToken  # imported already by those who have one

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
                remedy=f"Report it to the authors of {name!r}.",
            ) from error

    @property
    def middleware(self) -> Middleware:
        """The middleware; what is installed is loaded the first time."""
        with self._loading:
            if not self._middleware_loaded:
                self._middleware_loaded = True
                offers = self.installed(MIDDLEWARE)
                for offer in (one for one in offers if one.name not in self._disabled):
                    try:
                        self.register_middleware(offer.name, self._load(offer))
                    except ZenmailError as error:
                        _logger.warning("Plugin %r is left out. %s", offer.name, error)
        return self._middleware

    def close(self) -> None:
        """Close every transport that was loaded."""
        for transport in self._transports.values():
            transport.close()


def _offers(installed: Iterable[Distribution]) -> dict[str, list[InstalledPlugin]]:
    """Return what the distributions offer by entry-point group, sorted by name."""
    groups: dict[str, list[InstalledPlugin]] = {}
    for distribution in installed:
        # To read them all is quick, to parse them all is not.
        if "zenmail." not in (distribution.read_text("entry_points.txt") or ""):
            continue
        for entry_point in distribution.entry_points:
            offer = InstalledPlugin(entry_point.name, entry_point, distribution)
            offers = groups.setdefault(entry_point.group, [])
            same = [known for known in offers if known.name == offer.name]
            # A path that holds a distribution twice shows it twice.
            if all(offer.distribution != known.distribution for known in same):
                offers.append(offer)
    for offers in groups.values():
        offers.sort(key=lambda offer: offer.name)
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
