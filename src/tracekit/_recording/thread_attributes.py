"""What is recorded of the thread that a span starts in."""

from __future__ import annotations

import threading
from typing import Any, Final


def name_of_thread(ident: int) -> str:
    """A running thread's name, without making up a Thread object for a foreign thread."""
    thread: Any = _threads.get(ident)
    try:
        # Behind a property, which costs more than all the rest.
        name: str = thread._name
    except AttributeError:
        name = "" if thread is None else thread.name
    return name


def thread_attributes() -> dict[str, Any]:
    """What is recorded of the current thread."""
    ident = threading.get_ident()
    return {"thread.id": ident, "thread.name": name_of_thread(ident)}


_threads: Final[dict[int, threading.Thread]] = getattr(threading, "_active", {})
