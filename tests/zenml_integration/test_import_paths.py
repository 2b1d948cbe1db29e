"""The page's module names: importable, ZenML's own when it has them, and in nobody's way."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from zenmail_zenml import import_paths, install_import_paths

pytestmark = pytest.mark.zenml

NAMES = [
    ("zenml.integrations.smtp_email.alerters.smtp_email_alerter", "SMTPEmailAlerter"),
    ("zenml.integrations.smtp_email.alerters.smtp_email_alerter", "SMTPEmailAlerterParameters"),
    ("zenml.integrations.smtp_email.alerters.smtp_email_alerter", "SMTPEmailAlerterPayload"),
    ("zenml.integrations.smtp_email.alerters", "SMTPEmailAlerter"),
    ("zenml.integrations.smtp_email.flavors", "SMTPEmailAlerterFlavor"),
    ("zenml.integrations.smtp_email.hooks", "smtp_email_alerter_failure_hook"),
    ("zenml.integrations.smtp_email.hooks", "smtp_email_alerter_success_hook"),
    ("zenml.alerter.steps.alerter_post_step", "alerter_post_step"),
    ("zenml.alerter.steps", "alerter_post_step"),
    ("zenml.models.v2.misc.alerter_models", "AlerterMessage"),
]


def run(code: str, *, folder: Path | None = None) -> str:
    """Return what a fresh interpreter prints."""
    path = [str(folder)] if folder is not None else []
    prefix = f"import sys; sys.path[:0] = {path!r}\n"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", prefix + code],
        check=True,
        capture_output=True,
        text=True,
        timeout=250,
    )
    return done.stdout


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_the_names_are_ours(module: str, name: str) -> None:
    """Each of the page's names is the very object of our own package."""
    ours = getattr(importlib.import_module("zenmail_zenml"), name)
    assert getattr(importlib.import_module(module), name) is ours


def test_only_one_finder_however_often() -> None:
    """Installing again changes nothing; our finder is asked after all others."""
    install_import_paths()
    install_import_paths()
    finders = [
        finder for finder in sys.meta_path if type(finder).__module__ == import_paths.__name__
    ]
    assert len(finders) == 1


def test_other_names_stay_unknown() -> None:
    """What neither has is still no module."""
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("zenml.integrations.smtp_email.carrier_pigeon")


def test_a_zenml_that_ships_the_modules_wins() -> None:
    """A module that ZenML has itself is found first."""
    assert (
        run(
            "import zenml, pathlib\n"
            "folder = pathlib.Path(sys.path[0])\n"
            "import zenml.models.v2.misc as misc\n"
            "import tempfile\n"
            "with tempfile.TemporaryDirectory() as own:\n"
            "    pathlib.Path(own, 'alerter_models.py').write_text('AlerterMessage = 7')\n"
            "    misc.__path__.append(own)\n"
            "    from zenml.models.v2.misc.alerter_models import AlerterMessage\n"
            "print(AlerterMessage)"
        ).strip()
        == "7"
    )


@pytest.mark.parametrize("broken", ["raise RuntimeError('broken')", "def install(:", "x = 1"])
def test_zenml_is_importable_with_a_broken_hook(tmp_path: Path, broken: str) -> None:
    """Whatever is wrong in our import paths, ``import zenml`` goes on without them."""
    home = Path(import_paths.__file__).parent
    copy = tmp_path / "zenmail_zenml"
    copy.mkdir()
    (copy / "__init__.py").write_bytes((home / "__init__.py").read_bytes())
    (copy / "import_paths.py").write_text(broken)
    printed = run(
        "import zenmail_zenml, zenml\nprint(zenmail_zenml.__file__, zenml.__version__)",
        folder=tmp_path,
    )
    assert str(copy) in printed


def test_installing_costs_next_to_nothing() -> None:
    """It imports neither ZenML nor pydantic and takes a fraction of ZenML's own import."""
    printed = run(
        "import time\n"
        "before = set(sys.modules)\n"
        "begun = time.process_time()\n"
        "import zenmail_zenml\n"
        "zenmail_zenml.install_import_paths()\n"
        "ours = time.process_time() - begun\n"
        "new = set(sys.modules) - before\n"
        "heavy = {'zenml', 'pydantic', 'zenmail'}\n"
        "assert not {name.partition('.')[0] for name in new} & heavy\n"
        "begun = time.process_time()\n"
        "import zenml\n"
        "print(ours / (time.process_time() - begun))"
    )
    assert float(printed) < 0.1
