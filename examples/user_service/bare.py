"""The same service with its blocking calls made as asyncio alone makes them.

`python -m examples.user_service.bare` shows what `tracekit.run_blocking` is for: the span of a call
that the pool's thread makes without the context of the request begins a trace of its own.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import tracekit
from examples.user_service import main

if TYPE_CHECKING:
    from collections.abc import Callable


async def run_in_executor(func: Callable[..., Any], /, *args: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, partial(func, *args))


if __name__ == "__main__":
    # The app is imported by the server, later than this.
    tracekit.run_blocking = run_in_executor
    main.main()
