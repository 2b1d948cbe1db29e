"""Post from a notebook, or from several threads: no run is needed."""

from concurrent.futures import ThreadPoolExecutor

from zenml.client import Client


def evaluate(model: str) -> bool:
    """Evaluate a model and mail the result; True if the mail was delivered."""
    accuracy = 0.9
    alerter = Client().active_stack.alerter
    assert alerter is not None
    return bool(alerter.post(f"{model} evaluated\nAccuracy: {accuracy}"))


def main() -> list[bool]:
    """Evaluate three models at once; their mails share the connections to the server."""
    with ThreadPoolExecutor() as threads:
        return [*threads.map(evaluate, ["baseline", "small", "large"])]


if __name__ == "__main__":
    main()
