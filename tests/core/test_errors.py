"""The tree of errors: as drawn, as caught, as sent between processes."""

from __future__ import annotations

import copy
import pickle
import re

import pytest

from zenmail import ConfigurationError, MailTooLarge, MissingExtra, ZenmailError, errors

_ALL = [getattr(errors, name) for name in errors.__all__]


def test_the_drawn_tree_is_the_real_one() -> None:
    """The picture in the docstring has every class, below its real parents."""
    drawn: dict[str, tuple[str, ...]] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"([ │├└─]*)([A-Z]\w+)(?: \((\w+)\))?(?:  |$)", line)
        if not match:
            continue
        depth = len(match[1])
        above = [(level, name) for level, name in above if level < depth]
        parent = [above[-1][1]] if above else ["Exception"]
        drawn[match[2]] = (*parent, *([match[3]] if match[3] else []))
        above.append((depth, match[2]))
    assert drawn == {
        error.__name__: tuple(base.__name__ for base in error.__bases__) for error in _ALL
    }


def test_codes_are_stable_and_distinct() -> None:
    """Programs tell errors apart by code."""
    assert {error.__name__: error.default_code for error in _ALL} == {
        "AddressError": "address",
        "AmbiguousTransport": "transport-ambiguous",
        "BrokenTransport": "transport-broken",
        "ConfigurationError": "configuration",
        "DeadlineExceeded": "deadline",
        "DeliveryError": "delivery",
        "LedgerError": "ledger",
        "MailTooLarge": "too-large",
        "MissingExtra": "extra-missing",
        "OptionsError": "options",
        "PermanentFailure": "permanent",
        "TemplateError": "template",
        "TemporaryFailure": "temporary",
        "UnknownOutcome": "unknown",
        "UnknownTransport": "transport-unknown",
        "ZenmailError": "error",
    }


@pytest.mark.parametrize("kind", _ALL)
def test_errors_cross_process_borders(kind: type[ZenmailError]) -> None:
    """Pickled or copied, an error keeps its class, its text and its attributes."""
    error = kind("It broke.", code="own", transport="smtp", remedy="Mend it.")
    error.__dict__["more"] = 1
    for copied in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error), copy.copy(error)):
        assert type(copied) is kind
        assert str(copied) == str(error) == "smtp: It broke. Mend it."
        assert copied.__dict__ == error.__dict__


def test_a_limit_survives_too() -> None:
    """What a class adds is kept like the rest."""
    error = MailTooLarge("Too large.")
    error.limit = 10
    assert pickle.loads(pickle.dumps(error)).limit == 10


def test_who_is_used_to_builtin_errors_catches_ours() -> None:
    """Configuration errors are ValueErrors; a missing extra is an ImportError, too."""
    assert issubclass(ConfigurationError, ValueError)
    with pytest.raises(ImportError, match="pip install"):
        raise MissingExtra("boto3 is missing.", remedy="pip install 'zenmail[ses]'")
