"""Work on a Dask cluster that is part of the trace: `python -m examples.dask_cluster`.

The tasks take the trace along, and what a worker needs to deliver its spans.
"""

from __future__ import annotations

from distributed import Client, LocalCluster

import tracekit
from tracekit import instrument, preserve_context
from tracekit.executors import wrap


@instrument
def square(number: int) -> int:
    return number * number


@instrument(skip=["client"])
def compute(client: Client) -> int:
    with wrap(client.get_executor()) as pool:
        squares = list(pool.map(square, [1, 2]))
    # Dask's own interface takes a callable that knows its context.
    return sum(squares) + int(client.submit(preserve_context(square), 3).result())


def main() -> None:
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
        tracekit.init_telemetry("dask-example"),
    ):
        compute(client)


if __name__ == "__main__":
    main()
