"""Behaviour of tables in texts: a heading or a neighbour names what is secret."""

from __future__ import annotations

import pytest

from zenmail.redaction.redact import Redactor


@pytest.mark.parametrize(
    "text",
    [
        "user,password\nada,q7Zt2Lm9\ngrace,q7Zt2Lm9",
        "id;user;pwd\n1;ada;q7Zt2Lm9",
        "user\tpassword\nada\tq7Zt2Lm9",
        "name,value\nDB_PASSWORD,q7Zt2Lm9",
        '"db_password","q7Zt2Lm9"',
        "| user | password |\n| --- | --- |\n| ada | q7Zt2Lm9 |",
        "┃ user ┃ password ┃\n┡━━━━━━╇━━━━━━━━━━┩\n│ ada  │ q7Zt2Lm9 │",
        "║ db_password ║ q7Zt2Lm9 ║",
        "| api_token | string | q7Zt2Lm9 | prod |",
        "   user  password\n0   ada  q7Zt2Lm9\n1 grace  q7Zt2Lm9",
        "NAME   TOKEN         AGE\nada    q7Zt2Lm9      3d",
    ],
)
def test_secrets_go_from_the_rows_of_tables(text: str) -> None:
    """Of CSV, Markdown, boxes and columns, with one heading or a name in each row."""
    safe = Redactor().text(text)
    assert "q7Zt2Lm9" not in safe
    assert all(kept in safe for kept in ("ada", "grace", "prod") if kept in text)


@pytest.mark.parametrize(
    "text",
    [
        "token,count\nthe,12345\nof,9876",
        "| token | count |\n| --- | --- |\n| the | 12,345 |",
        "metric,key,best\nacc,val,0.91",
        "password,email,age",
        "│ password │ ******** │",
        "key,value\n9f86d081884c7d659a2feaa0c55ad015,1",
        "   user  token\n0   ada  the\n1 grace  of",
    ],
)
def test_tables_without_secrets_stay(text: str) -> None:
    """Words, numbers and masks below a heading are no secrets."""
    assert Redactor().text(text) == text
