"""What is measured: parts, each in a process of its own, so that none finds traces of another.

A part is a function that takes how much to measure and gives rows.
"""

from __future__ import annotations

import importlib
import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from multiprocessing.connection import Connection
from typing import Any, Final

from bench.interleaved import Size
from bench.results import Row

PARTS: Final = {
    "budgets": (
        "calls:filtered_out",
        "calls:nothing_set_up",
        "calls:unsampled",
        "sampled:call",
        "sampled:coroutine_function",
        "sampled:call_with_fields",
        "sampled:call_with_ret",
        "sampled:nested",
        "sampled:two_exporters",
        "delivery:whole_process",
        "generators:item",
        "pools:submit_and_drain",
        "captures:long_list",
        "imports:import_time",
        "decoration:decorating",
    ),
    "filters": ("filters:below_the_level",),
    "encoding": ("encoding:batches",),
    "memory": ("memory:queued",),
    "growth": ("growth:attributes", "growth:depth", "growth:threads", "growth:exporters"),
    "viewer": ("viewer:received", "viewer:large_traces", "viewer_queries:queries"),
    "peers": (
        "peers:logfire",
        "peers:logfire_list",
        "peers:ddtrace",
        "peers:sentry",
        "delivery:logfire",
    ),
}


def find(names: Sequence[str]) -> list[str]:
    """Return the parts that are named, or that are in the groups that are named.

    Raises:
        ValueError: There is no such part or group.
    """
    everything = [part for parts in PARTS.values() for part in parts]
    for name in names:
        if name not in PARTS and name not in everything:
            raise ValueError(f"{name} is none of {', '.join([*PARTS, *everything])}")
    return [part for name in names for part in PARTS.get(name, (name,))] or everything


def group_of(part: str) -> str:
    """Return the group that a part is in."""
    return next(group for group, parts in PARTS.items() if part in parts)


def quick(calls: int, _: int) -> Size:
    """Take next to no time: what comes out says nothing, but all has run."""
    return Size(min(calls, 20), 1)


def run_apart(part: str, size: Callable[[int, int], Size]) -> list[Row]:
    """Run a part in a fresh process and give its rows.

    Raises:
        RuntimeError: The part failed; its traceback is on standard error.
    """
    _function_of(part)  # Imported before the fork, where there is one, and so once for all.
    context: Any = multiprocessing.get_context()
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(part, size, theirs))
    process.start()
    theirs.close()
    try:
        rows: list[Row] = ours.recv()
    except EOFError:
        raise RuntimeError(f"{part} was not measured") from None
    finally:
        process.join()
    return rows


def _run(part: str, size: Callable[[int, int], Size], results: Connection) -> None:
    results.send(list(_function_of(part)(size)))


def _function_of(part: str) -> Callable[[Callable[[int, int], Size]], Iterable[Row]]:
    module, _, function = part.partition(":")
    found: Callable[..., Iterable[Row]] = getattr(
        importlib.import_module(f"bench.{module}"), function
    )
    return found
