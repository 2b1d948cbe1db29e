"""Pipelines whose mails make up the gallery: long names, wide frames, 40 steps."""

# No postponed annotations: ZenML 0.94 cannot read them on a step.
import contextlib
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from zenml import pipeline, step
from zenml.client import Client
from zenml.hooks import alerter_failure_hook

from zenmail_zenml import (
    AlerterMessage,
    SMTPEmailAlerterParameters,
    smtp_email_alerter_end_hook,
    smtp_email_alerter_failure_hook,
    smtp_email_alerter_success_hook,
)

from . import features


def _alerter() -> Any:
    return Client().active_stack.alerter


@step(on_failure=smtp_email_alerter_failure_hook)
def add_features(
    feature_store: str = "s3://acme-churn-production/feature-store/v7",
    snapshot: str = "2026-11-24T23:00:00Z",
    learning_rate: float = 0.003,
    epochs: int = 40,
    batch_size: int = 2048,
    dropout: float = 0.15,
    hidden_layers: int = 3,
    hidden_units: int = 512,
    optimizer: str = "adamw",
    weight_decay: float = 0.0001,
    warmup_steps: int = 500,
    label_smoothing: float = 0.05,
    early_stopping: bool = True,
    patience: int = 5,
    min_delta: float = 0.0001,
    seed: int = 20261124,
    folds: int = 5,
    stratify: bool = True,
    test_share: float = 0.2,
    max_rows: int = 1204331,
    target: str = "churned_within_90_days",
    drop_columns: str = "email,phone,street",
    encoder: str = "target",
    imputer: str = "median",
    scaler: str = "robust",
    class_weight: str = "balanced",
    threshold: float = 0.42,
    calibrate: bool = True,
    registry: str = "churn",
    database_password: str = "hunter2hunter2",
) -> None:
    """Fail inside pandas, through the team's own code."""
    features.add_lifetime_value(features.customers())


@pipeline(enable_cache=False)
def churn_training_with_features_from_the_warehouse() -> None:
    """Fail in its only step."""
    add_features()


@step(on_failure=smtp_email_alerter_failure_hook)
def score_customers() -> None:
    """Raise an exception from another one that came through pandas."""
    try:
        features.score_all(features.customers())
    except KeyError as error:
        raise RuntimeError("scoring failed") from error


@pipeline(enable_cache=False)
def nightly_scoring() -> None:
    """Fail with a cause."""
    score_customers()


@step(on_failure=smtp_email_alerter_failure_hook)
def resolve_features() -> None:
    """Raise a group of exceptions, from deep down."""
    errors: list[Exception] = []
    for name in ("tenure_months", "last_login"):
        try:
            features.resolve(name, 110)
        except LookupError as error:
            errors.append(error)
    if sys.version_info >= (3, 11):
        raise ExceptionGroup("unhandled errors in a TaskGroup", errors)  # noqa: F821
    raise errors[0]


@pipeline(enable_cache=False)
def feature_catalogue() -> None:
    """Fail with a group."""
    resolve_features()


@step(on_failure=alerter_failure_hook)
def validate_rows(minimum: int = 1000) -> None:
    """Fail with an assertion that says nothing; ZenML's own hook reports it."""
    assert len(features.customers()) >= minimum


@pipeline(enable_cache=False)
def data_quality() -> None:
    """Fail with ZenML's hook."""
    validate_rows()


@step(on_success=smtp_email_alerter_success_hook)
def train_model(learning_rate: float = 0.003, epochs: int = 40) -> None:
    """Succeed."""


@step
def report_results() -> None:
    """Mail metrics, a wide frame and a chart, as pandas and matplotlib return them."""
    import matplotlib as mpl  # type: ignore[import-not-found, unused-ignore]

    mpl.use("Agg")
    frame = features.customers()
    axes = frame.plot(
        x="tenure_months",
        y="churn_probability",
        title="Churn probability by tenure",
        figsize=(7, 3),
    )
    _alerter().post(
        AlerterMessage(
            title="Churn model better than last week",
            body="Accuracy rose by **1.3 %**; loss fell.\nThe model waits for approval.",
            body_format="markdown",
            severity="success",
        ),
        SMTPEmailAlerterParameters(
            metrics={
                "accuracy": 0.93124718,
                "f1": 0.8876,
                "log_loss": 0.2114129,
                "rows": 1_204_331,
            },
            baseline={
                "accuracy": 0.91876521,
                "f1": 0.8876,
                "log_loss": 0.2391,
                "rows": 1_180_002,
            },
            tables={"Customers most likely to leave": frame.head(8)},
            images=[axes],
            links={"Model card": "https://wiki.example.com/models/churn"},
        ),
    )


