"""`zenmail register`: from a provider's name to an alerter in the stack."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from zenmail.testing.smtp_server import SMTPServer
from zenmail_zenml.cli.providers import PROVIDERS

pytestmark = [pytest.mark.zenml, pytest.mark.once]

Run = Callable[..., Result]
ADDRESSES = ("--sender-email=a@example.com", "--recipient-email=b@example.com")


@pytest.fixture(autouse=True)
def _stack(zenml_store: object) -> Iterator[None]:
    """Put the active stack back."""
    from zenml.client import Client

    before = Client().active_stack_model.id
    yield
    Client().activate_stack(before)


def _alerter(name: str) -> dict[str, Any]:
    from zenml.client import Client
    from zenml.enums import StackComponentType

    return dict(Client().get_stack_component(StackComponentType.ALERTER, name).configuration)


def test_own_server_from_flags_to_a_passing_doctor(zenmail: Run, server: SMTPServer) -> None:
    """Flags alone register everything, activate the stack, and doctor passes."""
    from zenml.client import Client

    result = zenmail(
        "register", "own_alerter", "--provider=own", *ADDRESSES, "--no-input",
        "--smtp-server=localhost", f"--smtp-port={server.port}",
        f"--smtp-ca-file={server.ca_file}", "--smtp-username=relay-account",
        "--secret=own_secret", "--stack=own_stack", "--recipient-email=c@example.com",
        ZENMAIL_PASSWORD="canary-password-7f3a",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "Everything passed" in result.stdout
    assert "canary-password-7f3a" not in result.output
    client = Client()
    assert client.active_stack_model.name == "own_stack"
    assert client.get_secret("own_secret").secret_values == {
        "smtp_password": "canary-password-7f3a"
    }
    assert _alerter("own_alerter")["password"] == "{{own_secret.smtp_password}}"
    assert _alerter("own_alerter")["recipient_email"] == "b@example.com, c@example.com"
    assert server.mails == []


def test_running_it_again_changes_what_is_there(zenmail: Run, server: SMTPServer) -> None:
    """A second run with another provider updates, and leaves nothing of the first behind."""
    start = (
        "register", "again", *ADDRESSES, "--no-input", "--yes", "--no-doctor", "--stack=again",
    )  # fmt: skip
    first = zenmail(
        *start,
        "--provider=own",
        "--smtp-server=localhost",
        "--smtp-security=none",
        f"--smtp-ca-file={server.ca_file}",
    )
    assert first.exit_code == 0, first.output
    postmark = ("--provider=postmark", "--secret=token", "--password=canary-token-91bc")
    second = zenmail(*start, *postmark)
    assert second.exit_code == 0, second.output
    assert "Updated the alerter again." in second.stdout
    assert "remove-attribute again smtp_security smtp_ca_file" in second.stdout
    assert _alerter("again") == {
        "sender_email": "a@example.com",
        "recipient_email": "b@example.com",
        "smtp_server": "smtp.postmarkapp.com",
        "smtp_port": "587",
        "smtp_username": "{{token.smtp_password}}",
        "password": "{{token.smtp_password}}",
    }
    third = zenmail(*start, *postmark)
    assert third.exit_code == 0, third.output


def test_it_asks_for_what_is_missing(zenmail: Run) -> None:
    """Without flags it asks for provider, addresses and the provider's questions."""
    number = [*PROVIDERS].index("mailgun") + 1
    result = zenmail(
        "register", "asked", "--no-doctor", "--stack=asked", "--secret=asked",
        stdin=f"{number}\na@example.com\n\nb@example.com\n\npostmaster@mg.example.com\ns3cret\n",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "s3cret" not in result.output
    assert _alerter("asked")["smtp_username"] == "postmaster@mg.example.com"


def test_an_answer_that_is_none_is_asked_for_again(zenmail: Run) -> None:
    """A provider goes by its name, too; a wrong answer is told at once, not at the end."""
    result = zenmail(
        "register", "mistyped", "--no-doctor", "--stack=mistyped",
        stdin="99\nacme\nOwn\na@example.com\nAlerts\nb@example.com\n[ML]\nrelay.internal\nssl\nTLS\n"
        "\n\n\ny\n",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "'99' is not one of gmail" in result.output
    assert "'acme' is not one of gmail" in result.output
    assert "Error: smtp_security: " in result.output
    configuration = _alerter("mistyped")
    assert configuration["smtp_security"] == "tls"
    assert configuration["sender_name"] == "Alerts"
    assert configuration["subject_prefix"] == "[ML]"


def test_an_answer_can_make_a_question_needless(zenmail: Run) -> None:
    """A relay without user name is not asked for a password, and there is no secret."""
    result = zenmail(
        "register", "relay", "--provider=own", *ADDRESSES, "--no-doctor", "--stack=relay",
        stdin="\n\nrelay.internal\nnone\n\n\n",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert _alerter("relay")["smtp_port"] == "25"
    assert "secret" not in result.stdout


def _state() -> dict[str, Any]:
    """Return all that register could change."""
    from zenml.client import Client
    from zenml.enums import StackComponentType

    client = Client()
    kind = StackComponentType.ALERTER
    return {
        "secrets": {
            item.name: client.get_secret(item.id).secret_values
            for item in client.list_secrets(size=500)
        },
        "alerters": {
            item.name: item.configuration
            for item in client.list_stack_components(type=kind, size=500)
        },
        "stacks": {
            item.name: [part.name for part in item.components.get(kind, ())]
            for item in client.list_stacks(size=500)
        },
        "active": client.active_stack_model.name,
    }


def test_each_alerter_has_a_secret_of_its_own(zenmail: Run) -> None:
    """A second alerter leaves the first one's password as it is."""
    from zenml.client import Client

    for name in ("one", "one_more"):
        result = zenmail(
            "register", name, "--provider=postmark", *ADDRESSES, f"--password=canary-of-{name}",
            "--no-input", "--no-doctor", f"--stack={name}",
        )  # fmt: skip
        assert result.exit_code == 0, result.output
    held = Client().get_secret("one_credentials", allow_partial_name_match=False).secret_values
    assert held == {"smtp_password": "canary-of-one"}


@pytest.mark.parametrize("asked", [True, False])
def test_nothing_is_replaced_without_consent(zenmail: Run, asked: bool) -> None:
    """What would be overwritten is listed; without --yes or a y nothing changes."""
    start = (
        "register", "first", "--provider=postmark", *ADDRESSES, "--sender-name=A",
        "--password=canary-token-91bc", "--subject-prefix=", "--no-doctor", "--stack=shared",
    )  # fmt: skip
    assert zenmail(*start, "--no-input", "--yes").exit_code == 0
    before = _state()
    second = (
        "register", "second", "--secret=first_credentials", *start[2:],
        "--password=canary-password-7f3a",
    )  # fmt: skip
    result = zenmail(*second, stdin="n\n") if asked else zenmail(*second, "--no-input")
    assert result.exit_code == (1 if asked else 2), result.output
    assert "The secret first_credentials exists" in result.stdout
    assert "has the alerter first, which second will replace" in result.stdout
    assert "Nothing was changed" in result.stderr
    assert _state() == before
    assert zenmail(*second, "--no-input", "--yes").exit_code == 0
    assert _state()["stacks"]["shared"] == ["second"]


def test_a_failed_check_leaves_everything_as_it_was(zenmail: Run, server: SMTPServer) -> None:
    """The connection is checked first; what fails there is not registered, and it says so."""
    arguments = (
        "register", "wrong", "--provider=own", *ADDRESSES, "--smtp-server=localhost",
        f"--smtp-port={server.port}", f"--smtp-ca-file={server.ca_file}",
        "--smtp-username=relay-account", "--stack=wrong",
        "--password=canary-wrong-password-0c6e",
    )  # fmt: skip
    before = _state()
    result = zenmail(*arguments, "--no-input")
    assert result.exit_code == 1, result.output
    assert "login failed" in result.stdout
    assert "What to do: " in result.stdout
    assert "    --password\n" in result.stdout
    assert "so nothing was registered" in result.stderr
    assert "--no-doctor" in result.stderr
    assert _state() == before
    anyway = zenmail(
        *arguments, "--sender-name=A", "--subject-prefix=A", "--smtp-security=starttls",
        stdin="register\n",
    )  # fmt: skip
    assert anyway.exit_code == 0, anyway.output
    assert "Registered the alerter wrong." in anyway.stdout


def test_each_answer_is_checked_when_it_is_given(
    zenmail: Run, tmp_path: Path, server: SMTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong answer is told and asked for again; a relative path is stored in full."""
    assert server.ca_file is not None
    shutil.copyfile(server.ca_file, tmp_path / "ca.pem")
    monkeypatch.chdir(tmp_path)
    dialogue = [
        ("nobody", "sender_email: "),
        ("a@example.com", ""),
        ("", ""),
        ("", "Recipients, separated by commas cannot be empty."),
        ("b@example.com; c", "recipient_email: "),
        ("b@example.com, c@example.com", ""),
        ("", ""),
        ("smtp://relay", "smtp: smtp_server: "),
        ("relay.internal", ""),
        ("ssl", "smtp_security: "),
        ("", ""),
        ("70000", "smtp_port: "),
        ("2525", ""),
        ("no.pem", f"smtp_ca_file: {tmp_path / 'no.pem'}: No such file"),
        ("ca.pem", ""),
        ("", ""),
    ]
    result = zenmail(
        "register", "checked", "--provider=own", "--no-doctor", "--stack=checked",
        stdin="".join(f"{answer}\n" for answer, _ in dialogue),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    told = [part.splitlines()[0] for part in result.output.split("Error: ")[1:]]
    expected = [error for _, error in dialogue if error]
    assert [line[: len(error)] for line, error in zip(told, expected, strict=True)] == expected
    assert _alerter("checked") == {
        "sender_email": "a@example.com",
        "recipient_email": "b@example.com, c@example.com",
        "smtp_server": "relay.internal",
        "smtp_port": "2525",
        "smtp_ca_file": str(tmp_path / "ca.pem"),
    }


def test_a_missing_ca_file_is_refused(zenmail: Run) -> None:
    """A file that is not there is told before anything is registered, in a dry run too."""
    result = zenmail(
        "register", "no_ca", "--provider=own", *ADDRESSES, "--smtp-server=localhost",
        "--smtp-ca-file=missing.pem", "--no-input", "--dry-run",
    )  # fmt: skip
    assert result.exit_code == 2
    assert "missing.pem: No such file" in result.stderr
    assert "The plan" not in result.stdout


def test_a_wrong_password_is_typed_again(zenmail: Run, server: SMTPServer) -> None:
    """After a failed check the answers can be changed; Enter keeps each of them."""
    arguments = (
        "register", "retyped", "--provider=own", "--sender-name=A", "--subject-prefix=",
        *ADDRESSES, "--smtp-server=localhost", "--smtp-security=starttls",
        f"--smtp-port={server.port}", f"--smtp-ca-file={server.ca_file}",
        "--smtp-username=relay-account", "--stack=retyped",
    )  # fmt: skip
    enter = 8 * "\n"
    result = zenmail(
        *arguments, stdin=f"canary-wrong-password-0c6e\nchange\n{enter}{enter[:1]}"
        "canary-password-7f3a\n",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stdout.count("login failed") == 1
    assert "canary" not in result.output
    assert "Add --send" not in result.stdout
    before = _alerter("retyped")
    assert before["sender_name"] == "A"
    # What is stored is offered the next time, the password included.
    again = zenmail("register", "retyped", "--stack=retyped", stdin=f"\n\n-\n{enter}y\n")
    assert again.exit_code == 0, again.output
    assert "Provider [own]" in again.stdout
    assert "Sender's address [a@example.com]" in again.stdout
    assert "Updated the secret" not in again.stdout
    assert _alerter("retyped") == {k: v for k, v in before.items() if k != "sender_name"}


@pytest.fixture
def _library(provider: str) -> None:
    """Skip a provider whose transport needs what is not installed."""
    if provider == "ses":
        pytest.importorskip("boto3")
    if provider == "graph":
        pytest.importorskip("requests")


ANSWERS = {
    "gmail": ["--password=canary abcd efgh ijkl"],
    "microsoft": ["--tenant=t", "--client-id=c", "--client-secret=canary-client~secret.6a90"],
    "graph": ["--tenant=t", "--client-id=c", "--client-secret=canary-client~secret.6a90"],
    "brevo": ["--smtp-username=u@smtp-brevo.com", "--password=canary-password-7f3a"],
    "resend": ["--password=canary-token-91bc"],
    "azure": ["--smtp-username=alerts", "--password=canary-client~secret.6a90"],
    "yahoo": ["--password=canary abcd efgh ijkl"],
    "icloud": ["--password=canary-abcd-efgh-ijkl"],
    "ses": [
        "--region=eu-west-1",
        "--access-key-id=AKIACANARY0000000000",
        "--secret-access-key=canary/aws+secret/4d5e",
    ],
    "sendgrid": ["--password=canary-token-91bc"],
    "mailgun": ["--smtp-username=postmaster@example.com", "--password=canary-password-7f3a"],
    "postmark": ["--password=canary-token-91bc"],
    "own": [
        "--smtp-server=mail.example.com",
        "--smtp-username=u",
        "--password=canary-password-7f3a",
    ],
}


@pytest.mark.usefixtures("_library")
@pytest.mark.parametrize("provider", [*PROVIDERS])
def test_every_provider_makes_a_valid_alerter(zenmail: Run, provider: str) -> None:
    """Each provider registers, its secrets are references, and doctor can read it."""
    from zenmail_zenml.cli.stored import read

    name = f"of_{provider}"
    result = zenmail(
        "register", name, f"--provider={provider}", *ADDRESSES, *ANSWERS[provider],
        "--no-input", "--no-doctor", f"--secret={name}", f"--stack={name}",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    stored = read(name)
    assert "failed" not in {check.status for check in stored.checks}
    stored.mailer(dry_run=True).close()
    secrets = [
        item.partition("=")[2]
        for item in ANSWERS[provider]
        if "secret" in item or "password" in item
    ]
    held = json.dumps(_alerter(name))
    assert not [value for value in secrets if f'"{value}"' in held]


@pytest.mark.usefixtures("_library")
@pytest.mark.parametrize("provider", [*PROVIDERS])
def test_the_printed_commands_say_the_same(zenmail: Run, provider: str) -> None:
    """--dry-run changes nothing and prints attributes that make the same alerter."""
    from zenmail_zenml.config import SMTPEmailAlerterConfig

    result = zenmail(
        "register", "not_made", f"--provider={provider}", *ADDRESSES, *ANSWERS[provider],
        "--no-input", "--dry-run",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    text = result.stdout.replace("\\\n", " ")
    line = next(line for line in text.splitlines() if line.startswith("zenml alerter register"))
    pairs = [part.removeprefix("--").partition("=") for part in shlex.split(line)[4:]]
    values = {name: value for name, _, value in pairs}
    assert values.pop("flavor") == "smtp_email"
    assert SMTPEmailAlerterConfig(**values).is_valid
    with pytest.raises(KeyError):
        _alerter("not_made")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--provider=gmail", "--no-input", *ADDRESSES], "--password"),
        (["--no-input"], "--provider"),
        (
            ["--provider=own", "--no-input", "--smtp-server=h", "--smtp-port=0", *ADDRESSES],
            "smtp_port",
        ),
        (
            ["--provider=own", "--no-input", "--smtp-server=h", "--sender-email=nobody",
             "--recipient-email=b@example.com"],
            "sender_email",
        ),
        (
            ["--provider=own", "--no-input", "--smtp-server=h", "--smtp-security=none",
             "--smtp-username=u", "--password=canary-password-7f3a", *ADDRESSES],
            "password",
        ),
    ],
)  # fmt: skip
def test_nothing_is_half_registered(zenmail: Run, arguments: list[str], says: str) -> None:
    """What the alerter would refuse ends with status 2 before anything is made."""
    from zenml.client import Client

    result = zenmail("register", "half", "--secret=half", "--stack=half", *arguments)
    assert result.exit_code == 2, result.output
    assert says in result.stderr
    assert not re.search(r"Traceback", result.output)
    for get in (_alerter, Client().get_secret, Client().get_stack):
        with pytest.raises(KeyError):
            get("half")
