"""ZenML's client, or a sentence that says why it is not available."""

from __future__ import annotations

import site
import time
from pathlib import Path
from typing import TYPE_CHECKING

from zenmail.cli.app import Failure

if TYPE_CHECKING:
    from zenml.client import Client

__all__ = ["FLAVOR", "FLAVOR_SOURCE", "misplaced", "open_client"]

FLAVOR = "smtp_email"
FLAVOR_SOURCE = "zenmail_zenml.flavor.SMTPEmailAlerterFlavor"


def open_client() -> Client:
    """Return a client that is connected to the user's store.

    Raises:
        Failure: The store is not available.
    """
    try:
        client = _connected()
    except ImportError as error:
        # ZenML raises it when the SQL packages of a local store are missing.
        raise Failure(
            "ZenML has no store: it is not connected to a server, and the packages for a "
            "local store are not installed.",
            remedy='pip install "zenmail[local]", or connect to a server: zenml login',
            exit_code=2,
        ) from error
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise Failure(
            f"ZenML's store is not available: {reason}",
            remedy="Check it: zenml status",
            exit_code=2,
        ) from error
    return client


def _connected(tries: int = 3) -> Client:
    from zenml.client import Client

    try:
        client = Client()
        _ = client.zen_store
    except AttributeError:
        # ZenML has read its configuration while another process was writing it.
        if tries == 1:
            raise
        time.sleep(0.2)
        return _connected(tries - 1)
    return client


def misplaced() -> str:
    """Return a warning if zenmail lies below ZenML's source root, or "".

    ZenML takes everything there for the user's own code, and imports it under a longer name.
    """
    from zenml.client import Client

    # A script's folder is the source root where there is no repository.
    root = (Client.find_repository() or Path.cwd()).resolve()
    package = Path(__file__).resolve().parents[1]
    installed = [*site.getsitepackages(), site.getusersitepackages()]
    if root not in package.parents or any(
        Path(folder).resolve() in package.parents for folder in installed
    ):
        return ""
    return (
        f"zenmail is imported from {package}, below ZenML's source root {root}. Hooks of "
        "pipelines there may not load. Install it without -e, or run pipelines from another "
        "folder."
    )
