"""The documentation is true: its code runs, its commands exist, and nothing is missing."""

from __future__ import annotations

import ast
import configparser
import importlib.util
import itertools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest

from zenmail.cli.app import app
from zenmail.hookspecs import MiddlewareSpec, TokenSourceSpec, TransportSpec

ROOT = Path(__file__).resolve().parent.parent
SITE = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    ROOT / "examples/README.md",
    *SITE,
]
SOURCES = ("core", "transports", "zenml_integration")
_FENCE = re.compile(r"^( *)```(\w+)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="the documentation is not here"),
]


class Block(NamedTuple):
    """A code block of a page."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def _blocks(*languages: str) -> list[Block]:
    blocks = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in _FENCE.finditer(text):
            if found[2] in languages:
                body = "".join(
                    line.removeprefix(found[1]) for line in found[3].splitlines(keepends=True)
                )
                if included := re.fullmatch(r'--8<-- "(.+)"\n', body):
                    body = (ROOT / "examples" / included[1]).read_text(encoding="utf-8")
                line = text.count("\n", 0, found.start()) + 1
                blocks.append(Block(page, line, found[2], body))
    return blocks


def _ids(block: object) -> str:
    return str(block)


@pytest.mark.parametrize("block", _blocks("python", "py"), ids=_ids)
def test_python_block_compiles_and_its_imports_resolve(block: Block) -> None:
    """A Python block is valid, and every name it takes from zenmail exists."""
    tree = ast.parse(block.text, filename=str(block))
    if "# check: compile only" in block.text:
        return
    imports = [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        and re.match(r"(?:from|import) (?:zenmail|pytest|pydantic)", ast.unparse(node))
    ]
    exec(compile("\n".join(imports), str(block), "exec"), {})


@pytest.mark.parametrize(
    "block",
    [
        block
        for block in _blocks("python")
        if "zenml" not in block.text and 'with Mailer("console' in block.text
    ],
    ids=_ids,
)
def test_python_block_that_needs_no_server_runs(block: Block, tmp_path: Path) -> None:
    """A Python block that sends to the console runs as it is printed."""
    done = subprocess.run(
        [sys.executable, "-c", block.text],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _commands(block: Block) -> Iterator[list[str]]:
    """Yield the commands of a shell block, without prompts, comments and pipes."""
    for line in block.text.replace("\\\n", " ").splitlines():
        line = line.strip().removeprefix("$ ")
        if line and not line.startswith("#"):
            for part in re.split(r"\s(?:&&|\|)\s", line):
                yield shlex.split(part, comments=True)


def _check_zenmail(arguments: list[str]) -> None:
    """Parse a command line of zenmail's as click does, without running it."""
    command: click.Command = app
    context = app.make_context("zenmail", ["--help"], resilient_parsing=True)
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        found = command.get_command(context, arguments[0])
        assert found is not None, f"there is no command {arguments[0]!r}"
        command, arguments = found, arguments[1:]
        context = command.make_context(command.name, [], parent=context, resilient_parsing=True)
    known = {
        name
        for item in command.get_params(context)
        for name in (*item.opts, *item.secondary_opts)
    }
    for argument in arguments:
        if argument.startswith("-"):
            assert argument.partition("=")[0] in known, f"{command.name} has no {argument}"
    if not any(argument in ("--help", "-h", "--version") for argument in arguments):
        command.make_context(command.name, [*_portable(arguments)], parent=context.parent)


def _portable(arguments: list[str]) -> Iterator[str]:
    """Leave out what depends on the reader's machine: files, and a password to be typed."""
    for argument in arguments:
        if not re.match(r"--(?:attach|alert|templates)=", argument):
            # Without a value it would be asked for.
            yield "--password=p" if argument == "--password" else argument


def _check_zenml(arguments: list[str]) -> None:
    from zenmail_zenml.config import SMTPEmailAlerterConfig

    known = {*SMTPEmailAlerterConfig.model_fields, "flavor", "connector"}
    if arguments[:1] == ["alerter"] and arguments[1:2] in (["register"], ["update"]):
        for argument in arguments[3:]:
            name = argument.removeprefix("--").partition("=")[0]
            assert name in known, f"the alerter has no attribute {name!r}"
    else:
        assert arguments[:2] in (
            ["alerter", "flavor"], ["secret", "create"], ["stack", "register"],
            ["stack", "update"], ["stack", "set"], ["alerter", "connect"],
            ["service-connector", "register"],
        ), arguments  # fmt: skip


@pytest.mark.parametrize("block", _blocks("shell", "bash", "sh", "console"), ids=_ids)
def test_shell_block_uses_commands_and_options_that_exist(block: Block) -> None:
    """Each zenmail and zenml command of a shell block is one that the programs take."""
    for command in _commands(block):
        program = os.path.basename(command[0])
        if program == "zenmail":
            _check_zenmail(command[1:])
        elif program == "zenml":
            _check_zenml(command[1:])


def _error_codes() -> set[str]:
    phases = _phases()
    codes: set[str] = set()
    for path in itertools.chain(*((ROOT / name).rglob("*.py") for name in SOURCES)):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and re.fullmatch(
                r"(ses|graph)(-[a-z]+)+", str(node.value)
            ):
                # They stand in tables, by the names of the providers' errors.
                value: ast.expr | None = node
            elif isinstance(node, ast.keyword) and node.arg == "code":
                value = node.value
            elif isinstance(node, ast.AnnAssign | ast.Assign):
                target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
                value = node.value if getattr(target, "id", "") == "default_code" else None
            else:
                continue
            choices = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
            for choice in choices:
                if isinstance(choice, ast.JoinedStr):
                    # f"{phase}-refused"
                    end = choice.values[-1]
                    assert isinstance(end, ast.Constant), ast.unparse(choice)
                    codes |= {f"{phase}{end.value!s}" for phase in phases}
                elif isinstance(choice, ast.Constant) and choice.value:
                    codes.add(str(choice.value))
    return codes


