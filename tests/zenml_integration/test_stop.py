"""A run that is told to stop while a mail is under way stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zenmail.testing.smtp_server import Hang, SMTPServer

pytestmark = [
    pytest.mark.once,
    pytest.mark.zenml,
    pytest.mark.skipif(os.name == "nt", reason="there is no SIGTERM to handle"),
]

SCRIPT = """
from zenml import pipeline, step
from zenml.client import Client
from zenmail_zenml import smtp_email_alerter_success_hook

@step
def post() -> bool:
    return Client().active_stack.alerter.post("Under way")

@step(on_success=smtp_email_alerter_success_hook)
def hooked() -> None:
    pass

@step
def after() -> None:
    pass

@pipeline(enable_cache=False)
def stopped_pipeline():
    {step}()
    after(after=["{step}"])

if __name__ == "__main__":
    stopped_pipeline.with_options(run_name="{name}")()
"""


@pytest.mark.parametrize(("step", "watched"), [("post", True), ("hooked", False)])
def test_sigterm_during_a_send_ends_the_run(
    step: str,
    watched: bool,
    register: Callable[..., Any],
    server: SMTPServer,
    zenml_store: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The step is not completed, the next one never starts, and the deadline is not used up."""
    from zenml.client import Client

    server.on("banner", Hang())
    # The end of the process would wait for a mail about the failed run, too.
    register(smtp_server="127.0.0.1", smtp_port=server.port, deadline=120.0, run_alerts=[])
    name = f"stopped-{step}-{watched}"
    script = zenml_store / f"{name.replace('-', '_')}.py"
    source = SCRIPT.format(step=step, name=name)
    if watched:
        # A transport that knows no deadline is called in a thread and waited for.
        source = (
            "from zenmail_transports.smtp import SMTPOptions\n"
            "SMTPOptions.keeps_deadline = False\n" + source
        )
    script.write_text(source)
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(script)],
        cwd=zenml_store,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        limit = time.monotonic() + 100
        while not server.connections and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.05)
        assert server.connections, process.communicate()[0]
        # Python does not notice a signal that comes just before it waits for the answer.
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=100)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode != 0, output
    run = Client().get_pipeline_run(name)
    assert str(run.status) in ("failed", "stopped"), output
    assert str(run.steps[step].status) in ("failed", "stopped"), output
    assert "after" not in run.steps, output
