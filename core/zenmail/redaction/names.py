"""What a name says about its value, weighed with what the value looks like."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from ..patterns import pattern
from .clues import FOREIGN_PASSWORDS
from .looks import is_empty, is_mixed, is_random, words_of

__all__ = ["Secrecy", "is_secret", "presumed_secrecy", "secrecy_of", "stored_secrecy"]

Secrecy = Literal["", "if-opaque", "if-code", "if-random", "if-mixed", "any-text"]


_WORD_BREAK = pattern(r"[\W_]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# What people choose, so that any word may be one.
_CHOSEN = words_of(
    "password passwords passwd passwds passe passphrase passphrases passwort passcode "
    "passcodes pwd pw requirepass masterauth contrasena contraseña contrasenya senha kennwort "
    "wachtwoord heslo salasana kodeord adgangskode"
).union(FOREIGN_PASSWORDS)
_CODES = words_of("otp totp pin pincode")
_SEEDS = words_of("otp totp")
# Of codes, such as "recovery_code".
_OF_DOORS = words_of(
    "access activation auth backup device invite login mfa one otp pairing pin recovery "
    "security sms time totp unlock verification"
)
_MADE = words_of(
    "secret secrets credential credentials cred creds token tokens key keys auth "
    "authorization bearer cookie cookies jwt sas pat apikey apikeys privatekey "
    "connectionstring connstr dsn clave parola parole mnemonic assertion samlresponse "
    "stringdata"
)
_UNMISTAKABLE = words_of("apikey accesskey privatekey secretkey accountkey")
_MADE_ENDINGS = (
    *("token", "tokens", "secret", "secrets", "apikey", "apikeys", "key", "cookie", "phrase"),
    *("sessid", "jsessionid"),
)
# "key_states" is none of ours, "api_key_prod" and "secret_value" are.
_ANYWHERE = words_of(
    "password passwd passphrase secret credential apikey accesskey privatekey secretkey "
    "accountkey connectionstring connstr"
)
_LAST = words_of(
    "value values plain plaintext text raw str prod production dev staging test old new "
    "b64 base64 base primary secondary current main backup header json"
)
# What makes a key, a token or a secret one that opens something.
_OPENING = words_of(
    "access account admin api app auth bearer bot client encryption github gitlab hf hmac jwt "
    "license master oauth openai personal private refresh secret security service session "
    "shared signing slack storage subscription wandb webhook"
)
# What makes a secret an object that has a name.
_OBJECTS = words_of("kubernetes k8s pull image tls ssl existing registry docker cluster cert")
# What follows a secret's name when the value is about the secret, not the secret.
_ABOUT = words_of(
    "name names id ids type types kind count counts length len size limit url uri path "
    "paths file files filename dir folder policy expiry expires expired expiration "
    "seconds ttl usage used version format field fields budget rate cost endpoint method "
    "scheme source sources store stores manager provider error errors valid required "
    "enabled rotation age scope scopes ref reference server host mode loss accuracy index "
    "indices position ratio hint stdin prompt env var variable arn pattern algorithm "
    "hashers validators states mask dim heads class classes map days level backend user "
    "username login time date at"
)
# What stands beside a secret in a store of secrets.
_BESIDE = words_of(
    "account address bucket cluster database db email environment image project region role "
    "schema stage subscription tenant warehouse workspace zone"
)
# Keys of data, not of doors.
_OPEN_KEYS = words_of(
    "cache sort primary foreign partition public pub group order join row lookup hash "
    "dedup idempotency routing message object s3 blob config label target text weight "
    "feature metric model split dataset data unique natural composite map index column "
    "field record event log bucket path file redis node state restore redirect "
    "translation hot by search document doc input output query metadata tag attr json "
    "param option registry pipeline step run artifact type batch id shard cluster "
    "sequence version resource item sharding gpg sort num hub distribution clustering "
    "parameter known surrogate candidate left right i18n dict yaml mon tur don whis joc "
    "checkpoint ckpt random rng prng result limit aggregate processed"
)
_OPEN_TOKENS = words_of("next page continuation pagination cursor resume sync")
_LOGINS = words_of(
    "db smtp user admin root mail email ftp pg mysql redis login auth http proxy my sa "
    "app database imap ssh mongo postgres service"
)
# A file, or the variable that holds it.
_NO_PASSWORD = pattern(
    r"\.{0,2}/[\w.-]+/|\.{1,2}/|~/|/[a-z_.-]+\Z|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\Z"
)
_CODE = pattern(r"\d{4,10}")
_OPAQUE = pattern(r"[A-Za-z0-9+_]{20,512}={0,2}")


@lru_cache(maxsize=2048)
def secrecy_of(name: str) -> Secrecy:
    """Return what a name says about the secrecy of its value.

    Args:
        name: The key of a mapping, a parameter or a variable, in any spelling.

    Returns:
        "any-text" for passwords, which may be any word; "if-mixed" where letters and digits
        are secret, "if-random" where a value that looks random is, "if-code" where some
        digits are, too, "if-opaque" where only a long value is; "" for all others.
    """
    words = _words(name)
    whole = len(words)
    while len(words) > 1 and (words[-1] in _LAST or words[-1].isdigit()):
        words.pop()
    joined = "".join(words)
    if joined.endswith("connectionstring"):
        return "if-random"
    if joined.endswith(("sessionid", "sid")) and words[-1] in ("sid", "sessionid", "id"):
        return "if-opaque"
    if not words or words[-1] in _ABOUT:
        return ""
    last, before = words[-1], words[:-1]
    if joined.endswith(("password", "passwd", "passphrase", "motdepasse")) or last in _CHOSEN:
        return "any-text"
    if any(last == f"{login}{short}" for login in _LOGINS for short in ("pass", "pw")):
        return "any-text"
    if (
        last in _CODES
        or not _SEEDS.isdisjoint(before)
        or (last == "code" and not _OF_DOORS.isdisjoint(before))
    ):
        return "if-code"
    if last in ("pass", "passw"):
        return "if-mixed" if _LOGINS.isdisjoint(before) else "any-text"
    if last in ("key", "keys") and not (before and _OPEN_KEYS.isdisjoint(before[-1:])):
        return ""
    if last in ("token", "tokens") and not _OPEN_TOKENS.isdisjoint(before):
        return ""
    # Kubernetes' secrets have names, and a lone "secret" may be the name of one.
    if (
        last in _UNMISTAKABLE
        or words == ["token"]
        or (last == "secret" and before and _OBJECTS.isdisjoint(before[-1:]))
        or (last in ("key", "token") and (name.isupper() or before[-1] in _OPENING))
    ):
        return "if-mixed" if len(words) == whole else "if-random"
    if last in _MADE or joined in _MADE:
        return "if-random"
    if last.endswith(_MADE_ENDINGS) and _OPEN_KEYS.isdisjoint((last.removesuffix("key"),)):
        return "if-random"
    if "secretary" not in joined and any(part in joined for part in _ANYWHERE):
        return "if-random"
    return ""


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD_BREAK.split(name[-200:]) if word]


def presumed_secrecy(name: str) -> Secrecy:
    """Return what a name says beside its value, where a lone "key" may be that of a door."""
    return secrecy_of(name) or ("if-opaque" if name.lower() == "key" else "")


def stored_secrecy(name: str) -> Secrecy:
    """Return what a name says in a store of secrets, where any value may be one."""
    known = not (_ABOUT | _BESIDE).isdisjoint(_words(name)[-1:])
    return secrecy_of(name) or ("if-random" if known else "if-mixed")


def is_secret(secrecy: Secrecy, value: str) -> bool:
    """Whether a value that was written down as such is secret under its name."""
    if not secrecy or is_empty(value):
        return False
    if secrecy == "any-text":
        return not _NO_PASSWORD.match(value)
    if secrecy == "if-opaque" and not _OPAQUE.fullmatch(value):
        return False
    if secrecy == "if-code" and _CODE.fullmatch(value):
        return True
    return is_random(value) or (secrecy == "if-mixed" and is_mixed(value))
