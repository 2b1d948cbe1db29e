"""Fifty more regressions, of another pipeline, written after the rules and before a look."""

from __future__ import annotations

from dataclasses import replace

from .planted import Regression

__all__ = ["CHURN", "CHURN_UNCHANGED"]

_DECOYS: tuple[tuple[str, str], ...] = (
    ("slack-sdk==3.27.1", "slack-sdk==3.28.0"),
    ("seed: int = 7", "seed: int = 8"),
    ('"PIP_NO_CACHE_DIR": "1"', '"PIP_NO_CACHE_DIR": "0"'),
    ('"cost_center": "4711"', '"cost_center": "4712"'),
    ("batch: int = 100", "batch: int = 120"),
    ('region: str = "eu"', 'region: str = "eu-central"'),
    ('how: str = "left"', 'how: str = "inner"'),
    ("cpu_count=4", "cpu_count=6"),
    ('market: str = "de"', 'market: str = "at"'),
    ('"MALLOC_ARENA_MAX": "2"', '"MALLOC_ARENA_MAX": "4"'),
)


def _edit(
    name: str, fails: str, old: str, new: str, *cause: str, error: BaseException | None = None
) -> Regression:
    return Regression(name, fails, cause, {old: new}, error)


def _requires(name: str, fails: str, old: str, new: str, error: BaseException) -> Regression:
    package = old.partition("==")[0].partition(">")[0]
    return Regression(name, fails, (package,), {old: new}, error)


