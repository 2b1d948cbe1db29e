"""Whether a value is secret, told from its name."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

__all__ = ["Secrecy", "secrecy_of"]

Secrecy = Literal["", "unless-number", "always"]

_WORD_BREAK = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ALWAYS = (
    "password",
    "passwd",
    "passphrase",
    "passwort",
    "passcode",
    "secret",
    "credential",
    "privatekey",
    "connectionstring",
    "connstr",
)
_KEYS = (
    "apikey",
    "accesskey",
    "secretkey",
    "signingkey",
    "encryptionkey",
    "masterkey",
    "sshkey",
    "sessionkey",
    "storagekey",
    "servicekey",
    "authkey",
    "clientkey",
    "sharedkey",
    "appkey",
    "accountkey",
    "licensekey",
    "deploykey",
    "subscriptionkey",
    "consumerkey",
    "securitykey",
    "functionkey",
    "adminkey",
    "hostkey",
    "ingestkey",
    "projectkey",
    "writekey",
    "hmackey",
)
_CREDENTIALS = frozenset(
    {"auth", "authorization", "bearer", "cookie", "cookies", "jwt", "otp", "totp", "sas"}
)
# What follows a secret's name when the value is about the secret, not the secret.
_ABOUT = frozenset(
    {
        "name",
        "names",
        "id",
        "ids",
        "type",
        "kind",
        "count",
        "counts",
        "length",
        "len",
        "size",
        "limit",
        "url",
        "uri",
        "path",
        "file",
        "filename",
        "dir",
        "folder",
        "policy",
        "expiry",
        "expires",
        "expired",
        "expiration",
        "ttl",
        "usage",
        "used",
        "version",
        "format",
        "field",
        "budget",
        "rate",
        "cost",
        "endpoint",
        "method",
        "scheme",
        "source",
        "store",
        "manager",
        "provider",
        "error",
        "valid",
        "required",
        "enabled",
        "rotation",
        "age",
        "scope",
        "scopes",
        "ref",
        "reference",
        "server",
        "host",
        "mode",
        "loss",
        "accuracy",
        "index",
        "position",
        "ratio",
        "hint",
        "stdin",
        "prompt",
    }
)
# Tokens of language models.
_LINGUISTIC = frozenset(
    {
        "pad",
        "eos",
        "bos",
        "unk",
        "cls",
        "sep",
        "mask",
        "stop",
        "special",
        "start",
        "end",
        "next",
        "image",
        "audio",
        "video",
        "added",
        "extra",
        "max",
        "min",
        "n",
        "num",
        "number",
        "total",
        "count",
        "input",
        "output",
        "prompt",
        "completion",
        "per",
        "context",
        "new",
        "generated",
        "forced",
        "decoder",
        "first",
        "last",
        "by",
        "reasoning",
        "cached",
        "padding",
        "prefix",
        "suffix",
        "word",
        "char",
        "text",
        "target",
        "label",
        "masked",
    }
)
_LOGINS = frozenset(
    {
        "db",
        "smtp",
        "user",
        "admin",
        "root",
        "mail",
        "email",
        "ftp",
        "pg",
        "mysql",
        "redis",
        "login",
        "auth",
        "http",
        "proxy",
        "my",
        "sa",
    }
)


@lru_cache(maxsize=1024)
def secrecy_of(name: str) -> Secrecy:
    """Return whether a value of this name is secret, from the name alone.

    Args:
        name: The key of a mapping, a parameter or a variable, in any spelling.

    Returns:
        "always"; "unless-number" for names that often stand for counts, such as tokens;
        "" for all others.
    """
    words = [word.lower() for word in _WORD_BREAK.split(name[-200:]) if word]
    if not words or words[-1] in _ABOUT:
        return ""
    joined = "".join(words)
    if any(part in joined for part in _ALWAYS):
        return "always" if "secretary" not in joined else ""
    if words[-1] == "pwd" or (words[-1] == "pass" and not _LOGINS.isdisjoint(words[:-1])):
        return "always"
    if joined.endswith(_KEYS) or joined.endswith(tuple(key + "s" for key in _KEYS)):
        return "always"
    if words[-1] in _CREDENTIALS:
        return "unless-number"
    if joined.endswith(("token", "tokens")) and _LINGUISTIC.isdisjoint(words[:-1]):
        return "unless-number"
    return ""
