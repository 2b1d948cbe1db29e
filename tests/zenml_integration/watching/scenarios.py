"""Pipelines that end in every way ZenML knows; run as a script, with the names to run.

With HOOKS=1 in the environment each step also has hooks.
"""

import os
import shutil
import signal
import sys
import time
from typing import Any
from urllib.request import Request, urlopen

import zenml
from zenml import get_step_context, pipeline, step
from zenml.client import Client
from zenml.config.retry_config import StepRetryConfig
from zenml.enums import StackComponentType

from zenmail_zenml import smtp_email_alerter_failure_hook

if os.environ.get("WITHOUT_HANDLER") == "1":
    # As where another process keeps ZenML's database.
    from zenmail_zenml.watching import handler

    handler.register_locally = lambda: None

WITH_HOOKS = os.environ.get("HOOKS") == "1"
HOOKS: dict[str, Any] = {"on_failure": smtp_email_alerter_failure_hook} if WITH_HOOKS else {}


@step
def rows(count: int = 3) -> list[int]:
    """Succeed."""
    return list(range(count))


@step
def use(values: list[int]) -> int:
    """Succeed with an input."""
    return len(values)


@step
def one(value: int) -> int:
    """Succeed with an item."""
    return value


@step
def one_fails(value: int) -> int:
    """Fail for one item."""
    if value == 1:
        raise ValueError("no model for 1")
    return value


@step
def explode(values: list[int]) -> None:
    """Fail."""
    raise ValueError(f"no model for {len(values)} rows")


@step
def wrong() -> int:
    """Return what was not promised."""
    return "text"  # type: ignore[return-value]


class Unstorable:
    """What no materializer can write."""

    def __reduce__(self) -> Any:
        raise OSError("no space left on device")


@step
def unstorable() -> Any:
    """Return what cannot be stored."""
    return Unstorable()


@step
def leave() -> None:
    """End as a script does."""
    sys.exit(3)


@step
def lose(values: list[int]) -> None:
    """Delete the input, as a full disk or an expired bucket would."""
    run = Client().list_pipeline_runs(name="contains:lost_input", size=1).items[0]
    shutil.rmtree(run.steps["rows"].outputs["output"][0].uri)


@step
def drop_secret() -> None:
    """Delete a secret that a later step needs."""
    Client().delete_secret("credentials")


@step(secrets=["credentials"])
def use_secret() -> str:
    """Read what the secret puts into the environment."""
    return os.environ["KEY"]


@step
def second_time() -> None:
    """Fail at the first attempt."""
    context = get_step_context()
    marker = f"{context.pipeline.name} {os.environ.get('MARKER', '')}"
    if not os.path.exists(marker):
        open(marker, "w").close()
        raise ConnectionError("try again")


@step
def take_time(seconds: float) -> float:
    """Work for a while, and say that it began."""
    if "BEGAN" in os.environ:
        open(os.environ["BEGAN"], "w").close()
    time.sleep(seconds)
    return seconds


@step
def die() -> None:
    """End as a process without memory does."""
    os.kill(os.getpid(), signal.SIGKILL)


@pipeline(enable_cache=False, **HOOKS)
def static_good() -> None:
    """Complete."""
    use(rows())


@pipeline(enable_cache=True, **HOOKS)
def cached() -> None:
    """Complete without running anything."""
    use(rows())


@pipeline(enable_cache=False, **HOOKS)
def static_bad() -> None:
    """Fail in a step."""
    explode(rows())


@pipeline(enable_cache=False, **HOOKS)
def wrong_output() -> None:
    """Fail after the step's own code."""
    wrong()


@pipeline(enable_cache=False, **HOOKS)
def lost_input() -> None:
    """Fail before the step's own code."""
    values = rows()
    lose(values, id="lose")
    use(values, after=["lose"])


@pipeline(enable_cache=False, **HOOKS)
def retried_good() -> None:
    """Complete at the second attempt."""
    second_time.with_options(retry=StepRetryConfig(max_retries=2))()


@pipeline(enable_cache=False, **HOOKS)
def retried_bad() -> None:
    """Fail at every attempt."""
    explode.with_options(retry=StepRetryConfig(max_retries=1))(rows())


@pipeline(enable_cache=False, **HOOKS)
def recovering() -> None:
    """Fail in the first run, and complete in the second."""
    second_time()


@pipeline(enable_cache=False, **HOOKS)
def slow() -> None:
    """Complete after a while."""
    take_time(0.5, after=[take_time(0.5, id="first")])


@pipeline(enable_cache=False, **HOOKS)
def killed() -> None:
    """Never end."""
    die()


@pipeline(dynamic=True, enable_cache=False, **HOOKS)
def dynamic_good() -> None:
    """Complete."""
    use(rows())


@pipeline(dynamic=True, enable_cache=False, **HOOKS)
def dynamic_bad() -> None:
    """Fail in a step."""
    explode(rows())


@pipeline(dynamic=True, enable_cache=False, **HOOKS)
def mapped_good() -> None:
    """Complete for every item."""
    one.map(rows())


