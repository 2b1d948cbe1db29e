"""The mail providers that `zenmail register` knows: their servers, and what to ask."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["PROVIDERS", "SECURITIES", "Plan", "Provider", "Question"]


SECURITIES = ("starttls", "tls", "none")


@dataclass(frozen=True)
class Question:
    """A question to the user.

    Attributes:
        name: The option of `zenmail register` that answers it, without dashes.
        text: The prompt.
        secret: Whether the answer is hidden and stored in ZenML's secret store.
        optional: Whether the answer may be empty.
        needs: The question that must be answered for this one to be asked, or "".
        unless: A question and the answer to it that makes this one pointless.
        choices: The valid answers; empty if any is valid.
    """

    name: str
    text: str
    secret: bool = False
    optional: bool = False
    needs: str = ""
    unless: tuple[str, str] = ("", "")
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What to register.

    Attributes:
        configuration: The alerter's attributes; secrets are references.
        secret: The secret's values by key; empty if there is no secret.
    """

    configuration: dict[str, str]
    secret: dict[str, str]


@dataclass(frozen=True)
class Provider:
    """A mail provider.

    Attributes:
        title: Its name.
        host: Its SMTP server, or "" to ask for it.
        login: The source of the user name: "sender" (the sender's address), "asked" (a
            question) or "password" (the password itself). Anything else is the user name.
        questions: What to ask after sender and recipients.
        note: What to know before answering.
        transport: The transport.
        oauth: The token source to log in with, or "" to use a password.
    """

    title: str
    host: str = ""
    login: str = "asked"
    questions: tuple[Question, ...] = ()
    note: str = ""
    transport: Literal["smtp", "ses", "graph"] = "smtp"
    oauth: str = ""

    def plan(self, answers: Mapping[str, str], *, secret: str) -> Plan:
        """Return what to register.

        Args:
            answers: Answers by question name, including "sender-email" and "recipient-email".
            secret: The name of the secret.
        """
        common = {
            "sender_email": answers["sender-email"],
            "recipient_email": answers["recipient-email"],
        }
        for name in ("sender-name", "subject-prefix"):
            if answers.get(name):
                common[name.replace("-", "_")] = answers[name]
        if self.transport == "ses":
            return self._ses(answers, common, secret)
        if self.transport == "graph":
            return self._graph(answers, common, secret)
        configuration = {**common, "smtp_server": answers.get("smtp-server") or self.host}
        configuration["smtp_port"] = answers.get("smtp-port") or _port(
            answers.get("smtp-security", "")
        )
        if answers.get("smtp-security"):
            configuration["smtp_security"] = answers["smtp-security"]
        if answers.get("smtp-ca-file"):
            configuration["smtp_ca_file"] = answers["smtp-ca-file"]
        if self.oauth:
            return self._oauth(answers, configuration, secret)
        password = answers.get("password", "")
        if not password:
            return Plan(configuration, {})
        reference = f"{{{{{secret}.smtp_password}}}}"
        names = {"asked": answers.get("smtp-username", ""), "sender": "", "password": reference}
        username = names.get(self.login, self.login)
        if username:
            configuration["smtp_username"] = username
        configuration["password"] = reference
        return Plan(configuration, {"smtp_password": password})

    def _oauth(
        self, answers: Mapping[str, str], configuration: dict[str, str], secret: str
    ) -> Plan:
        options = {"oauth": self.oauth, "oauth_options": _application(answers, secret)}
        configuration["smtp_username"] = answers.get("smtp-username") or answers["sender-email"]
        configuration["transport_options"] = json.dumps(options)
        return Plan(configuration, {"client_secret": answers["client-secret"]})

    @staticmethod
    def _graph(answers: Mapping[str, str], configuration: dict[str, str], secret: str) -> Plan:
        configuration["transport"] = "graph"
        configuration["transport_options"] = json.dumps(
            {"oauth_options": _application(answers, secret)}
        )
        return Plan(configuration, {"client_secret": answers["client-secret"]})

    @staticmethod
    def _ses(answers: Mapping[str, str], configuration: dict[str, str], secret: str) -> Plan:
        options = {"region": answers["region"]}
        values = {}
        if answers.get("key-id"):
            for name, answer in (
                ("access_key_id", "key-id"),
                ("secret_access_key", "secret-key"),
            ):
                options[name] = f"{{{{{secret}.{name}}}}}"
                values[name] = answers[answer]
        configuration["transport"] = "ses"
        configuration["transport_options"] = json.dumps(options)
        return Plan(configuration, values)


def _application(answers: Mapping[str, str], secret: str) -> dict[str, str]:
    """Return the options of the token source microsoft for an application."""
    return {
        "tenant": answers["tenant"],
        "client_id": answers["client-id"],
        "client_secret": f"{{{{{secret}.client_secret}}}}",
    }


