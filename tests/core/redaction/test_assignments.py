"""Behaviour of assignments: values behind a secret name go, ordinary words stay."""

from __future__ import annotations

import time

import pytest

from zenmail.redaction.redact import Redactor


@pytest.mark.parametrize(
    "text",
    [
        "password=hunter2",
        "password: hunter2",
        "Password = 'hunter2'",
        'PASSWORD="hunter2"',
        '{"password": "hunter2"}',
        "{'db_password': 'hunter2', 'n': 1}",
        "--password hunter2",
        "--db-password=hunter2",
        "DB_PASSWORD=hunter2",
        "os.environ['API_KEY'] = 'hunter2'",
        "api_key: hunter2",
        "apiKey=hunter2&x=1",
        "?token=hunter2&x=1",
        "token: hunter2",
        "AWS_SECRET_ACCESS_KEY=hunter2",
        "SecretAccessKey: hunter2",
        "client_secret=hunter2",
        "Authorization: Bearer hunter2",
        "authorization: hunter2",
        "Cookie: session=hunter2; a=b",
        "Server=db;User Id=sa;Password=hunter2;Encrypt=1",
        "AccountKey=hunter2==;Endpoint=x",
        r"{\"password\": \"hunter2\"}",
        "connect(user='a', password='hunter2')",
        "passphrase: hunter2",
        "private_key = hunter2",
        "pwd=hunter2",
        "smtp_pass: hunter2",
        "connection_string: hunter2",
        "auth_token=hunter2",
        "X-Api-Key: hunter2",
        'password="say \\"hunter2\\" twice"',
        "token='hunter2",
        "password=hun,hunter2",
        "password: hunter2.",
        "refresh_token=>hunter2",
        "headers=[('accept', '*/*'), ('x-api-key', 'hunter2')]",
        "Headers([(b'Authorization', b'Bearer hunter2')])",
        '("password", "hunter2",)',
        "requests.get(url, auth=('ada', 'hunter2'))",
        'auth = (user, "hunter2")',
        "passwords = ['hunter2', 'open sesame']",
        "passwords=[None, 'hunter2']",
        "api_keys = {'openai': 'hunter2', 'x': None}",
        "credentials={'a': {'x': 'q'}, 'b': {'x': 'hunter2'}}",
        "passwords={'u1': ['p1'], 'u2': ['hunter2']}",
        "passwords=['ab', 'c\"]d', 'hunter2']",
        "passwords=['ada',\n 'hunter2']",
        '"credentials": {\n  "login": "hunter2"\n}',
        r"{\"credentials\": {\"login\": \"hunter2\"}}",
        "api_keys=" + repr(["hunter2-" + "x" * 40] * 14),
        "api_keys: [9fK2lqXz81, hunter2]",
        "tokens=[9fK2lqXz81, hunter2]",
        "tokens=[hunter2, 'the', 'cat']",
        "--set passwords={9fK2lqXz81,hunter2}",
        "password=(5,hunter2",
        "token=[5,hunter2 # and more",
        "auth=(hunter2 user = 'ada'",
        "password=[]hunter2",
        "assert password == 'hunter2'",
        "auth={'user': 'ada', 'pw': 'hunter2'}",
        "tokens={'a': 1, 'b': 'hunter2'}",
        "auth=(get('a','b'), 'hunter2')",
        "auth=('a,b', 'hunter2')",
        "auth=(\n 'u',\n 'hunter2',\n)",
        '["x-api-key", "hunter2"]',
        "('authorization', 'hunter2', True)",
        "Command '['az', 'login', '--password', 'hunter2']' failed",
        'password: str = "hunter2"',
        "api_key: Optional[str] = 'hunter2'",
        "password: str | None = 'hunter2'",
        "password: hunter2, user='ada'",
        "password: hunter2 user = 'ada'",
        '{"name": "DB_PASSWORD", "value": "hunter2"}',
        '{"name":"DB_PASSWORD","value":"hunter2"}',
        "- name: DB_PASSWORD\n  value: hunter2\n",
        "EnvVar(name='DB_PASSWORD', value='hunter2')",
        "api_keys=('hunter2',)",
        "credentials: {'user': 'ada', 'pw': 'hunter2'}",
        """auth=(os.environ["USER"], "hunter2's")""",
        "credentials: hunter2",
        "password: |\n  hunter2\nuser: ada",
        "db:\n  password: >-\n    hunter2\n    hunter2 too\n\n    hunter2\n  user: ada",
        "password: |\n\n  hunter2\nuser: ada",
        "password: |\n    one\n  \n    hunter2\nuser: ada",
        "password: |2\n    one\n  hunter2\nuser: ada",
        "password: | # not for everybody\n  hunter2\nuser: ada",
        "password: |\r\n  hunter2\r\nuser: ada",
        "- password: |\n    hunter2\n  user: ada",
        "pwd=b/hunter2",
        "Uid=sa;Pwd=fR/hunter2;Database=b",
        "password: |\n  a\n" + "  hunter2\n" * 2000 + "user: ada",
        "pwd='hunter2'",
    ],
)
def test_values_named_secret_are_taken_out(text: str) -> None:
    """A value behind a secret name goes, in every notation that tracebacks and logs use."""
    redactor = Redactor()
    safe = redactor.text(text)
    assert "hunter2" not in safe
    assert redactor.count == 1
    assert redactor.text(safe) == safe, "what is redacted stays as it is"