_CAUSES = [
    # Parameters
    _edit(
        "table renamed",
        "fetch_events",
        'table: str = "crm.events"',
        'table: str = "crm.event"',
        "table",
        "crm.event",
    ),
    _edit(
        "look-back",
        "fit_churn",
        "since_days: int = 90",
        "since_days: int = 0",
        "since_days",
        "90",
    ),
    _edit(
        "join key",
        "join_contracts",
        'on: str = "id"',
        'on: str = "customer_id"',
        "on",
        "customer_id",
    ),
    _edit(
        "leaves", "fit_churn", "leaves: int = 31", "leaves: int = 310000", "leaves", "310000"
    ),
    _edit(
        "objective",
        "fit_churn",
        'objective: str = "binary"',
        'objective: str = "binray"',
        "objective",
        "binray",
    ),
    _edit(
        "trees, seen two steps later",
        "calibrate",
        "trees: int = 400",
        "trees: int = 4000",
        "trees",
        "4000",
    ),
    _edit(
        "alpha, seen two steps later",
        "calibrate",
        "alpha: float = 0.01",
        "alpha: float = 0.1",
        "alpha",
        "0.1",
    ),
    _edit("bins", "calibrate", "bins: int = 20", "bins: int = 5000", "bins", "5000"),
    _edit(
        "tolerance",
        "calibrate",
        "tolerance: float = 0.2",
        "tolerance: float = 0.02",
        "tolerance",
        "0.02",
    ),
    _edit("channel", "announce", '"#churn"', '"churn"', "channel", "churn"),
    _edit(
        "endpoint",
        "announce",
        "https://hooks.example.com",
        "https://hook.example.com",
        "endpoint",
        "hook.example",
        error=OSError(
            "HTTPSConnectionPool(host='hook.example.com', port=443): "
            "Max retries exceeded with url: /"
        ),
    ),
    _edit(
        "market of the whole pipeline",
        "join_contracts",
        'market: str = "de"',
        'market: str = "xx"',
        "market",
        "xx",
        error=KeyError("no contract for market xx"),
    ),
    _edit(
        "dialect",
        "fetch_events",
        '"postgresql"',
        '"postgres"',
        "dialect",
        "postgres",
        error=RuntimeError(
            "sqlalchemy.exc.NoSuchModuleError: Can't load plugin: sqlalchemy.dialects:postgres"
        ),
    ),
    # Code
    _edit(
        "attribute error",
        "join_contracts",
        "events.assign(plan=plans)",
        "events.asign(plan=plans)",
        "code",
        "join_contracts",
    ),
    _edit(
        "wrong dictionary key",
        "calibrate",
        'model["scale"]',
        'model["scaling"]',
        "code",
        "calibrate",
    ),
    _edit(
        "dropped column upstream",
        "fit_churn",
        "events.assign(plan=plans)",
        'events.assign(plan=plans).drop(columns=["amount"])',
        "code",
        "join_contracts",
    ),
    _edit(
        "unit changed upstream",
        "calibrate",
        "alpha * trees",
        "alpha * trees * 100",
        "code",
        "fit_churn",
    ),
    _edit(
        "early return",
        "join_contracts",
        "return frame.head(since_days * 100)",
        "return frame.head(0).drop(columns=['id'])",
        "code",
        "fetch_events",
    ),
    _edit(
        "missing file",
        "announce",
        "    return endpoint\n",
        "    open('template.html').read()\n    return endpoint\n",
        "code",
        "announce",
    ),
    _edit(
        "missing variable",
        "announce",
        "    return endpoint\n",
        "    os.environ['SLACK_TOKEN']\n    return endpoint\n",
        "code",
        "announce",
    ),
    _edit(
        "unserialisable",
        "fit_churn",
        '"scale": alpha * trees}',
        '"scale": int}["scale"]("x")',
        "code",
        "fit_churn",
    ),
    _edit(
        "recursion",
        "calibrate",
        "width = len(events) // bins",
        "width = (lambda f: f(f))(lambda f: f(f))",
        "code",
        "calibrate",
    ),
    # Packages that the image requires
    _requires(
        "lightgbm",
        "fit_churn",
        "lightgbm==4.3.0",
        "lightgbm==4.5.0",
        TypeError("train() got an unexpected keyword argument 'early_stopping_rounds'"),
    ),
    _requires(
        "sqlalchemy",
        "fetch_events",
        "sqlalchemy==2.0.29",
        "sqlalchemy==1.4.52",
        ImportError("cannot import name 'DeclarativeBase' from 'sqlalchemy.orm'"),
    ),
    _requires(
        "boto3 unpinned",
        "fetch_events",
        "boto3>=1.34,<1.35",
        "boto3",
        RuntimeError(
            "An error occurred (InvalidRequest): x-amz-checksum-crc32 is not supported"
        ),
    ),
    _requires(
        "numpy 2",
        "fit_churn",
        "numpy==1.26.4",
        "numpy==2.0.0",
        ValueError(
            "numpy.dtype size changed, may indicate binary incompatibility. "
            "Expected 96 from C header, got 88"
        ),
    ),
    _requires(
        "slack sdk",
        "announce",
        "slack-sdk==3.27.1",
        "slack-sdk==2.9.4",
        ModuleNotFoundError("No module named 'slack_sdk.webhook'"),
    ),
    # Packages of the machine itself
    Regression(
        "installed pydantic",
        "calibrate",
        ("pydantic",),
        error=AttributeError("'FieldInfo' object has no attribute 'required' (pydantic)"),
        installed={"pydantic": "9.1.0"},
    ),
    Regression(
        "installed urllib3",
        "announce",
        ("urllib3",),
        error=TypeError("HTTPResponse.__init__() got an unexpected keyword argument 'strict'"),
        installed={"urllib3": "9.0.1"},
        trace="urllib3",
    ),
    # Data
    Regression("no events", "fit_churn", ("fetch_events", "1,000", "0"), rows=0, empty=True),
    Regression("a handful of events", "fit_churn", ("fetch_events", "12"), rows=12),
    Regression("constant feature", "fit_churn", ("fetch_events",), value=3),
    Regression("column gone", "fit_churn", ("fetch_events", "amount"), without="amount"),
    Regression("numbers became text", "fit_churn", ("fetch_events",), value="3,50"),
    Regression(
        "contracts without a plan", "join_contracts", ("contracts",), saves={"tariff": "basic"}
    ),
    Regression("contracts empty", "join_contracts", ("contracts",), saves={}),
    Regression(
        "nine times the events",
        "fit_churn",
        ("fetch_events", "9,000"),
        rows=9_000,
        error=RuntimeError(
            "numpy._core._exceptions._ArrayMemoryError: "
            "Unable to allocate 88. GiB for an array with shape (9000, 1300000)"
        ),
    ),
    # Machine, image, environment
    _edit(
        "base image",
        "fit_churn",
        "ml/base:2026.10",
        "ml/base:2026.11",
        "2026.11",
        error=OSError(
            "/lib/x86_64-linux-gnu/libstdc++.so.6: version `GLIBCXX_3.4.32' not found"
        ),
    ),
    _edit(
        "client library",
        "fetch_events",
        '"libpq5", "git"',
        '"git"',
        "libpq5",
        error=ImportError(
            "libpq.so.5: cannot open shared object file: No such file or directory"
        ),
    ),
    _edit(
        "less memory",
        "fit_churn",
        'memory="32GB"',
        'memory="3GB"',
        "memory",
        "3GB",
        error=RuntimeError("Pod churn-fit was evicted: The node was low on resource: memory"),
    ),
    _edit(
        "one GPU",
        "fit_churn",
        "gpu_count=2",
        "gpu_count=1",
        "gpu_count",
        error=RuntimeError("CUDA error: invalid device ordinal"),
    ),
    _edit(
        "proxy",
        "announce",
        "http://proxy:3128",
        "http://proxy2:3128",
        "HTTPS_PROXY",
        error=OSError("Tunnel connection failed: 407 Proxy Authentication Required"),
    ),
    _edit(
        "database host",
        "fetch_events",
        "db.internal",
        "db-new.internal",
        "DB_HOST",
        error=OSError(
            'could not translate host name "db-new.internal" to address: '
            "Name or service not known"
        ),
    ),
    _edit(
        "connect timeout",
        "fetch_events",
        '"PGCONNECT_TIMEOUT": "10"',
        '"PGCONNECT_TIMEOUT": "1"',
        "PGCONNECT_TIMEOUT",
        error=OSError(
            'connection to server at "db.internal", port 5432 failed: timeout expired'
        ),
    ),
    Regression(
        "another stack",
        "announce",
        ("stack",),
        error=RuntimeError("Unable to locate credentials"),
        stack=True,
    ),
    Regression(
        "bucket of the other stack",
        "join_contracts",
        ("stack",),
        error=FileNotFoundError("The specified bucket does not exist: ml-artifacts"),
        stack=True,
    ),
    Regression(
        "earlier schedule",
        "fetch_events",
        ("schedule", "0 5 * * 1", "0 1 * * 1"),
        error=FileNotFoundError("partition dt=2026-11-28 is not there yet"),
        cron="0 1 * * 1",
    ),
    # Secrets
    Regression(
        "database password",
        "fetch_events",
        ("warehouse",),
        error=RuntimeError('FATAL: password authentication failed for user "etl"'),
        rotates="warehouse",
    ),
    Regression(
        "webhook revoked",
        "announce",
        ("registry",),
        error=RuntimeError("{'ok': False, 'error': 'invalid_auth'}"),
        rotates="registry",
    ),
    Regression(
        "secret swapped",
        "announce",
        ("registry",),
        {'"SECRET_B"': '"SECRET_A"'},
        KeyError("registry_password"),
    ),
]


