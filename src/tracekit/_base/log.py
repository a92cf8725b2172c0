"""The one voice of tracekit at run time: the logger `tracekit`, and nothing that it does to anyone.

A handler is the program's own code. What it raises must not reach the traced function, nor end the
thread that exports.
"""

from __future__ import annotations

import logging

logger = logging.getLogger("tracekit")

_MOST_REMEMBERED = 1_000
_said: set[object] = set()


def warn_once(key: object, message: str, *args: object, error: BaseException | None = None) -> None:
    """Log a warning the first time this key comes by.

    Args:
        key: What the warning is about; a second call with an equal key is silent.
        message: A format string of the logging module.
        *args: What goes into the format string.
        error: The failure behind it, logged as its type and text and at DEBUG with its traceback.
    """
    if key in _said or len(_said) >= _MOST_REMEMBERED:
        return
    _said.add(key)
    say(logging.WARNING, message, *args, error=error)


def warn(message: str, *args: object) -> None:
    """Log a warning each time; the caller sees to it that it is not one for every span."""
    say(logging.WARNING, message, *args)


def say(level: int, message: str, *args: object, error: BaseException | None = None) -> None:
    """Log a line, whatever the program's handlers do.

    Never called with a lock held that the end of a span needs: a handler may end spans.

    Args:
        level: A level of the logging module.
        message: A format string of the logging module.
        *args: What goes into the format string.
        error: The failure behind it, logged at DEBUG with its traceback.
    """
    try:
        logger.log(level, message, *args)
        if error is not None:
            logger.debug("the failure in full", exc_info=error)
    except Exception:
        return


def forget_logged() -> None:
    """Say everything anew; a new set-up starts with a clean slate."""
    _said.clear()
