"""The way to a server: its addresses, and a connection to one of them."""

from __future__ import annotations

import ipaddress
import os
import selectors
import socket
from typing import Any

from zenmail import Deadline, DeadlineExceeded, TemporaryFailure
from zenmail.runtime.forks import defer_forks
from zenmail.runtime.timeouts import CallTimedOut, call_with_timeout

from .advice import connect_failure

__all__ = ["Address", "Selector", "connect", "resolve"]

Address = tuple[int, int, int, Any]

# RFC 8305, 5: the pause before the next address is tried beside the first.
_HEAD_START = 0.25
Selector: type[selectors.BaseSelector] = getattr(
    selectors, "PollSelector", selectors.SelectSelector
)


def resolve(host: str, port: int, deadline: Deadline) -> list[Address]:
    """Return the addresses of a host.

    Raises:
        TemporaryFailure: There is none, or no answer by the deadline.
    """

    def ask() -> list[Any]:
        # As bytes: a str is put through IDNA, whose codec is imported on first use.
        with defer_forks():
            addresses = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
        if not addresses:
            raise OSError("it has no address")
        return addresses

    try:
        known = host == "localhost" or _is_literal(host)
        found = ask() if known else call_with_timeout(ask, deadline.remaining())
    except CallTimedOut:
        raise DeadlineExceeded(
            f"The name server did not answer for {host!r} by the deadline.",
            remedy="Check the network and its name servers.",
        ) from None
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TemporaryFailure(
            f"The name {host!r} cannot be looked up: {reason}.",
            code="dns",
            remedy="Check `host` for a typing mistake, and the network's name servers.",
            change={"host": "HOST"},
        ) from error
    return [(family, kind, protocol, address) for family, kind, protocol, _, address in found]


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def connect(
    addresses: list[Address], host: str, port: int, deadline: Deadline
) -> socket.socket:
    """Return a connected socket to the first address that answers (RFC 8305, simplified).

    It, and those that failed, are taken out of the list.

    Raises:
        TemporaryFailure: None answers by the deadline.
    """
    failures: list[OSError] = []
    with Selector() as selector:
        try:
            while addresses or selector.get_map():
                if addresses:
                    connected = _begin(addresses.pop(0), selector, failures)
                    if connected is not None:
                        return connected
                if not selector.get_map():
                    continue
                left = deadline.remaining()
                if not left:
                    raise DeadlineExceeded(
                        f"{host}:{port} does not answer.",
                        remedy="Check `host`, `port` and firewalls. Many clouds block port 25: "
                        "use 587.",
                    )
                for key, _ in selector.select(min(left, _HEAD_START) if addresses else left):
                    sock = key.fileobj
                    assert isinstance(sock, socket.socket)
                    selector.unregister(sock)
                    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if not code:
                        return sock
                    sock.close()
                    failures.append(OSError(code, os.strerror(code)))
            raise connect_failure(failures[0], host, port)
        finally:
            for key in list(selector.get_map().values()):
                assert isinstance(key.fileobj, socket.socket)
                key.fileobj.close()
                addresses.append(key.data)


def _begin(
    address: Address, selector: selectors.BaseSelector, failures: list[OSError]
) -> socket.socket | None:
    family, kind, protocol, place = address
    try:
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        failures.append(error)
        return None
    try:
        sock.setblocking(False)
        sock.connect(place)
    except BlockingIOError:
        selector.register(sock, selectors.EVENT_WRITE, address)
        return None
    except BaseException as error:
        sock.close()
        if not isinstance(error, OSError):
            raise
        failures.append(error)
        return None
    return sock
