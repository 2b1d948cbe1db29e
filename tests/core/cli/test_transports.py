"""`zenmail transports`: what is installed and which options it takes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import pytest
from click.testing import Result

Run = Callable[..., Result]


def test_the_built_in_ones_are_listed(zenmail: Run) -> None:
    """Each built-in transport is listed with its distribution and options."""
    found = {item["name"]: item for item in json.loads(zenmail("transports", "--json").stdout)}
    assert {"smtp", "ses", "graph", "file", "console"} <= {*found}
    assert found["smtp"]["distribution"] == "zenmail"
    assert {"host", "port", "password"} <= {item["name"] for item in found["smtp"]["options"]}


def test_options_have_type_default_and_meaning(zenmail: Run) -> None:
    """One transport in full: a secret is marked, a required option is, a default is shown."""
    found = json.loads(zenmail("transports", "smtp", "--json").stdout)
    options = {item["name"]: item for item in found["options"]}
    assert options["host"]["required"] is True
    assert options["port"]["default"] == "587"
    assert options["password"]["secret"] is True
    assert options["security"]["type"] == "starttls | tls | none"
    assert all(item["meaning"] for item in options.values())


def test_one_that_lacks_its_extra_says_how_to_install_it(
    zenmail: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transport whose library is not installed names the pip command."""
    monkeypatch.setitem(sys.modules, "boto3", None)
    found = json.loads(zenmail("transports", "ses", "--json").stdout)
    assert found["installed"] is False
    assert 'pip install "zenmail[ses]"' in found["remedy"]
    assert 'pip install "zenmail[ses]"' in zenmail("transports").stdout


def test_text_names_everything(zenmail: Run) -> None:
    """The text form shows each option on a line of its own."""
    output = zenmail("transports", "console").stdout
    assert "html_folder  path; default: none" in output
