"""The one voice of tracekit at run time: the logger `tracekit`, each thing said once."""

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
    try:
        logger.warning(message, *args)
        if error is not None:
            logger.debug("the failure in full", exc_info=error)
    except Exception:
        # A handler of the user's own that raises must not reach the traced function.
        pass


def forget_said() -> None:
    """Say everything anew; a new set-up starts with a clean slate."""
    _said.clear()
