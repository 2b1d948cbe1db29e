"""Which process is that, and does it still run? For claims that outlive their owner."""

from __future__ import annotations

import contextlib
import os
import socket
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

__all__ = ["alive", "this_process"]


def this_process() -> str:
    """Return a token for the running process: machine, process id, start time.

    It holds letters, digits, hyphens and dots only, so that it can stand in a file name.
    """
    return _token(os.getpid())


@lru_cache(maxsize=1)
def _token(pid: int) -> str:
    return f"{_machine()}.{pid}.{_started(pid)}"


def alive(token: str) -> bool | None:
    """Return whether the process of a token runs, or None when only its machine can tell.

    Args:
        token: What `this_process` returned, there.
    """
    machine, _, rest = token.partition(".")
    number, _, started = rest.partition(".")
    if machine != _machine() or not number.isdecimal():
        return None
    pid = int(number)
    # A process id is given out again; the start time tells the two apart.
    return _exists(pid) and _started(pid) == started


def _exists(pid: int) -> bool:
    if os.name == "nt":  # os.kill ends the process there
        return _exists_on_windows(pid)
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _exists_on_windows(pid: int) -> bool:
    import ctypes

    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - absent from other systems' stubs
    handle = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
    if handle:
        kernel.CloseHandle(handle)
    return bool(handle)


def _started(pid: int) -> str:
    """Return the start time in clock ticks since boot, or "0" where there is no /proc."""
    try:
        # proc(5): the second field is the name in brackets, and may hold anything; the
        # start time is the 22nd, the state "Z" one that has ended and waits for its parent.
        fields = (
            Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        )
    except OSError:
        return "0"
    return "ended" if fields[0] in "ZX" else fields[19]


@lru_cache(maxsize=1)
def _machine() -> str:
    """Return a name for the machine since its boot, or for the container."""
    known = [socket.gethostname()]
    with contextlib.suppress(OSError):
        known.append(Path("/proc/sys/kernel/random/boot_id").read_text("utf-8"))
        # Two containers on one machine count their processes apart.
        known.append(os.readlink("/proc/self/ns/pid"))
    return blake2b("|".join(known).encode("utf-8", "replace"), digest_size=6).hexdigest()