@pipeline(dynamic=True, enable_cache=False, **HOOKS)
def mapped_bad() -> None:
    """Fail for one item."""
    one_fails.map(rows())


@pipeline(enable_cache=False, **HOOKS)
def cannot_store() -> None:
    """Fail after the step's own code, at the artifact store."""
    unstorable()


@pipeline(enable_cache=False, **HOOKS)
def missing_secret() -> None:
    """Fail for want of what a secret holds."""
    use_secret(after=[drop_secret()])


@pipeline(enable_cache=False, **HOOKS)
def exits() -> None:
    """Fail without an exception that is one."""
    leave()


@pipeline(enable_cache=False, **HOOKS)
def two_fail() -> None:
    """Fail in two steps; the first ends the run."""
    explode(rows(), id="left")
    explode(rows(id="more"), id="right")


@pipeline(dynamic=True, enable_cache=False, **HOOKS)
def dynamic_retried() -> None:
    """Complete at the second attempt."""
    second_time.with_options(retry=StepRetryConfig(max_retries=2))()


@pipeline(dynamic=True, enable_cache=False, **HOOKS)
def dynamic_wrong_output() -> None:
    """Fail after the step's own code."""
    wrong()


@pipeline(dynamic=True, enable_cache=False, **HOOKS)
def dynamic_body() -> None:
    """Fail outside any step."""
    if rows().load():
        raise LookupError("no champion")


@pipeline(dynamic=True, enable_cache=False, **HOOKS)
def forgiving() -> None:
    """Complete, as the pipeline handles the failure of its step."""
    try:
        explode(rows())
    except Exception:
        use(rows(id="again"))


@pipeline(dynamic=True, enable_cache=False, **HOOKS)
def asking() -> None:
    """Wait for an answer, and complete with it."""
    answer = zenml.wait(bool, question="Deploy it?", timeout=500, poll_interval=1)
    one(int(answer))


@pipeline(enable_cache=False, settings={"alerter": {"max_duration": 1.0, "run_alerts": "late"}})
def overdue() -> None:
    """Take longer than it may."""
    take_time(30.0)


@pipeline(enable_cache=False, **HOOKS)
def stopped() -> None:
    """Wait to be stopped."""
    take_time(200.0)


GOOD = ("static_good", "cached", "cached", "retried_good", "mapped_good")
BAD = ("static_bad", "wrong_output", "lost_input", "retried_bad", "dynamic_bad")
MORE_GOOD = ("dynamic_good", "dynamic_retried", "forgiving")
MORE_BAD = (
    "cannot_store",
    "missing_secret",
    "exits",
    "two_fail",
    "mapped_bad",
    "dynamic_wrong_output",
    "dynamic_body",
)


def deployed() -> None:
    """Call a pipeline that is deployed, and fails."""
    client = Client()
    client.create_stack_component("local", "local", StackComponentType.DEPLOYER, {})
    components = {
        kind: items[0].id for kind, items in client.active_stack_model.components.items()
    }
    client.create_stack("deploying", {**components, StackComponentType.DEPLOYER: "local"})
    client.activate_stack("deploying")
    deployment = static_bad.with_options(run_name="deployed").deploy(  # pyright: ignore[reportFunctionMemberAccess]
        "bad", timeout=100
    )
    request = Request(
        f"{deployment.url}/invoke", b'{"parameters": {}}', {"Content-Type": "application/json"}
    )
    print(urlopen(request).read())
    client.deprovision_deployment("bad")
    client.activate_stack("mailing")


def answer() -> None:
    """Answer the question that a run asks."""
    (condition,) = Client().list_run_wait_conditions(status="pending").items
    Client().resolve_run_wait_condition(condition.id, result=True)


def set_up(port: str, ca_file: str) -> None:
    """Register the flavor, and a stack with an alerter that mails to the server."""
    client = Client()
    client.create_flavor(
        "zenmail_zenml.flavor.SMTPEmailAlerterFlavor", StackComponentType.ALERTER
    )
    client.create_stack_component(
        name="mail",
        flavor="smtp_email",
        component_type=StackComponentType.ALERTER,
        configuration={
            "sender_email": "alerts@example.com",
            "recipient_email": "team@example.com",
            "smtp_server": "localhost",
            "smtp_port": port,
            "smtp_ca_file": ca_file,
            "deadline": "5",
        },
    )
    client.create_stack(
        name="mailing",
        components={
            StackComponentType.ORCHESTRATOR: "default",
            StackComponentType.ARTIFACT_STORE: "default",
            StackComponentType.ALERTER: "mail",
        },
    )
    client.activate_stack("mailing")
    client.create_secret("credentials", {"KEY": "value"})


def main(names: list[str]) -> None:
    """Set up, or run pipelines."""
    if names[0] == "set-up":
        set_up(*names[1:])
        return
    for name in names:
        try:
            globals()[name]()
        except (Exception, SystemExit) as error:
            print(f"{name}: {type(error).__name__}: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
