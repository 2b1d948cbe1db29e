"""What a child finds that is forked while another thread sends for the first time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from zenmail.testing.smtp_server import SMTPServer

BEGIN = """
import sys, threading
from pydantic import BaseModel
loads, builds = [], []
build = BaseModel.model_rebuild.__func__
@classmethod
def rebuild(model, **options):
    builds.append((model.__name__, threading.get_ident() in forks._inside))
    return build(model, **options)
BaseModel.model_rebuild = rebuild
from zenmail import Alert, Email, Image, Mailer, Redirect
from zenmail.runtime import forks
host, port, ca, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
options = {"host": host, "port": port, "ca_file": ca, "username": "u", "password": "p"}
down = {**options, "port": 1}
def mail(**more):
    return Email(**{"sender": "a@example.com", "to": "b@example.com", "text": "t", **more})
alert = Alert(title="\\u00fc", body="**x**", facts={"a": 1}, thread="run", severity="error",
              traceback="Traceback (most recent call last):\\nValueError: x")
def send_alert(box, **more):
    return box.send_alert(alert, sender="a@example.com", to="b@example.com", **more)
def note(event, arguments):
    if event == "import":
        loads.append((arguments[0], threading.get_ident() in forks._inside))
sys.addaudithook(note)
"""
MAILS = {
    "with a login": "Mailer(options=options)\nbox.send(mail())",
    "with a fallback": "Mailer(options=down, fallbacks=[('file', {'folder': folder})])\n"
    "box.send(mail())",
    "with a ledger": "Mailer(options=options, ledger=folder)\nbox.send(mail())",
    "into the ledger": "Mailer(options=down, ledger=folder, deadline=0.5)\nbox.send(mail())",
    "in vain": "Mailer(options=down, deadline=0.5)\nbox.send(mail())",
    "in the background": "Mailer(options=options, delivery='background')\nbox.send(mail())",
    "redirected": "Mailer(options=options, redirect=Redirect('c@example.com'))\n"
    "box.send(mail())",
    "with a file": "Mailer(options=options)\n"
    "box.send(mail(text='', html='<p>\\u00fc</p>', attachments=[ca, ('x.png', b'x')]))",
}
ALERTS = {
    "with a login": "Mailer(options=options)\nsend_alert(box)",
    "in a storm": "Mailer(options=options, alerts_per_run=1)\nsend_alert(box)\n"
    "send_alert(box)\nbox.finish_thread('run')",
    "with templates": "Mailer(options=options)\nsend_alert(box, templates=folder)",
    "with an unusual address": "Mailer(options=options)\n"
    "box.send(mail(to='j\\u00fcrgen@m\\u00fcller.example'))",
}


def run(script: str, folder: Path) -> str:
    """Run a script against a server with STARTTLS and a login; return what it prints."""
    with SMTPServer(users={"u": "p"}) as server:
        values: list[Any] = [server.options()["host"], server.port, server.ca_file, folder]
        done = subprocess.run(
            [sys.executable, "-c", BEGIN + script, *map(str, values)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("script", MAILS.values(), ids=MAILS)
def test_a_first_mail_imports_nothing(script: str, tmp_path: Path) -> None:
    """What a mail needs is imported when its Mailer is made; for a failure, the redaction."""
    create, send = script.split("\n")
    output = run(
        f"box = {create}\nloads.clear()\n{send}\nbox.close()\n"
        "print([it for it in loads if not (it[1] and it[0].startswith('zenmail.redaction'))])\n"
        "print('jinja2' in sys.modules)",
        tmp_path,
    )
    assert output == "[]\nFalse\n"


@pytest.mark.parametrize("script", [*MAILS.values(), *ALERTS.values()], ids=[*MAILS, *ALERTS])
def test_forks_wait_for_what_comes_first(script: str, tmp_path: Path) -> None:
    """From the making of a Mailer on, imports and the building of models are sections."""
    (tmp_path / "alert.html").write_text("{% extends 'alert.html' %}", "utf-8")
    output = run(
        f"box = {script}\nbox.close()\n"
        "print(len(loads) > 0, [name for name, safe in loads if not safe])\n"
        "print(len(builds) > 0, [name for name, safe in builds if not safe])",
        tmp_path,
    )
    assert output == "True []\nTrue []\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_plugin_that_is_loaded_during_a_fork(tmp_path: Path) -> None:
    """A child loads plugins, whatever plugin another thread was loading for long."""
    (tmp_path / "slow.py").write_text("import builtins\nbuiltins.loading.set()\n"
                                      "builtins.leave.wait()\n")  # fmt: skip
    about = tmp_path / "slow-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: slow\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[zenmail.transports]\nslow = slow\n")
    output = run(
        """
import builtins, os, warnings
from zenmail import PluginHost, ZenmailError
warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads, 3.12
sys.path.insert(0, folder)
builtins.loading, builtins.leave = threading.Event(), threading.Event()
host = PluginHost()
def load():
    try: host.transport("slow")
    except ZenmailError: pass  # it sends no mail
thread = threading.Thread(target=load)
thread.start()
builtins.loading.wait()
child = os.fork()
if not child:
    print(host.transport("file").name, flush=True)
    os._exit(0)
os.waitpid(child, 0)
builtins.leave.set()
thread.join()
""",
        tmp_path,
    )
    assert output == "file\n"
