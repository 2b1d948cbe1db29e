"""ZenML's client, or one sentence about why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zenmail.cli.app import Failure

if TYPE_CHECKING:
    from zenml.client import Client

__all__ = ["open_client"]


def open_client() -> Client:
    """Return the client, connected to the user's store.

    Raises:
        Failure: The store cannot be used.
    """
    try:
        from zenml.client import Client

        client = Client()
        # The client is made without a store; this asks it.
        _ = client.active_stack_model
    except ImportError as error:
        # ZenML's own words: the SQL packages of a local store are missing.
        raise Failure(
            "ZenML has no store: it is connected to no server, and what it needs for a store "
            "on this machine is not installed.",
            remedy='pip install "zenmail[local]", or connect to a server: zenml login',
            exit_code=2,
        ) from error
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise Failure(
            f"ZenML's store cannot be used: {reason}",
            remedy="Look at: zenml status",
            exit_code=2,
        ) from error
    return client
