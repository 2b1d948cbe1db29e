"""zenmail's own templates as Python: the same mails as Jinja2's, and never old ones."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
from jinja2 import Environment, PackageLoader

from zenmail import compose
from zenmail.composing import precompiled, render
from zenmail.composing.filters import jinja_settings, prepared
from zenmail.composing.samples import sample, sample_names

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def _fresh() -> Any:
    precompiled.renderer.cache_clear()
    yield
    precompiled.renderer.cache_clear()


def test_they_render_what_jinja_renders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every mail of the gallery has the same parts, to the letter, with blocks and without."""
    environment = prepared(
        Environment(loader=PackageLoader("zenmail.composing"), **jinja_settings())
    )

    def whole(name: str) -> Any:
        template = environment.get_template(name)
        return lambda variables: template.generate(variables.values)

    def parts() -> list[tuple[str, str | None]]:
        return [
            (mail.text, mail.html)
            for mail in (
                compose(sample(name), sender="a@example.com", to=["b@example.com"])
                for name in sample_names()
            )
        ]

    ours = parts()
    monkeypatch.setattr(render, "renderer", whole)
    assert ours == parts()


def test_templates_of_another_version_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was compiled of templates that have changed since is compiled anew."""
    old = ModuleType("old")
    vars(old).update(DIGEST="of others", alert_txt=lambda variables: iter(["old"]))
    monkeypatch.setitem(sys.modules, "zenmail.composing._templates", old)
    assert precompiled.renderer("alert.txt") is not vars(old)["alert_txt"]
    vars(old)["DIGEST"] = precompiled._digest()
    precompiled.renderer.cache_clear()
    assert precompiled.renderer("alert.txt") is vars(old)["alert_txt"]
