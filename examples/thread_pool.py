"""A pool of threads whose work is part of the trace: `python -m examples.thread_pool`."""

from __future__ import annotations

import tracekit
from tracekit import instrument, record
from tracekit.executors import ThreadPoolExecutor


@instrument
def resize(image: str) -> str:
    return f"small-{image}"


@instrument
def upload(images: list[str]) -> list[str]:
    with ThreadPoolExecutor(max_workers=4) as pool:
        pool.submit(record, images_received=len(images)).result()
        return list(pool.map(resize, images))


if __name__ == "__main__":
    with tracekit.init_telemetry("gallery"):
        upload(["cat.png", "dog.png"])
