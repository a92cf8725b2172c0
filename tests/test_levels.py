"""`Level.of` and the order of levels."""

import logging

import pytest

from tracekit import Level


@pytest.mark.parametrize(
    ("value", "level"),
    [
        (Level.DEBUG, Level.DEBUG),
        ("debug", Level.DEBUG),
        (" Info ", Level.INFO),
        ("WARNING", Level.WARN),
        ("critical", Level.ERROR),
        (logging.INFO, Level.INFO),
        (logging.CRITICAL, Level.ERROR),
        (25, Level.INFO),
        (5, Level.TRACE),
    ],
)
def test_a_level_is_made_from(value, level):
    """It accepts the enum, a name in any case, or a number of the logging module."""
    assert level is Level.of(value)


@pytest.mark.parametrize("value", ["loud", "", 0, True, None, 1.5])
def test_an_invalid_level_is_refused(value):
    """The error names the valid levels."""
    with pytest.raises(ValueError, match=r"TRACE, DEBUG, INFO, WARN, ERROR, OFF"):
        Level.of(value)


def test_the_order():
    """The order goes from TRACE to OFF."""
    expected = [Level.TRACE, Level.DEBUG, Level.INFO, Level.WARN, Level.ERROR, Level.OFF]
    assert expected == sorted(Level)