@pytest.mark.parametrize(
    "text",
    [
        'api_key="sk-abc1"',
        'token="x1"',
        "export TOKEN=x1",
        "--api-key x-1",
        '{"access_token": "t-77"}',
        "client_secret: a1b2",
        "MINIO_SECRET_KEY=min10",
        "db_pw=Sommer24",
        "host=db user=etl password=postgres sslmode=require",
        "DB_PASSWORD \u2192 arr0w",
        'the password is "qu0ted"',
        "databricks configure --token dapi-short-77",
        "license-key: ABCD-1234-EFGH-5678",
        "FLASK_SECRET=fl4sk",
        "user=admin pass=adm1n-9",
        'ssh-keygen -t ed25519 -N "keyphr4se" -f id',
    ],
)
def test_short_secrets_go_where_their_names_are_unmistakable(text: str) -> None:
    """Letters and digits are enough, in texts as in structured values."""
    assert Redactor().text(text).count("[redacted]") == 1


@pytest.mark.parametrize(
    "text",
    [
        """echo '{"db_password": "<db_password>"}' > rerun.yaml && zenml pipeline run a.b""",
        "tokens: 512",
        "unexpected token: x1",
        "token_str: 'x1'",
        "KMS_KEY=alias/k1",
        "PASSWORD_HASHERS=argon2",
        "existingSecret: postgres-creds-2",
        "token = tok2",
        "login(token=tok2)",
        "def login(user, password=default): pass",
        "auth_token: oauth2",
        "signing_key=sha256",
        "token = 1*tchar",
        "api_key: v2",
        "FATAL: Access denied for user 'root' (using password: NO)",
        "max_tokens=4096",
        "n_tokens: 1,024",
        "Processed 3 tokens per second",
        "token_count: 17",
        "Invalid token: expected a string",
        "the secret of success",
        "KeyError: 'api_key'",
        "Bearer token expired",
        "Basic authentication is not supported",
        "basic training done",
        "monkey: banana",
        "primary_key: id",
        "author: Ada",
        "password_length=12",
        "tokenizer=bert-base",
        "https://localhost:8080/@scope/x",
        "git@github.com:org/repo.git",
        "pad_token: <pad>",
        "eos_token=</s>",
        "task-runner-for-the-nightly-build-job",
        "sk-learn-pipeline-for-training",
        "token = get_token()",
        "password=None",
        "password: ${DB_PASSWORD}",
        "PWD=/home/ada",
        "key=value",
        "See https://example.com/a?b=c#d",
        "passed: 10, failed: 2",
        "secret_name: email_credentials",
        "accuracy: 0.92\nloss: 0.1",
        "KeyboardInterrupt",
        "12:34:56",
        "a:b@c",
        "Connection refused: db.example.com:5432",
        "sort_key: created",
        "KeyError: ['password', 'email'] not in index",
        "columns = ('password', 'email', 'age')",
        "isin(('token', column))",
        "KeyError: ('token', 'label')",
        "[('id', 'int'), ('password', 'varchar'), ('token', 'NN')]",
        "tokens = ['the', 'cat', 'sat']",
        "tokens: ['[CLS]', 'the', '##ing', '.', '7']",
        "tokens = {'train': 512, 'test': 1.5}",
        "secrets={}",
        "api_keys=['[redacted]', '[redacted]']",
        'Column("password", "varchar(64)")',
        "missing_credentials=['username', 'password']",
        "missing secrets: ['smtp_password', 'api_key']",
        "{'token': 5, 'columns': ['id', 'name']}",
        "requireAuth('admin', 'editor') in place of BasicAuth()",
        "machine learning login required password reset",
        "curl -u https://example.com",
        "libcurl error -u 8:9",
        "password: {{ vault.password }}",
        "mysql -p 3306",
        "getattr(row, 'password', 'missing')",
        "auth=(user, password)",
        "tokens=[]",
        "curl -sS https://example.com/a:b",
        "docker run -u 1000:1000 image",
        "a machine learning login password prompt",
        "BasicAuth(user, password)",
        "client.login('ada')",
        "SecretStr('**********')",
        "the password 'must be set'",
        "docker run -p 8080:80 image",
        "docker login -u ada --password-stdin",
        "docker login -u ada -p $TOKEN",
        "['docker', 'login', '-p', password]",
        "return f\"SecretStr('{self}')\"",
        "the user identified by 'name'",
        "a problem with password 'reset' mails",
        "docker login -u ada --password-stdin a.example && docker run -p 8080:80 image",
        "docker login a.example && mkdir -p /data/out",
        "docker login failed, run with -p 3 workers",
        "page.login('admin', '/dashboard')",
        "- password: |\n  user: bob",
        "token: |\nnext: line",
        "  token: |\n  next: line",
        "  | password: |\n  | user:     |",
        "curl --cert /etc/ada.pem https://example.com/a:b",
        r"curl --cert C:\certs\ada.pem https://example.com",
        "PWD='/home/ada'",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    """What only resembles a secret is left as it is."""
    redactor = Redactor()
    assert redactor.text(text) == text
    assert redactor.count == 0


@pytest.mark.once
@pytest.mark.no_cover  # it would double the time
def test_time_is_linear_in_nested_texts() -> None:
    """Texts within texts, each redacted already, are not looked through again and again."""

    def seconds(size: int) -> float:
        depth = int((size / 2) ** 0.5)
        nest = "".join(
            f"{' ' * level}password: |\n{' ' * level} [redacted]\n" for level in range(depth)
        )
        text = nest + "\n" * (size // 2)
        started = time.process_time()
        Redactor().text(text)
        return time.process_time() - started

    assert seconds(400_000) < 14 * seconds(50_000) + 0.1


def test_what_shapes_left_of_an_indented_text_goes() -> None:
    """That its beginning is redacted already saves no line of it."""
    text = "password: |\n  own-secret-1 and more\n  hunter2\nuser: ada"
    assert Redactor(["own-secret-1"]).text(text) == "password: |\n  [redacted]\nuser: ada"


@pytest.mark.parametrize(
    "text", ["OTP=123456", "pin: 4711", "your verification code is 123456"]
)
def test_a_code_of_digits_goes(text: str) -> None:
    """Where the name says that it opens something."""
    assert not any(map(str.isdigit, Redactor().text(text)))


def test_a_name_is_judged_though_another_one_shares_its_surroundings() -> None:
    """An innocent name does not hide a secret one in the same short text."""
    safe = Redactor().text("credentials:\n  token: S9VhQt1n0dU0bWHPybdb")
    assert safe == "credentials:\n  token: [redacted]"


@pytest.mark.parametrize(
    "text",
    [
        "ParameterKey=DbPassword,ParameterValue=q7Zt2Lm9Xv4Kp8",
        '{"ParameterKey": "DbPassword", "ParameterValue": "q7Zt2Lm9Xv4Kp8"}',
        '"name":"token","type":"string","value":"q7Zt2Lm9Xv4Kp8"',
        '<setting name="ApiKey"><value>q7Zt2Lm9Xv4Kp8Rw3Bn6</value></setting>',
        "token used was q7Zt2Lm9Xv4Kp8Rw3Bn6",
        "license key: q7Zt2Lm9Xv4Kp8Rw3Bn6",
        "password%3Dq7Zt2Lm9Xv4Kp8",
        "keytool -storepass q7Zt2Lm9Xv4Kp8 -list",
        "sqlplus ada/q7Zt2Lm9Xv4Kp8@db",
        "kubectl create secret generic x --from-literal=api=q7Zt2Lm9Xv4Kp8",
        "mc alias set m http://x AKEXAMPLE q7Zt2Lm9Xv4Kp8",
        "az ad sp create-for-rbac -p q7Zt2Lm9Xv4Kp8",
        "password&#61;q7Zt2Lm9Xv4Kp8",
        "password: &quot;q7Zt2Lm9Xv4Kp8&quot;",
        "api_key%22%3A%22q7Zt2Lm9Xv4Kp8%22",
        r"api_key\u003dq7Zt2Lm9Xv4Kp8",
        "\x1b[31mapi_key\x1b[0m=q7Zt2Lm9Xv4Kp8",
        "API_KEY=\nq7Zt2Lm9Xv4Kp8Rw3Bn6",
        "api_token (str): q7Zt2Lm9Xv4Kp8",
        "password ........: q7Zt2Lm9Xv4Kp8",
        "api_token <- q7Zt2Lm9Xv4Kp8",
        "secret_key: !vault q7Zt2Lm9Xv4Kp8",
        "webhook_secret set to q7Zt2Lm9Xv4Kp8Rw3Bn6",
        "Set 'secret_key' to 'q7Zt2Lm9Xv4Kp8Rw3Bn6'",
        "API_TOKEN is set to q7Zt2Lm9Xv4Kp8Rw3Bn6",
        "password:\n  q7Zt2Lm9Xv4Kp8",
        "mot de passe : q7Zt2Lm9Xv4Kp8",
        "contraseña: q7Zt2Lm9Xv4Kp8",
        "密码\uff1aq7Zt2Lm9Xv4Kp8",
        "OTP=q7Zt2Lm9Xv4Kp8",
        "with key q7Zt2Lm9Xv4Kp8Rw3Bn6",
        "JSESSIONID=q7Zt2Lm9Xv4Kp8Rw3Bn6",
        "secrets:\n  user: ada\n  db: q7Zt2Lm9Xv4Kp8",
        "kind: Secret\nstringData:\n  db: q7Zt2Lm9Xv4Kp8",
        "- value: q7Zt2Lm9Xv4Kp8\n  name: API_KEY",
        "password\n  Bad [type=string_too_short, input_value='q7Zt2Lm9Xv4Kp8']",
        "AzureKeyCredential('q7Zt2Lm9Xv4Kp8')",
        "StorageSharedKeyCredential('acme', 'q7Zt2Lm9Xv4Kp8')",
        "db.example.com:5432:prod:ada:q7Zt2Lm9Xv4Kp8",
        "*:*:*:ada:q7Zt2Lm9Xv4Kp8",
        "smtp://ada:q7Zt2Lm9Xv4Kp8#1@mail.example.com:587",
        "https://q7Zt2Lm9Xv4Kp8Rw3Bn6:x-oauth-basic@github.com/a/b",
        "echo 'q7Zt2Lm9Xv4Kp8' | docker login --password-stdin",
        "sudo -S <<< q7Zt2Lm9Xv4Kp8",
        "Secret[str]('q7Zt2Lm9Xv4Kp8')",
        "PuTTY-User-Key-File-3: ssh-rsa\nPrivate-Lines: 1\nq7Zt2Lm9Xv4Kp8",
    ],
)
def test_a_secret_goes_however_its_name_is_tied_to_it(text: str) -> None:
    """In templates, in XML, in sentences, in encoded forms and in commands."""
    assert "q7Zt2Lm9Xv4Kp8" not in Redactor().text(text)


@pytest.mark.parametrize(
    "text",
    [
        "cache key: q7Zt2Lm9Xv4Kp8Rw3Bn6",
        "kubectl create configmap x --from-literal=a=b2c3d4",
        "with key 'loss'",
        "exit code: 137",
        "localhost:5432:zenml:ada:ready",
        "password=SecretStr('**********')",
        'PASSWORD = config["db"]["password"]',
        "password = Path('/run/secrets/db').read_text()",
        "password=%DB_PASSWORD%",
        "docker://localhost:5000/train@sha256:0f3c5d7e1a2b3c4d5e6f7a8b9c0d1e2f",
    ],
)
def test_what_opens_nothing_stays(text: str) -> None:
    """A key of data and a setting of a config map are no secrets."""
    assert Redactor().text(text) == text
