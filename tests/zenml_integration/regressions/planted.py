"""Fifty regressions: a good run, an edit or an event, a failing run, and the true cause."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["PLANTED", "UNCHANGED", "Regression"]


@dataclass(frozen=True)
class Regression:
    """One planted regression.

    Attributes:
        name: What broke.
        fails: The step that fails.
        cause: What the line about the true cause must hold.
        edits: Text to replacement in the project: the true cause.
        error: What the failing step raises, if the edit alone does not make it fail.
        rows: The number of rows in the failing run.
        without: A column that the failing run's data lacks.
        value: What every amount is in the failing run, or None.
        rotates: A secret whose value changes before the failing run.
        stack: Whether the failing run is on another stack.
        decoys: Other edits made at the same time.
        project: The pipeline's text.
        installed: Packages with other versions in the failing run.
        trace: A package that raises the error.
        empty: Whether the failing run's rows still have their columns if there are none.
        saves: What the failing run finds in the place of the contracts, or None.
        cron: When the failing run is scheduled, if runs are.
    """

    name: str
    fails: str
    cause: tuple[str, ...]
    edits: dict[str, str] = field(default_factory=dict)
    error: BaseException | None = None
    rows: int = 1003
    without: str = ""
    value: object = None
    rotates: str = ""
    stack: bool = False
    decoys: tuple[tuple[str, str], ...] = ()
    project: str = "project.txt"
    installed: dict[str, str] = field(default_factory=dict)
    trace: str = ""
    empty: bool = False
    saves: object = None
    cron: str = ""


DECOYS: tuple[tuple[str, str], ...] = (
    ("tqdm==4.66.1", "tqdm==4.66.4"),
    ("threshold: float = 0.5", "threshold: float = 0.55"),
    ('"LOG_LEVEL": "info"', '"LOG_LEVEL": "debug"'),
    ('channel: str = "stable"', 'channel: str = "beta"'),
    (
        'sheet: str = "orders", api_version: int = 2',
        'sheet: str = "orders", api_version: int = 3',
    ),
    ("fill: float = 0.0", "fill: float = 0.5"),
    ("epochs: int = 10", "epochs: int = 12"),
    ('"owner": "team-a"', '"owner": "team-b"'),
    ("folds: int = 5", "folds: int = 4"),
    ('"TZ": "UTC"', '"TZ": "Europe/Berlin"'),
)


def _param(
    name: str, fails: str, old: str, new: str, *cause: str, **more: object
) -> Regression:
    return Regression(name, fails, cause, {old: new}, **more)  # type: ignore[arg-type]


def _package(name: str, fails: str, old: str, new: str, error: BaseException) -> Regression:
    package, before = old.split("==")
    return Regression(name, fails, (package, before, new), {old: f"{package}=={new}"}, error)


_CAUSES: list[Regression] = [
    # Parameters
    _param(
        "learning rate",
        "train",
        "learning_rate: float = 0.003",
        "learning_rate: float = 0.3",
        "learning_rate",
        "0.003",
        "0.3",
    ),
    _param(
        "batch size",
        "train",
        "batch_size: int = 64",
        "batch_size: int = 65536",
        "batch_size",
        "64",
        "65536",
    ),
    _param("depth", "train", "depth: int = 6", "depth: int = 0", "depth", "6", "0"),
    _param(
        "solver",
        "train",
        'solver: str = "lbfgs"',
        'solver: str = "newton"',
        "solver",
        "lbfgs",
        "newton",
    ),
    _param(
        "source",
        "load",
        "s3://sales/daily",
        "s3://slaes/daily",
        "source",
        "s3://sales/daily",
        "s3://slaes/daily",
    ),
    _param("sheet", "load", 'sheet: str = "orders"', 'sheet: str = "order"', "sheet", "orders"),
    _param(
        "threshold",
        "evaluate",
        "threshold: float = 0.5",
        "threshold: float = 0.95",
        "threshold",
        "0.5",
        "0.95",
    ),
    _param(
        "metric", "evaluate", 'metric: str = "f1"', 'metric: str = "f2"', "metric", "f1", "f2"
    ),
    _param(
        "timeout setting",
        "publish",
        "timeout: float = 30.0",
        "timeout: float = 0.3",
        "timeout",
        "30.0",
        "0.3",
    ),
    _param(
        "replicas",
        "publish",
        "replicas: int = 2",
        "replicas: int = 200",
        "replicas",
        "2",
        "200",
    ),
    _param(
        "minimum of rows",
        "prepare",
        "min_rows: int = 10",
        "min_rows: int = 100000",
        "min_rows",
        "10",
        "100000",
    ),
    _param(
        "renamed key",
        "prepare",
        'key: str = "amount"',
        'key: str = "amonut"',
        "key",
        "amount",
        "amonut",
    ),
    _param(
        "service address",
        "publish",
        "https://models.example.com",
        "https://models.exmaple.com",
        "url",
        "exmaple",
        error=ConnectionError("Name or service not known: models.exmaple.com"),
    ),
    _param(
        "service version",
        "load",
        "api_version: int = 2",
        "api_version: int = 9",
        "api_version",
        "2",
        "9",
        error=RuntimeError("410 Gone: this API version was retired"),
    ),
    _param("limit upstream", "prepare", "limit: int = 0", "limit: int = 3", "limit", "0", "3"),
    _param("folds", "evaluate", "folds: int = 5", "folds: int = 50", "folds", "5", "50"),
    # Code
    _param(
        "typo in code", "train", '"n": len(rows)}', '"n": len(rows) + rosw}', "code", "train"
    ),
    _param(
        "wrong column in code", "train", 'row["y"] for', 'row["label"] for', "code", "train"
    ),
    _param(
        "division in code",
        "evaluate",
        "0.9 / folds * 5",
        "0.9 / (folds - folds)",
        "code",
        "evaluate",
    ),
    _param("type in code", "prepare", "float(row[key])", "float(row)", "code", "prepare"),
    _param(
        "filter upstream",
        "train",
        "kept = [row for row in rows if row[key] is not None]",
        "kept = [row for row in rows if row[key] is None]",
        "code",
        "prepare",
    ),
    _param("label upstream", "train", "int(value > 5)", "int(value > 5000)", "code", "prepare"),
    _param(
        "import in code",
        "publish",
        "    return url\n",
        "    import modelhub_client\n    return url\n",
        "code",
        "publish",
    ),
    _param(
        "renamed output",
        "evaluate",
        "score = 0.9",
        "score = model['weights'] * 0.9",
        "code",
        "evaluate",
    ),
    _param(
        "signature in code",
        "load",
        "rows = world.rows()",
        "rows = world.rows(2026)",
        "code",
        "load",
    ),
    # Packages
    _package(
        "scikit-learn",
        "train",
        "scikit-learn==1.4.2",
        "1.5.0",
        TypeError(
            "OneHotEncoder.__init__() got an unexpected keyword argument 'sparse' "
            "(sklearn.preprocessing)"
        ),
    ),
    _package(
        "pandas",
        "prepare",
        "pandas==2.2.2",
        "3.0.0",
        AttributeError("'DataFrame' object has no attribute 'append' (pandas)"),
    ),
    _package(
        "requests",
        "load",
        "requests==2.31.0",
        "2.32.0",
        RuntimeError("requests.exceptions.InvalidSchema: Not supported URL scheme http+docker"),
    ),
    _package(
        "pyarrow",
        "load",
        "pyarrow==15.0.0",
        "17.0.0",
        OSError("pyarrow.lib.ArrowInvalid: Parquet magic bytes not found in footer"),
    ),
    Regression(
        "package removed",
        "prepare",
        ("pandas",),
        {'"pandas==2.2.2", ': ""},
        ModuleNotFoundError("No module named 'pandas'"),
    ),
    _package(
        "pickle of another version",
        "evaluate",
        "scikit-learn==1.4.2",
        "1.3.0",
        ValueError("node array from the pickle has an incompatible dtype"),
    ),
    # Data
    Regression("empty data", "prepare", ("rows", "1,000", "0"), rows=0),
    Regression("few rows", "prepare", ("rows", "1,000", "4"), rows=4),
    Regression("one class", "train", ("rows",), value=1.0),
    Regression("missing column", "prepare", ("rows",), without="amount"),
    Regression("text among numbers", "prepare", ("rows",), value="n/a"),
    Regression(
        "ten times the data",
        "train",
        ("rows", "1,000", "10,000"),
        rows=10_000,
        error=MemoryError("Unable to allocate 31.2 GiB for an array"),
    ),
    Regression(
        "slow on more data",
        "train",
        ("rows", "1,000", "20,000"),
        rows=20_000,
        error=TimeoutError("step exceeded its time limit of 600 s"),
    ),
    # Image, machine, environment
    Regression(
        "parent image",
        "train",
        ("python:3.11.8-slim", "python:3.13-slim"),
        {"python:3.11.8-slim": "python:3.13-slim"},
        ImportError("libcudart.so.12: cannot open shared object file"),
    ),
    Regression(
        "system package",
        "train",
        ("libgomp1",),
        {'apt_packages=["libgomp1"]': "apt_packages=[]"},
        OSError("libgomp.so.1: cannot open shared object file: No such file or directory"),
    ),
    Regression(
        "memory",
        "train",
        ("memory", "16GB", "2GB"),
        {'memory="16GB"': 'memory="2GB"'},
        MemoryError("container killed: OOMKilled, exit code 137"),
    ),
    Regression(
        "memory of the loader",
        "load",
        ("memory", "4GB", "256MB"),
        {'memory="4GB"': 'memory="256MB"'},
        MemoryError("Cannot allocate memory"),
    ),
    Regression(
        "no GPU",
        "train",
        ("gpu_count", "1", "0"),
        {"gpu_count=1": "gpu_count=0"},
        RuntimeError("No CUDA GPUs are available"),
    ),
    Regression(
        "threads",
        "train",
        ("OMP_NUM_THREADS",),
        {'"OMP_NUM_THREADS": "4"': '"OMP_NUM_THREADS": "512"'},
        RuntimeError(
            "OMP: Error #34: System unable to allocate necessary resources for OMP thread"
        ),
    ),
    Regression(
        "region",
        "load",
        ("REGION",),
        {'"REGION": "eu-west-1"': '"REGION": "us-east-1"'},
        ConnectionError("Could not connect to the endpoint in region us-east-1"),
    ),
    Regression(
        "disk", "publish", ("stack",), error=OSError(28, "No space left on device"), stack=True
    ),
    Regression(
        "another orchestrator",
        "load",
        ("stack",),
        error=PermissionError("[Errno 13] Permission denied: '/mnt/data'"),
        stack=True,
    ),
    # Secrets
    Regression(
        "secret rotated",
        "load",
        ("warehouse",),
        error=PermissionError("401 Unauthorized: invalid credentials"),
        rotates="warehouse",
    ),
    Regression(
        "registry token rotated",
        "publish",
        ("registry",),
        error=RuntimeError("403 Forbidden: authentication token expired"),
        rotates="registry",
    ),
    Regression(
        "secret no longer given",
        "publish",
        ("registry",),
        {'"SECRET_B"': '"SECRET_A"'},
        error=RuntimeError("no login for the registry: password missing"),
    ),
]


def _with_decoys(number: int, planted: Regression) -> Regression:
    """Add changes that are none of the cause, away from the text that the cause edits."""
    touched = " ".join((*planted.edits, *planted.edits.values()))
    free = [
        place
        for place, (old, _) in enumerate(DECOYS)
        if old.split(":")[0].split("=")[0] not in touched and old not in touched
    ]
    picked = tuple(DECOYS[free[(number * 3 + step) % len(free)]] for step in range(3))
    return Regression(**{**vars(planted), "decoys": picked})


PLANTED = tuple(_with_decoys(number, planted) for number, planted in enumerate(_CAUSES))
UNCHANGED = (
    Regression("flaky service", "load", (), error=ConnectionError("503 Service Unavailable")),
    Regression("full disk", "publish", (), error=OSError(28, "No space left on device")),
    Regression("killed", "train", (), error=MemoryError("OOMKilled")),
    Regression(
        "assertion by chance", "evaluate", (), error=AssertionError("score below threshold")
    ),
    Regression("time limit", "train", (), error=TimeoutError("no answer after 30 s")),
)
assert len(PLANTED) == 50
