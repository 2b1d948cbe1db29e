"""Storms: of a run with many alerts the first are sent alone, the rest as one digest.

What is held back is counted in a file, by error, so that all processes of a machine share
one limit and none has to remember anything:

- the first ``limit`` alerts of a run are sent; problems and other news are counted apart,
  so that no success uses up the place of a failure;
- the rest are counted, with some examples of each error;
- the digest is due when the run ends, when the last process that takes part ends, or when
  the run has been quiet for a while. After each digest the next waits twice as long.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, Field

from ..addressing import Addressing
from ..alert import Alert, Severity
from ..clean import clean_line
from ..runtime.forks import reset_after_fork
from .process import alive, this_process

try:
    import fcntl
except ImportError:  # Windows: the processes count for themselves there
    fcntl = None  # type: ignore[assignment]

__all__ = ["Digest", "StormGuard", "fingerprint"]

_logger = logging.getLogger(__name__)
# Seconds without an alert after which a digest is due; doubled after each.
_QUIET = 300.0
# How long the last process of a run waits for another one to take part, in seconds.
_LINGER = 2.0
_POLL = 0.1
_LOCK_PATIENCE = 3.0
_MOST_ERRORS = 15
_EXAMPLES = 3
_FORGET_AFTER = 7 * 86400.0

_PROBLEMS = frozenset({"error", "critical"})
_RANK: dict[Severity, int] = {"info": 0, "success": 0, "warning": 1, "error": 2, "critical": 3}
_VARIABLE = re.compile(
    r"0x[0-9a-f]+|\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b|\b(?=[a-f]*[0-9])[0-9a-f]{8,}\b"
    r"|[0-9]+(?:[.:][0-9]+)*"
)
_FRAME = re.compile(r'File "([^"\n]*)", line [0-9]+, in ([^\n]*)')


class _Group(BaseModel):
    """Alerts with the same error."""

    what: str
    severity: Severity
    count: int = 0
    examples: list[str] = Field(default_factory=list)


class _Held(BaseModel):
    """What is held back."""

    groups: dict[str, _Group] = Field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None
    url: str = ""
    url_label: str = ""
    list_id: str = ""

    @property
    def total(self) -> int:
        return sum(group.count for group in self.groups.values())

    def add(self, key: str, group: _Group) -> None:
        if key not in self.groups and len(self.groups) >= _MOST_ERRORS:
            key, group = "", group.model_copy(update={"what": "other errors"})
        known = self.groups.setdefault(
            key, group.model_copy(update={"count": 0, "examples": []})
        )
        known.count += group.count
        known.examples += group.examples[: _EXAMPLES - len(known.examples)]
        if _RANK[group.severity] > _RANK[known.severity]:
            known.severity = group.severity

    def merge(self, other: _Held) -> None:
        for key, group in other.groups.items():
            self.add(key, group)
        moments = [moment for moment in (self.first, other.first) if moment]
        self.first = min(moments, default=None)
        self.last = max((moment for moment in (self.last, other.last) if moment), default=None)
        for name in ("url", "url_label", "list_id"):
            setattr(self, name, getattr(self, name) or getattr(other, name))


class _State(BaseModel):
    """What is known of one run and its recipients. Moments are of the monotonic clock."""

    format: str = "zenmail-storm-1"
    thread: str
    addressing: Addressing
    limit: int = 0
    sent: dict[str, int] = Field(default_factory=dict)
    held: _Held = Field(default_factory=_Held)
    taken: _Held | None = None
    taker: str = ""
    digests: int = 0
    last_alert: float = 0.0
    participants: list[str] = Field(default_factory=list)

    def others(self) -> list[str]:
        return [one for one in self.participants if one != this_process() and alive(one)]

    def quiet_for(self) -> float:
        quiet = time.monotonic() - self.last_alert
        # Written before the machine was started anew: long ago.
        return quiet if quiet >= 0 else float("inf")

    def due(self) -> bool:
        return bool(self.held.total) and self.quiet_for() >= _QUIET * 2.0**self.digests


class Digest:
    """Alerts that were held back, as one.

    Attributes:
        key: Of the run and its recipients.
        thread: The run.
        addressing: Who gets it.
        total: How many alerts it stands for.
    """

    def __init__(self, key: str, state: _State, held: _Held) -> None:
        self.key = key
        self.thread = state.thread
        self.addressing = state.addressing
        self.total = held.total
        self._held = held
        self._limit = state.limit

    def alert(self) -> Alert:
        """Return the digest as an alert, the most frequent error first."""
        groups = sorted(self._held.groups.values(), key=lambda group: -group.count)
        severity = max(groups, key=lambda group: _RANK[group.severity]).severity
        problem = _RANK[severity] >= _RANK["error"]
        noun = "failure" if problem else "alert"
        kind = "error" if problem else "kind"
        title = (
            f"{self.total:,} more {noun}{'s' if self.total != 1 else ''}, "
            f"{len(groups)} different {kind}{'s' if len(groups) != 1 else ''}"
        )
        facts: dict[str, Any] = {"Held back": self.total, "Sent alone before": self._limit}
        if self._held.first and self._held.last:
            facts["From"] = self._held.first
            facts["To"] = self._held.last
        rows = [
            {
                "Count": group.count,
                "Error" if problem else "Alert": group.what,
                "Examples": "; ".join(group.examples),
            }
            for group in groups
        ]
        return Alert(
            title=title,
            body=f"The first {self._limit} alerts of this run were sent alone. "
            "This mail stands for all the others.",
            severity="error" if problem else severity,
            facts=facts,
            tables={"What they say": rows},
            url=self._held.url,
            url_label=self._held.url_label or "Open in the dashboard",
            thread=self.thread,
            list_id=self._held.list_id,
        )


def fingerprint(alert: Alert, hide: Callable[[str], str] = str) -> tuple[str, str]:
    """Return what alerts of the same error have in common, and how to call it.

    Numbers, addresses and ids are left out of account; the place where the exception was
    raised is not.

    Args:
        alert: What happened.
        hide: Takes secrets out.
    """
    what = _line(alert.error or alert.title or alert.body, hide, limit=200)
    frames = _FRAME.findall(alert.traceback[-20_000:])
    place = " ".join(frames[-1]) if frames else ""
    same = _VARIABLE.sub("#", f"{what} {place}".lower())
    return blake2b(same.encode("utf-8", "replace"), digest_size=8).hexdigest(), what


class Hide(Protocol):
    """Takes secrets out of a text."""

    def __call__(self, text: str, *, shapes: bool) -> str:
        """Return the text without secrets; without what seems one, too, with ``shapes``."""
        ...


def _line(text: str, hide: Callable[[str], str], *, limit: int) -> str:
    # In this order: a secret that is cut is not known for one any more.
    return clean_line(hide(text[: 10 * limit]), limit=limit)


def _describe(alert: Alert, hide: Callable[[str], str]) -> _Held:
    key, what = fingerprint(alert, hide)
    step = next(
        (str(text) for label, text in alert.facts.items() if "step" in label.lower()), ""
    )
    example = _line(step or alert.title, hide, limit=80)
    group = _Group(
        what=what,
        severity=alert.severity,
        count=1,
        examples=[example] if example else [],
    )
    return _Held(
        groups={key: group},
        first=alert.occurred_at,
        last=alert.occurred_at,
        url=hide(alert.url),
        list_id=alert.list_id,
    )


class StormGuard:
    """Decides which alerts are sent alone, and hands out the digests of the others.

    Args:
        limit: How many alerts of a run are sent alone.
        outbox: The folder of a local outbox, or None for one of the user's own.
        hide: Takes secrets out of what is written down; told whether to look for what is
            secret by its name or shape, too.
    """

    def __init__(
        self,
        limit: int,
        outbox: str | None,
        hide: Hide = lambda text, *, shapes: text,
    ) -> None:
        self._limit = limit
        self._hide = hide
        # Whoever looks into an outbox finds what is left there; a temporary folder may go.
        self._lasting = outbox is not None
        self._folder = Path(outbox) / "storms" if outbox is not None else _temporary_folder()
        self._memory: dict[str, _State] = {}
        self._next_look = 0.0
        reset_after_fork(self)

    def reset(self) -> None:
        """Start afresh: in the child of a fork, the parent's alerts are the parent's."""
        # A signal handler may send an alert, too.
        self._mutex = threading.RLock()
        self._memory.clear()
        self._joined: set[str] = set()
        self._holding: set[str] = set()
        self._watcher: threading.Thread | None = None
        self._stop = threading.Event()
        self._inside = False

    def admit(self, alert: Alert, addressing: Addressing) -> bool:
        """Return whether an alert is sent alone; it is held back otherwise."""
        # A run's summary comes once, and is what the reader waits for.
        if not alert.thread or alert.steps:
            return True
        key = _key(alert.thread, addressing)
        kind = "problems" if alert.severity in _PROBLEMS else "others"
        with self._state(key, alert.thread, addressing) as state:
            self._joined.add(key)
            state.limit = self._limit
            state.last_alert = time.monotonic()
            if this_process() not in state.participants:
                state.participants = [*filter(alive, state.participants), this_process()]
            sent = state.sent.get(kind, 0)
            if sent < self._limit:
                state.sent[kind] = sent + 1
                return True
            self._holding.add(key)
            hide = partial(self._hide, shapes=addressing.redact)
            state.held.merge(_describe(alert, hide))
            state.held.url_label = _line(alert.url_label, hide, limit=100)
        return False

    def finish(self, thread: str) -> list[Digest]:
        """Take all that is held back of a run, for whichever recipients."""
        return self._take(lambda state: state.thread == thread)

    def take_orphaned(self) -> list[Digest]:
        """Take what is held back of runs in which no process takes part any more."""
        return self._take(lambda state: state.due() or not any(map(alive, state.participants)))

    def take_quiet(self) -> list[Digest]:
        """Take what is held back of runs that have been quiet for a while."""
        now = time.monotonic()
        if now < self._next_look:
            return []
        self._next_look = now + 1.0
        return self._take(_State.due)

    def take_at_exit(self, patience: float) -> list[Digest]:
        """Take what is held back of runs in which no other process takes part any more.

        Another one may be about to start: for a moment, somebody is waited for.

        Args:
            patience: Seconds to wait at the most.
        """
        joined, self._joined, self._holding = self._joined, set(), set()
        left = []
        for key in joined:
            with self._state(key) as state:
                state.participants = state.others()
                if state.held.total and not state.participants:
                    left.append(key)
        give_up = time.monotonic() + min(patience, 5 * _LINGER)
        taken: list[Digest] = []
        for key in left:
            while True:
                found = self._peek(key)
                if found is None or found.others():
                    break
                if found.quiet_for() >= _LINGER or time.monotonic() >= give_up:
                    # One that has had its digest can wait where somebody will look.
                    if not (self._lasting and found.digests) or found.due():
                        taken += self._take(lambda _: True, [key])
                    break
                time.sleep(_POLL)
        return taken

    def watch(self, send: Callable[[Sequence[Digest]], object], patience: float) -> None:
        """Have the digests sent that become due while, and when, this process ends.

        Args:
            send: Sends them; it never raises.
            patience: Seconds to wait at the most for another process to take part.
        """
        with self._mutex:
            if self._watcher is not None:
                return
            watcher = threading.Thread(
                target=self._watch, args=(send, patience), name="zenmail-digest"
            )
            try:
                watcher.start()
            except RuntimeError:
                # CPython 3.12.0 and 3.12.1 start no thread once the main one has ended
                # (https://github.com/python/cpython/issues/113964).
                atexit.unregister(self._leave)
                atexit.register(self._leave, send, patience)
            else:
                self._watcher = watcher

    def _leave(self, send: Callable[[Sequence[Digest]], object], patience: float) -> None:
        send(self.take_at_exit(patience))

    def _watch(self, send: Callable[[Sequence[Digest]], object], patience: float) -> None:
        main = threading.main_thread()
        while not self._stop.wait(_POLL):
            if not main.is_alive():
                self._leave(send, patience)
                return
            send(self.take_quiet())
            with self._mutex:
                if not self._holding:
                    self._watcher = None
                    return

    def close(self) -> None:
        """Stop watching; `take_at_exit` has the last word."""
        with self._mutex:
            watcher, self._watcher = self._watcher, None
        if watcher is not None and watcher is not threading.current_thread():
            self._stop.set()
            watcher.join()
            self._stop.clear()

    def settle(self, digest: Digest, *, sent: bool) -> None:
        """Forget what a digest stood for, or hold it back again if it could not be sent."""
        with self._state(digest.key) as state:
            if not sent and state.taken is not None:
                state.held.merge(state.taken)
                state.digests -= 1
                self._holding.add(digest.key)
            state.taken, state.taker = None, ""

    def _take(
        self, wanted: Callable[[_State], bool], keys: Sequence[str] | None = None
    ) -> list[Digest]:
        taken = []
        for key in self._keys() if keys is None else keys:
            found = self._peek(key)
            if found is None or not wanted(found):
                continue
            with self._state(key) as state:
                if state.taken is not None and alive(state.taker) is False:
                    # It may have been sent. To count twice is better than not at all.
                    state.held.merge(state.taken)
                    state.taken = None
                if state.taken is None and state.held.total and wanted(state):
                    state.taken, state.held = state.held, _Held()
                    state.taker = this_process()
                    state.digests += 1
                    self._holding.discard(key)
                    taken.append(Digest(key, state, state.taken))
        return taken

    def _keys(self) -> list[str]:
        keys = list(self._memory)
        if self._folder is not None:
            with contextlib.suppress(OSError):
                keys += [path.stem for path in self._folder.glob("*.json")]
        return keys

    def _peek(self, key: str) -> _State | None:
        if key in self._memory:
            return self._memory[key]
        path = self._path(key)
        state = _read(path) if path else None
        if state is not None and path is not None and not (state.held.total or state.taken):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _FORGET_AFTER:
                    path.unlink()
        return state

    def _path(self, key: str) -> Path | None:
        return self._folder / f"{key}.json" if self._folder is not None else None

    @contextlib.contextmanager
    def _state(
        self, key: str, thread: str = "", addressing: Addressing | None = None
    ) -> Iterator[_State]:
        """Hold a run's state, alone among all threads and processes, and write it down."""
        fresh = _State(thread=thread, addressing=addressing or Addressing(sender=""))
        with self._mutex:
            if self._inside and key not in self._memory:
                # A signal handler sends while its own thread counts: it counts apart.
                yield self._memory.setdefault(f"{key}~", fresh)
                return
            path = self._path(key)
            # What is in memory once, because the folder was unusable, stays there.
            if path is not None and key not in self._memory:
                self._inside = True
                try:
                    with _locked(path.parent) as locked:
                        if locked:
                            known = _read(path)
                            state = fresh if known is None else known
                            yield state
                            try:
                                _write(path, state)
                            except OSError as error:
                                _logger.warning("Alerts are counted in memory: %s", error)
                                self._memory[key] = state
                            return
                finally:
                    self._inside = False
            yield self._memory.setdefault(key, fresh)


