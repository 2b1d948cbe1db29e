"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import Result

from zenmail import PluginHost

Run = Callable[..., Result]


@pytest.mark.parametrize(
    "name", ["host", "port", "security", "username", "password", "ca_file"]
)
def test_help_is_the_description_of_the_option(zenmail: Run, name: str) -> None:
    """The transport smtp describes its options; the command line repeats that."""
    field = PluginHost().transport("smtp").options_type.model_fields[name]
    assert field.description
    assert field.description in " ".join(zenmail("send", "--help").stdout.split())
