"""The logger `tracekit`: how the library reports its own failures.

A handler of the logger is code of the program. An exception that it raises must not reach the
traced function, and must not end a thread that exports.
"""

from __future__ import annotations

import logging
from typing import Final

logger: Final = logging.getLogger("tracekit")

_MAX_KEYS: Final = 1_000
_logged_keys: Final[set[object]] = set()


def log_warning_once(
    key: object, message: str, *args: object, error: BaseException | None = None
) -> None:
    """Log a warning unless one with an equal key was logged before.

    Args:
        key: The subject of the warning.
        message: A format string of the `logging` module.
        *args: The arguments of the format string.
        error: The cause, logged with its traceback at DEBUG.
    """
    if key in _logged_keys or len(_logged_keys) >= _MAX_KEYS:
        return
    _logged_keys.add(key)
    log(logging.WARNING, message, *args, error=error)


def log_failure_once(key: tuple[object, ...], failure: str, error: BaseException) -> None:
    """Log a failure of recording, once for each key and type of exception."""
    message = "%s (%s); the traced program is not affected"
    kind = type(error)
    log_warning_once((*key, kind), message, failure, kind.__name__, error=error)


def log_warning(message: str, *args: object) -> None:
    """Log a warning every time; the caller makes sure that not every span logs one."""
    log(logging.WARNING, message, *args)


def log(level: int, message: str, *args: object, error: BaseException | None = None) -> None:
    """Log a message, and ignore an exception that a handler raises.

    The caller must not hold a lock that the end of a span needs, because a handler may end spans.

    Args:
        level: A level of the `logging` module.
        message: A format string of the `logging` module.
        *args: The arguments of the format string.
        error: The cause, logged with its traceback at DEBUG.
    """
    try:
        logger.log(level, message, *args)
        if error is not None:
            logger.debug("the failure in full", exc_info=error)
    except Exception:
        return


def forget_logged_warnings() -> None:
    """Forget the keys of `log_warning_once`, because a new set-up logs each warning again."""
    _logged_keys.clear()