def _key(thread: str, addressing: Addressing) -> str:
    whom = json.dumps([thread, addressing.sender, addressing.to, addressing.cc, addressing.bcc])
    return blake2b(whom.encode("utf-8", "replace"), digest_size=12).hexdigest()


def _temporary_folder() -> Path | None:
    """Return a folder of this user's that no other user can have made."""
    try:
        user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
        folder = Path(tempfile.gettempdir()) / f"zenmail-{user}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if hasattr(os, "getuid") and (found.st_uid != os.getuid() or found.st_mode & 0o077):
            return None
    except OSError:
        return None
    return None if folder.is_symlink() else folder / "storms"


def _read(path: Path) -> _State | None:
    try:
        return _State.model_validate(json.loads(path.read_bytes()))
    except OSError:
        return None
    except (ValueError, RecursionError):
        _logger.warning("%s is no count of zenmail's, and is written anew.", path)
        return None


def _write(path: Path, state: _State) -> None:
    temporary = path.with_suffix(".tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
    number = os.open(temporary, flags | getattr(os, "O_CLOEXEC", 0), 0o600)
    with open(number, "w", encoding="utf-8") as stream:
        # Not pydantic's JSON, which knows no lone surrogates.
        json.dump(state.model_dump(), stream, default=datetime.isoformat)
    os.replace(temporary, path)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Hold the folder's lock among all processes; yield whether it was to be had."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        number = os.open(folder / "lock", flags | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except OSError:
        yield False
        return
    try:
        yield _lock(number)
    finally:
        # Closing alone would not do: a child forked meanwhile holds the descriptor, too.
        if fcntl is not None:
            with contextlib.suppress(OSError):
                fcntl.flock(number, fcntl.LOCK_UN)
        os.close(number)


def _lock(number: int) -> bool:
    if fcntl is None:
        return True
    give_up = time.monotonic() + _LOCK_PATIENCE
    pause = 0.0005
    while True:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= give_up:
                return False
            time.sleep(pause)
            pause = min(2 * pause, 0.01)
        except OSError:
            return False
        else:
            return True
