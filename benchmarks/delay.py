"""A TCP proxy that makes a link long: every byte arrives some milliseconds later.

Bandwidth stays what loopback has; only time is added, the same in both directions. The
kernel answers a connect() at once, so the proxy adds the time of TCP's own handshake
before it opens the other side: the first byte of the server arrives two round trips after
connect(), as it does on a real link.
"""

from __future__ import annotations

import argparse
import heapq
import selectors
import socket
import sys
import time
from collections import deque
from collections.abc import Callable

_READ = 1 << 18
_MOST_UNDER_WAY = 1 << 26  # bytes, per direction


class Pipe:
    """One direction of a connection: what is under way."""

    def __init__(self, source: socket.socket, target: socket.socket) -> None:
        self.source, self.target = source, target
        self.under_way: deque[bytes] = deque()
        self.size = 0
        self.ended = False


class Proxy:
    """All connections through one long link.

    Args:
        target: Port on loopback at the far end.
        one_way: Seconds from one end to the other.
    """

    def __init__(self, target: int, one_way: float) -> None:
        self._target = target
        self._one_way = one_way
        self._selector = selectors.DefaultSelector()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._listener.setblocking(False)
        self.port = int(self._listener.getsockname()[1])

    def run(self) -> None:
        """Forward until standard input ends."""
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)
        while True:
            pause = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
            for key, _ in self._selector.select(pause):
                if key.fileobj is sys.stdin:
                    return
                if key.fileobj is self._listener:
                    near, _ = self._listener.accept()
                    near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._after(3 * self._one_way, lambda near=near: self._open(near))
                else:
                    self._receive(key.data)
            while self._due and self._due[0][0] <= time.monotonic():
                heapq.heappop(self._due)[2]()

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._due, (time.monotonic() + seconds, self._number, action))

    def _open(self, near: socket.socket) -> None:
        far = socket.create_connection(("127.0.0.1", self._target))
        far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for pipe in (Pipe(near, far), Pipe(far, near)):
            self._selector.register(pipe.source, selectors.EVENT_READ, pipe)

    def _receive(self, pipe: Pipe) -> None:
        try:
            block = pipe.source.recv(_READ)
        except OSError:
            block = b""
        pipe.under_way.append(block)
        pipe.size += len(block)
        if not block or pipe.size > _MOST_UNDER_WAY:
            self._selector.unregister(pipe.source)
            pipe.ended = not block
        self._after(self._one_way, lambda: self._deliver(pipe))

    def _deliver(self, pipe: Pipe) -> None:
        block = pipe.under_way.popleft()
        try:
            if block:
                pipe.target.sendall(block)
            else:
                pipe.target.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        stalled = pipe.size > _MOST_UNDER_WAY and not pipe.ended
        pipe.size -= len(block)
        if stalled and pipe.size <= _MOST_UNDER_WAY:
            self._selector.register(pipe.source, selectors.EVENT_READ, pipe)


def main() -> None:
    """Listen on loopback, tell the port, and forward."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target", type=int, help="port on loopback")
    parser.add_argument("--round-trip", type=float, default=0.05, metavar="SECONDS")
    given = parser.parse_args()
    proxy = Proxy(given.target, given.round_trip / 2)
    print(proxy.port, flush=True)
    proxy.run()


if __name__ == "__main__":
    main()
