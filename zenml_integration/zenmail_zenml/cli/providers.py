"""The mail providers that `zenmail register` knows: their servers, and what to ask."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "COMMON_QUESTIONS",
    "PROVIDERS",
    "SECURITIES",
    "Plan",
    "Provider",
    "Question",
    "provider_of",
    "usual_port",
]


SECURITIES = ("starttls", "tls", "none")


@dataclass(frozen=True)
class Question:
    """A question to the user.

    Attributes:
        name: The setting, or the option of the transport or token source, that it is about.
        text: The prompt.
        secret: Whether the answer is hidden and stored in ZenML's secret store.
        optional: Whether the answer may be empty.
        needs: The question that must be answered for this one to be asked, or "".
        unless: A question and the answer to it that makes this one pointless.
    """

    name: str
    text: str
    secret: bool = False
    optional: bool = False
    needs: str = ""
    unless: tuple[str, str] = ("", "")


COMMON_QUESTIONS = (
    Question("sender_email", "Sender's address"),
    Question("sender_name", "Sender's name", optional=True),
    Question("recipient_email", "Recipients, separated by commas"),
    Question("subject_prefix", "Text in front of each subject", optional=True),
)


@dataclass(frozen=True)
class Plan:
    """What to register.

    Attributes:
        configuration: The alerter's attributes; secrets are references. An empty one is
            removed.
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
            answers: Answers by question name, including "sender_email" and "recipient_email".
            secret: The name of the secret.
        """
        common = [question.name for question in COMMON_QUESTIONS]
        configuration = {name: answers[name] for name in common if name in answers}
        if self.transport == "smtp":
            return self._smtp(answers, configuration, secret)
        configuration["transport"] = self.transport
        values = {}
        options: dict[str, object] = {}
        if self.transport == "graph":
            options["oauth_options"] = _application(answers, secret)
            values["client_secret"] = answers["client_secret"]
        else:
            options["region"] = answers["region"]
            if answers.get("access_key_id"):
                values["access_key_id"] = answers["access_key_id"]
                values["secret_access_key"] = answers["secret_access_key"]
                options |= {name: f"{{{{{secret}.{name}}}}}" for name in values}
        configuration["transport_options"] = json.dumps(options)
        return Plan(configuration, values)

    def _smtp(
        self, answers: Mapping[str, str], configuration: dict[str, str], secret: str
    ) -> Plan:
        configuration["smtp_server"] = answers.get("smtp_server") or self.host
        configuration["smtp_port"] = answers.get("smtp_port") or usual_port(answers)
        for name in ("smtp_security", "smtp_ca_file"):
            if answers.get(name):
                configuration[name] = answers[name]
        username = answers.get("smtp_username", "")
        if self.oauth:
            options = {"oauth": self.oauth, "oauth_options": _application(answers, secret)}
            configuration["smtp_username"] = username or answers["sender_email"]
            configuration["transport_options"] = json.dumps(options)
            return Plan(configuration, {"client_secret": answers["client_secret"]})
        password = answers.get("password", "")
        if not password:
            return Plan(configuration, {})
        reference = f"{{{{{secret}.smtp_password}}}}"
        known = {"asked": username, "sender": "", "password": reference}
        if username := known.get(self.login, self.login):
            configuration["smtp_username"] = username
        configuration["password"] = reference
        return Plan(configuration, {"smtp_password": password})


def usual_port(answers: Mapping[str, str]) -> str:
    """Return the port that goes with the encryption."""
    return {"tls": "465", "none": "25"}.get(answers.get("smtp_security", ""), "587")


def provider_of(configuration: Mapping[str, str]) -> str:
    """Return the key of the provider that an alerter was set up for."""
    setup = (configuration.get("transport", "smtp"), configuration.get("smtp_server", ""))
    return next(
        (key for key, item in PROVIDERS.items() if (item.transport, item.host) == setup), "own"
    )


def _application(answers: Mapping[str, str], secret: str) -> dict[str, str]:
    """Return the options of the token source microsoft for an application."""
    return {
        "tenant": answers["tenant"],
        "client_id": answers["client_id"],
        "client_secret": f"{{{{{secret}.client_secret}}}}",
    }


def _mailbox(
    title: str, host: str, prompt: str, note: str, *, login: str = "sender", username: str = ""
) -> Provider:
    """Return a provider that asks for a password, and for a user name if that has a prompt."""
    questions: tuple[Question, ...] = (Question("password", prompt, secret=True),)
    if username:
        login, questions = "asked", (Question("smtp_username", username), *questions)
    return Provider(title, host=host, login=login, questions=questions, note=note)


_APPLICATION = (
    Question("tenant", "Directory (tenant) ID or domain"),
    Question("client_id", "Application (client) ID"),
    Question("client_secret", "Client secret", secret=True),
)

PROVIDERS: Mapping[str, Provider] = {
    "gmail": _mailbox(
        "Gmail or Google Workspace",
        "smtp.gmail.com",
        "App password",
        "Google does not accept account passwords. Create an app password, which requires "
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
                "access_key_id",
                "Access key ID instead of the machine's own credentials",
                optional=True,
            ),
            Question(
                "secret_access_key", "Secret access key", secret=True, needs="access_key_id"
            ),
        ),
        note="The sender must be verified in that region. It requires "
        'pip install "zenmail[ses]".',
        transport="ses",
    ),
    "sendgrid": _mailbox(
        "SendGrid",
        "smtp.sendgrid.net",
        "API key",
        "The API key needs the permission Mail Send.",
        login="apikey",
    ),
    "mailgun": _mailbox(
        "Mailgun",
        "smtp.mailgun.org",
        "SMTP password",
        "SMTP users belong to a domain: Domain settings, SMTP credentials. For the EU "
        "region add --smtp-server=smtp.eu.mailgun.org.",
        username="SMTP user, such as postmaster@mg.example.com",
    ),
    "postmark": _mailbox(
        "Postmark",
        "smtp.postmarkapp.com",
        "Server API token",
        "The server API token is both user name and password.",
        login="password",
    ),
    "brevo": _mailbox(
        "Brevo",
        "smtp-relay.brevo.com",
        "SMTP key",
        "The SMTP key is not the API key.",
        username="SMTP login, shown under SMTP & API",
    ),
    "resend": _mailbox(
        "Resend",
        "smtp.resend.com",
        "API key",
        "The sender's domain must be verified.",
        login="resend",
    ),
    "azure": _mailbox(
        "Azure Communication Services",
        "smtp.azurecomm.net",
        "Client secret of its application",
        "The sender must be a MailFrom address of a domain connected to the resource.",
        username="SMTP username of the Communication Services resource",
    ),
    "yahoo": _mailbox(
        "Yahoo Mail",
        "smtp.mail.yahoo.com",
        "App password",
        "Yahoo does not accept account passwords. Create an app password: "
        "https://login.yahoo.com/account/security",
    ),
    "icloud": _mailbox(
        "iCloud Mail",
        "smtp.mail.me.com",
        "App-specific password",
        "Apple does not accept account passwords. Create an app-specific password, which "
        "requires two-factor authentication: https://account.apple.com",
    ),
    "own": Provider(
        "Your own server",
        questions=(
            Question("smtp_server", "Host name of the SMTP server"),
            Question(
                "smtp_security",
                "Encryption: tls or none instead of starttls",
                optional=True,
            ),
            Question("smtp_port", "Port"),
            Question(
                "smtp_ca_file",
                "PEM file of a private certificate authority",
                optional=True,
                unless=("smtp_security", "none"),
            ),
            Question("smtp_username", "User name", optional=True),
            Question("password", "Password", secret=True, needs="smtp_username"),
        ),
    ),
}
