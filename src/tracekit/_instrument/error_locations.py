"""The location of a decorated object in error messages."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tracekit._base.errors import InstrumentationError
from tracekit._instrument.callables import type_text
from tracekit._instrument.descriptors import functions_of


@contextmanager
def locate_errors(subject: Any) -> Iterator[None]:
    """Add the location of a decorated object to the `InstrumentationError`s of a block.

    Blocks must not be nested, because each adds a location.
    """
    try:
        yield
    except InstrumentationError as error:
        message = f"@instrument on {_location_of(subject)}: {error}"
        raise InstrumentationError(message) from None


def _location_of(subject: Any) -> str:
    functions = [] if inspect.isclass(subject) else functions_of(subject)
    named = functions[0] if functions else subject
    name = getattr(named, "__qualname__", None)
    if name is None:
        return type_text(subject)
    code = getattr(named, "__code__", None)
    line = f" ({code.co_filename}:{code.co_firstlineno})" if code else ""
    return f"{getattr(named, '__module__', '?')}.{name}{line}"