def _port(security: str) -> str:
    return {"tls": "465", "none": "25"}.get(security, "587")


_APPLICATION = (
    Question("tenant", "Directory (tenant) ID or domain"),
    Question("client-id", "Application (client) ID"),
    Question("client-secret", "Client secret", secret=True),
)

PROVIDERS: Mapping[str, Provider] = {
    "gmail": Provider(
        "Gmail or Google Workspace",
        host="smtp.gmail.com",
        login="sender",
        questions=(Question("password", "App password", secret=True),),
        note="Google does not accept account passwords. Create an app password, which requires "
        "2-step verification: https://myaccount.google.com/apppasswords",
    ),
    "microsoft": Provider(
        "Microsoft 365 or Outlook",
        host="smtp.office365.com",
        questions=_APPLICATION,
        note="Microsoft disables passwords for SMTP in December 2026, so this logs in with a "
        "token. The application needs the permission SMTP.SendAsApp. It requires pip install "
        '"zenmail[oauth]". Where SMTP is off, choose graph.',
        oauth="microsoft",
    ),
    "graph": Provider(
        "Microsoft 365 without SMTP (Microsoft Graph)",
        questions=_APPLICATION,
        note="The application needs the permission Mail.Send of Microsoft Graph, with an "
        'administrator\'s consent. It requires pip install "zenmail[oauth]".',
        transport="graph",
    ),
    "ses": Provider(
        "Amazon SES",
        questions=(
            Question("region", "AWS region, such as eu-west-1"),
            Question(
                "key-id",
                "Access key ID, empty for the machine's own credentials",
                optional=True,
            ),
            Question("secret-key", "Secret access key", secret=True, needs="key-id"),
        ),
        note="The sender must be verified in that region. It requires "
        'pip install "zenmail[ses]".',
        transport="ses",
    ),
    "sendgrid": Provider(
        "SendGrid",
        host="smtp.sendgrid.net",
        login="apikey",
        questions=(Question("password", "API key", secret=True),),
        note="The API key needs the permission Mail Send.",
    ),
    "mailgun": Provider(
        "Mailgun",
        host="smtp.mailgun.org",
        questions=(
            Question("smtp-username", "SMTP user, such as postmaster@mg.example.com"),
            Question("password", "SMTP password", secret=True),
        ),
        note="SMTP users belong to a domain: Domain settings, SMTP credentials. For the EU "
        "region add --smtp-server=smtp.eu.mailgun.org.",
    ),
    "postmark": Provider(
        "Postmark",
        host="smtp.postmarkapp.com",
        login="password",
        questions=(Question("password", "Server API token", secret=True),),
        note="The server API token is both user name and password.",
    ),
    "brevo": Provider(
        "Brevo",
        host="smtp-relay.brevo.com",
        questions=(
            Question("smtp-username", "SMTP login, shown under SMTP & API"),
            Question("password", "SMTP key", secret=True),
        ),
        note="The SMTP key is not the API key.",
    ),
    "resend": Provider(
        "Resend",
        host="smtp.resend.com",
        login="resend",
        questions=(Question("password", "API key", secret=True),),
        note="The sender's domain must be verified.",
    ),
    "azure": Provider(
        "Azure Communication Services",
        host="smtp.azurecomm.net",
        questions=(
            Question("smtp-username", "SMTP username of the Communication Services resource"),
            Question("password", "Client secret of its application", secret=True),
        ),
        note="The sender must be a MailFrom address of a domain connected to the resource.",
    ),
    "yahoo": Provider(
        "Yahoo Mail",
        host="smtp.mail.yahoo.com",
        login="sender",
        questions=(Question("password", "App password", secret=True),),
        note="Yahoo does not accept account passwords. Create an app password: "
        "https://login.yahoo.com/account/security",
    ),
    "icloud": Provider(
        "iCloud Mail",
        host="smtp.mail.me.com",
        login="sender",
        questions=(Question("password", "App-specific password", secret=True),),
        note="Apple does not accept account passwords. Create an app-specific password, which "
        "requires two-factor authentication: https://account.apple.com",
    ),
    "own": Provider(
        "Your own server",
        questions=(
            Question("smtp-server", "Host name of the SMTP server"),
            Question(
                "smtp-security",
                "Encryption (starttls, tls or none), empty for starttls",
                optional=True,
                choices=SECURITIES,
            ),
            Question("smtp-port", "Port, empty for the usual one", optional=True),
            Question(
                "smtp-ca-file",
                "PEM file of a private certificate authority, empty for the system's",
                optional=True,
                unless=("smtp-security", "none"),
            ),
            Question(
                "smtp-username", "User name, empty for a relay without login", optional=True
            ),
            Question("password", "Password", secret=True, needs="smtp-username"),
        ),
    ),
}