@step
def fit(learning_rate: float = 0.003, epochs: int = 40) -> None:
    """Fail where the learning rate is too high."""
    for epoch in range(1, epochs + 1, 13):
        logging.getLogger().error("epoch %d of %d: loss %.3f", epoch, epochs, 0.7 / epoch)
    if learning_rate > 1:
        raise FloatingPointError(f"loss is nan with a learning rate of {learning_rate}")


@pipeline(
    enable_cache=False,
    on_failure=smtp_email_alerter_failure_hook,
    on_success=smtp_email_alerter_success_hook,
)
def fitting_every_night() -> None:
    """Fit as configured."""
    fit()


def nightly_retraining() -> None:
    """Complete, fail with another parameter, fail again, and recover."""
    for learning_rate in (0.003, 3.0, 3.5, 0.003):
        with contextlib.suppress(Exception):
            fitting_every_night.with_options(
                steps={"fit": {"parameters": {"learning_rate": learning_rate}}}
            )()


@step
def post_words() -> None:
    """Mail what people write: a frame as text, an exception, three scripts, an attack."""
    frame = features.customers()[["customer_id", "plan", "monthly_charges"]].head(6)
    _alerter().post(f"Six customers to call\n\n{frame.to_string()}")
    _alerter().post(KeyError("model"))
    _alerter().post(
        AlerterMessage(
            title="</title><script>alert(document.domain)</script> =?UTF-8?Q?=0ABcc:_x@y.com?=",
            body="</main></td></tr></table><iframe src=//evil.example></iframe>\n"
            "[click](javascript:alert(1)) ![track](https://evil.example/p.png) {{ 7 * 7 }} "
            "{% raise %} \x1b[31mred\x1b[0m \u202egnp.exe <img src=x onerror=alert(1)> "
            + "W"
            * 300,
            body_format="markdown",
            severity="critical",
        )
    )
    _alerter().post(
        AlerterMessage(
            title="学習データの品質に関する警告",
            body="三回再試行しましたが、**学習ステップ**は完了しませんでした。\n入力データを確認してください。",
            body_format="markdown",
            severity="warning",
        )
    )
    _alerter().post(
        AlerterMessage(
            title="שלב האימון נעצר",
            body="השלב נעצר אחרי **שלושה ניסיונות** ולא הושלם.\nיש לבדוק את נתוני הקלט.",  # noqa: RUF001
            body_format="markdown",
            severity="warning",
        )
    )


@pipeline(enable_cache=False)
def weekly_report() -> None:
    """Succeed, and mail a report."""
    train_model()
    report_results()
    post_words()


@step
def train_region(region: str, broken: str = "") -> str:
    """Train one of many models."""
    time.sleep(0.02)
    if broken == "data":
        raise ValueError(f"no rows for region {region!r} since 2026-11-17")
    if broken == "memory":
        raise MemoryError(f"cannot allocate 96 GiB for region {region!r}")
    return region


@step
def publish(region: str) -> None:
    """Publish a model."""


def dynamic(name: str, body: Callable[[], None], **hooks: Any) -> Any:
    """Return a dynamic pipeline, or None where this ZenML runs no hooks for one."""
    body.__name__ = body.__qualname__ = name
    try:
        return pipeline(dynamic=True, enable_cache=False, **hooks)(body)
    except TypeError:
        return None


def _regions(count: int, broken: dict[int, str]) -> None:
    lost = []
    for number in range(count):
        try:
            train_region(f"region-{number:02}", broken.get(number, ""))
        except Exception as error:
            lost.append(error)
    if lost:
        raise lost[0]


def _forty() -> None:
    _regions(40, {17: "data", 31: "memory"})


def _few() -> None:
    publish(train_region("north"))
    publish(train_region("south"))


forecast_by_region = dynamic("forecast_by_region", _forty, on_end=smtp_email_alerter_end_hook)
publish_models = dynamic("publish_models", _few, on_end=smtp_email_alerter_end_hook)
PIPELINES = (
    nightly_retraining,
    churn_training_with_features_from_the_warehouse,
    nightly_scoring,
    feature_catalogue,
    data_quality,
    weekly_report,
    forecast_by_region,
    publish_models,
)
