"""Middleware: the plugins that see, change and follow every alert."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

from .errors import BrokenTransport
from .model import Model
from .receipt import Receipt

if TYPE_CHECKING:
    from .alert import Alert
    from .email import Email, Envelope

__all__ = ["Middleware"]

_logger = logging.getLogger(__name__)
# Seconds after which it is said that a plugin keeps an alert waiting.
_LONG = 1.0
_Result = TypeVar("_Result", bound=Model)


class Middleware:
    """The chain of plugins around every send, called one by one.

    Not through the hook, so that each sees what the one before it made and the failure of
    one does not end the chain.

    Args:
        new_manager: Makes the manager, where there is a plugin to register.
        pass_through: Exceptions that never count as a plugin's failure.
        traced: Whether each call is logged.
    """

    def __init__(
        self,
        new_manager: Callable[[], pluggy.PluginManager],
        *,
        pass_through: tuple[type[BaseException], ...] = (),
        traced: bool = False,
    ) -> None:
        self._new_manager = new_manager
        self._manager: pluggy.PluginManager | None = None
        self._pass_through = pass_through
        self._traced = traced

    @property
    def manager(self) -> pluggy.PluginManager:
        """Where they are registered."""
        self._manager = self._manager or self._new_manager()
        return self._manager

    def refuse_wrappers(self, name: str) -> None:
        """Unregister a plugin that wraps a hook: nothing would call the wrapper.

        Raises:
            BrokenTransport: It was one.
        """
        callers = self.manager.get_hookcallers(self.manager.get_plugin(name)) or ()
        for caller in callers:
            for found in caller.get_hookimpls():
                if found.plugin_name == name and (found.wrapper or found.hookwrapper):
                    self.manager.unregister(name=name)
                    raise BrokenTransport(
                        f"Its {caller.name} is a hook wrapper; zenmail calls middleware one "
                        "by one, so there is nothing to wrap.",
                        transport=name,
                        remedy="Remove wrapper=True.",
                    )

    def before_render(self, alert: Alert) -> Alert:
        """Let the middleware see, and replace, an alert."""
        return self._chain("before_render", "alert", alert, {})

    def before_send(self, email: Email, envelope: Envelope) -> Email:
        """Let the middleware see, and replace, a mail."""
        return self._chain("before_send", "email", email, {"envelope": envelope})

    def after_send(self, receipt: Receipt, email: Email) -> None:
        """Tell the middleware the outcome of a mail."""
        for implementation in self._implementations("after_send"):
            # To each its own: nobody changes what the others, and the sender, are told.
            told = receipt.model_copy(deep=True)
            self._guarded(implementation, {"receipt": told, "email": email})

    def _chain(
        self, hook: str, argument: str, value: _Result, context: dict[str, Any]
    ) -> _Result:
        for implementation in self._implementations(hook):
            from .alert import Alert  # imported already by those who have one
            from .email import Email

            kind = Alert if argument == "alert" else Email
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
            from .redaction.redact import described  # only where something fails

            name = implementation.plugin_name
            _logger.warning(
                "Plugin %r fails; the alert goes on without it. %s", name, described(error)
            )
            _logger.debug("Where %r fails:\n%s", name, described(error, frames=True))
            return None
        finally:
            if (took := time.monotonic() - started) > _LONG:
                _logger.warning(
                    "Plugin %r used %.1f s of the alert's deadline.",
                    implementation.plugin_name,
                    took,
                )

    def _implementations(self, hook: str) -> list[pluggy.HookImpl]:
        """Return a hook's implementations, the first registered first."""
        if self._manager is None:
            return []
        caller: pluggy.HookCaller = getattr(self._manager.hook, hook)
        found = caller.get_hookimpls()
        if not found:
            return found
        return [
            *reversed([item for item in found if item.tryfirst]),
            *(item for item in found if not (item.tryfirst or item.trylast)),
            *reversed([item for item in found if item.trylast]),
        ]
