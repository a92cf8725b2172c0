"""What becomes of a failure in the program's own code while a value is described."""

from __future__ import annotations

from tracekit._base.log import log_warning_once
from tracekit._values.type_names import qualified_name, short_name


def failure_text(kind: type, error: Exception) -> str:
    """What is recorded instead of a value that could not be described.

    The failure is logged once for each type.

    Args:
        kind: The type of the value.
        error: What its own code raised.

    Returns:
        Text such as `<Invoice, repr failed: ValueError>`.
    """
    # By name: no class is kept alive by having been logged, and classes made in a loop count once.
    name, failure = qualified_name(kind), short_name(type(error))
    log_warning_once(
        ("describe", name), "a %s could not be described: %s", name, failure, error=error
    )
    return f"<{short_name(kind)}, repr failed: {failure}>"