def _phases() -> set[str]:
    from zenmail_transports.smtp import advice

    return {*advice._NAMES}


def test_every_error_code_is_documented() -> None:
    """The troubleshooting page has each code that the source can produce, and no other."""
    text = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    section = text.partition("## Error codes")[2]
    documented = {
        code
        for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
        for code in re.findall(r"`([a-z0-9-]+)`", row)
    }
    assert documented == _error_codes()


def test_every_hook_is_documented() -> None:
    """Each hook of the seam is named, with its arguments, on some page."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    for spec in (TransportSpec, MiddlewareSpec, TokenSourceSpec):
        for name in (name for name in vars(spec) if not name.startswith("_")):
            code = vars(spec)[name].__code__
            arguments = code.co_varnames[1 : code.co_argcount]
            # With or without types.
            pattern = rf"{name}\(" + r"[^)]*, ".join(map(re.escape, arguments))
            assert re.search(pattern, text), f"{name}({arguments}) is not documented"


def test_the_generated_pages_are_current() -> None:
    """settings.md and command-line.md are what docs/scripts/generate.py writes."""
    # The transport ses tells its options where boto3 is installed.
    pytest.importorskip("boto3")
    script = ROOT / "docs/scripts/generate.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_setting_has_a_meaning() -> None:
    """No row of the table of settings is empty."""
    for row in (ROOT / "docs/settings.md").read_text(encoding="utf-8").splitlines():
        if row.startswith("| `"):
            assert not row.rstrip().endswith("|  |"), row


def test_links_lead_somewhere() -> None:
    """Each relative link of a page leads to a file, and its anchor to a heading."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            file = (page.parent / path) if path else page
            assert file.exists(), f"{page.name}: {target}"
            if anchor and file.suffix == ".md":
                headings = re.findall(
                    r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE
                )
                slugs = {
                    re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-")
                    for head in headings
                }
                assert anchor in slugs, f"{page.name}: {target}"


def test_every_page_is_in_the_navigation() -> None:
    """Each page is in mkdocs.yml once, and none is there that does not exist."""
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    listed = re.findall(r": ([\w/-]+\.md)$", navigation, re.MULTILINE)
    present = {str(page.relative_to(ROOT / "docs")) for page in SITE}
    assert sorted(listed) == sorted(present)


def _words() -> Any:
    spec = importlib.util.spec_from_file_location("words", ROOT / "docs/scripts/words.py")
    assert spec is not None
    assert spec.loader is not None
    words = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(words)
    return words


def test_no_banned_phrase_is_in_use() -> None:
    """No page, docstring, comment or message has a phrase that docs/style.md warns of."""
    words = _words()
    assert [*words.findings(words.scanned())] == []


@pytest.mark.parametrize(
    "text",
    [
        "A dict is no transport's name.",
        "It retries what may heal.",
        "The login is put off.",
        "The server puts the sender off.",
        "What became of it.",
        "Five at the most.",
        "If it stays, ask.",
        'raise Error(\n    "An address cannot be put "\n    "on the wire."\n)',
        "# Numbers are left out of\n# account.",
        "It starts like JSON, and it is none.",
        "Try so many.",
    ],
)
def test_a_banned_phrase_is_found(text: str, tmp_path: Path) -> None:
    """Each is found, also where it goes on in the next line of a comment or a message."""
    page = tmp_path / "page.py"
    page.write_text(text)
    assert [*_words().findings([page])]


@pytest.mark.parametrize(
    "text",
    [
        "There is no outbox.",
        "There\nis no way.",
        "It is no longer used.",
        "The value is None.",
        "so many that",
    ],
)
def test_plain_english_is_let_through(text: str, tmp_path: Path) -> None:
    """What only looks like a banned phrase is not refused."""
    page = tmp_path / "page.md"
    page.write_text(text)
    assert [*_words().findings([page])] == []


def test_pre_commit_and_ci_run_what_tox_runs() -> None:
    """Every command of `tox -e lint` is a hook, and CI runs every environment."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    for command in tox["testenv:lint"]["commands"].strip().splitlines():
        assert re.search(rf"^ +entry: .*{re.escape(command)}$", hooks, re.MULTILINE), command
    workflow = (ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8")
    run = set(re.findall(r"env: ([\w-]+)", workflow))
    listed = tox["tox"]["env_list"].replace("py3{10,11,12,13}", "py310 py311 py312 py313")
    wanted = set(
        listed.replace("extras-{none,ses,oauth}", "extras-none extras-ses extras-oauth").split()
    )
    # py is py312, and coverage adds up what the others left on one machine.
    assert wanted - run == {"py312", "coverage"}


def test_recipes_show_files_that_exist() -> None:
    """Each block of the page is a snippet, and what it shows is in the examples."""
    page = (ROOT / "docs/recipes.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:python|yaml)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    shown = [re.fullmatch(r'--8<-- "(.+)"\n', block) for block in blocks]
    assert all(found and (ROOT / "examples" / found[1]).is_file() for found in shown)
    assert len(shown) > 10
