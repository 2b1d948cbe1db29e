from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

BEGIN = """
import os, signal, threading, time, warnings
from zenmail.runtime import forks
from zenmail.runtime.forks import defer_forks
warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads, 3.12
def fork(child=lambda: None):
    pid = os.fork()
    if not pid:
        child()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
def section(inside, leave, order=[]):
    with defer_forks():
        inside.set()
        leave.wait()
        order.append("section")
"""


def run(script: str) -> str:
    """Run a script in a process of its own, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_a_fork_waits_for_a_section() -> None:
    """A fork waits until another thread has left its section."""
    output = run(
        """
        order = []
        inside, leave = threading.Event(), threading.Event()
        thread = threading.Thread(target=section, args=(inside, leave, order))
        thread.start()
        inside.wait()
        forks._PATIENCE = 30
        threading.Timer(0.2, leave.set).start()
        fork(lambda: print(order, flush=True))
        """
    )
    assert output == "['section']\n"


def test_a_fork_waits_for_a_section_after_a_stop() -> None:
    """The time that passes while the process is stopped is no time for a section to end."""
    output = run(
        """
        order, naps = [], []
        inside, leave = threading.Event(), threading.Event()
        thread = threading.Thread(target=section, args=(inside, leave, order))
        thread.start()
        inside.wait()
        class Stopped:
            @staticmethod
            def monotonic():
                return len(naps) * 100.0
            @staticmethod
            def sleep(seconds):
                naps.append(seconds)
                if len(naps) == 10:
                    leave.set()
                    thread.join()
        forks.time = Stopped
        fork(lambda: print(order, flush=True))
        """
    )
    assert output == "['section']\n"


def test_a_section_logs_while_a_fork_waits() -> None:
    """A fork that waits for a section holds no lock of logging's, which that may need."""
    output = run(
        """
        import logging
        order, inside = [], threading.Event()
        def log():
            with defer_forks():
                inside.set()
                while not forks._forking:
                    time.sleep(0.001)
                logging.getLogger("new")
                order.append("section")
        thread = threading.Thread(target=log)
        thread.start()
        inside.wait()
        forks._PATIENCE = 3
        fork(lambda: print(order, flush=True))
        thread.join()
        """
    )
    assert output == "['section']\n"


def test_sections_run_side_by_side() -> None:
    """Sections keep no other section waiting, and a section within one does not either."""
    output = run(
        """
        barrier = threading.Barrier(4)
        def both():
            with defer_forks(), defer_forks():
                barrier.wait(30)
        threads = [threading.Thread(target=both) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(barrier.broken)
        """
    )
    assert output == "False\n"


def test_a_section_that_does_not_end() -> None:
    """A fork gives up on it in the end, and the next one does not wait for it again."""
    output = run(
        """
        forks._PATIENCE = 3
        inside, leave = threading.Event(), threading.Event()
        thread = threading.Thread(target=section, args=(inside, leave))
        thread.start()
        inside.wait()
        started = time.monotonic()
        fork()
        first = time.monotonic()
        fork()
        print(3 <= first - started < 30, time.monotonic() - first < 2.5)
        leave.set()
        thread.join()
        """
    )
    assert output == "True True\n"


def test_a_fork_within_a_section() -> None:
    """A thread's own section does not hold up its fork; parent and child go on in it."""
    output = run(
        """
        forks._PATIENCE = 30
        started = time.monotonic()
        with defer_forks():
            with defer_forks():
                fork(lambda: print("child", flush=True))
            fork()
        print(time.monotonic() - started < 15)
        """
    )
    assert output == "child\nTrue\n"


def test_the_child_is_in_no_section_of_its_parent() -> None:
    """What other threads of the parent were in does not hold up a fork of the child."""
    output = run(
        """
        inside, leave = threading.Event(), threading.Event()
        thread = threading.Thread(target=section, args=(inside, leave))
        thread.start()
        inside.wait()
        def child():
            with defer_forks(): pass
            forks._PATIENCE = 30
            started = time.monotonic()
            fork()
            print(time.monotonic() - started < 15, flush=True)
        fork(child)
        leave.set()
        thread.join()
        """
    )
    assert output == "True\n"


def test_an_exception_out_of_a_section() -> None:
    """Whatever ends a section, a signal handler among it, forks are free again."""
    output = run(
        """
        class Stop(Exception): pass
        def handler(*_): raise Stop
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        try:
            with defer_forks():
                time.sleep(30)
        except Stop:
            pass
        forks._PATIENCE = 30
        started = time.monotonic()
        thread = threading.Thread(target=fork)
        thread.start()
        thread.join()
        print(time.monotonic() - started < 15)
        """
    )
    assert output == "True\n"


def test_no_section_begins_during_a_fork() -> None:
    """Threads that go in and out all the time are never in when the process is forked."""
    output = run(
        """
        import sys
        sys.setswitchinterval(1e-5)
        stop, held = threading.Event(), threading.Lock()
        inside = set()
        def busy():
            while not stop.is_set():
                with defer_forks():
                    inside.add(threading.get_ident())
                    time.sleep(0)
                    inside.discard(threading.get_ident())
        threads = [threading.Thread(target=busy) for _ in range(4)]
        for thread in threads: thread.start()
        found = []
        for _ in range(100):
            pid = os.fork()
            if not pid:
                os._exit(len(inside))
            found.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        stop.set()
        for thread in threads: thread.join()
        print(sum(found))
        """
    )
    assert output == "0\n"
