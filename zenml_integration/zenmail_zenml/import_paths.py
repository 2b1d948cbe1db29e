"""Module names of the reference page, aliased to zenmail's own."""


def install() -> None:
    """Make the names importable."""