def _with_decoys(number: int, planted: Regression) -> Regression:
    touched = " ".join((*planted.edits, *planted.edits.values()))
    free = [
        place
        for place, (old, _) in enumerate(_DECOYS)
        if old.split(":")[0].split("=")[0] not in touched and old not in touched
    ]
    picked = tuple(_DECOYS[free[(number * 3 + step) % len(free)]] for step in range(3))
    return replace(planted, decoys=picked, project="project_churn.txt")


CHURN = tuple(_with_decoys(number, planted) for number, planted in enumerate(_CAUSES))
assert len(CHURN) == 50
CHURN_UNCHANGED = tuple(
    Regression(
        f"{type(error).__name__} in {step}", step, (), error=error, project="project_churn.txt"
    )
    for step, error in (
        ("fetch_events", ConnectionResetError("Connection reset by peer")),
        ("fetch_events", TimeoutError("canceling statement due to statement timeout")),
        ("fetch_events", RuntimeError("deadlock detected")),
        ("fetch_events", PermissionError("401 Unauthorized")),
        ("join_contracts", MemoryError("Unable to allocate 2.1 GiB")),
        ("join_contracts", KeyError("id")),
        ("join_contracts", OSError(28, "No space left on device")),
        ("fit_churn", RuntimeError("CUDA error: an illegal memory access was encountered")),
        ("fit_churn", FloatingPointError("loss is nan")),
        ("fit_churn", ModuleNotFoundError("No module named 'lightgbm'")),
        ("calibrate", AssertionError("calibration error 0.21 exceeds 0.2")),
        ("calibrate", ZeroDivisionError("division by zero")),
        ("announce", RuntimeError("The server responded with: {'error': 'ratelimited'}")),
        ("announce", ConnectionError("503 Service Unavailable")),
        ("announce", FileNotFoundError("template.html")),
    )
)
