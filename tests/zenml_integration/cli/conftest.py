from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from zenmail.cli.app import app


@pytest.fixture
def zenmail(zenml_store: object) -> Callable[..., Result]:
    """Run the command line inside this process, on the tests' own ZenML store."""

    def run(*arguments: str, stdin: str = "", **environment: str) -> Result:
        return CliRunner(env=environment).invoke(
            app, arguments, input=stdin, prog_name="zenmail"
        )

    return run
