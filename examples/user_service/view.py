"""Start the viewer, the service and some visitors of it: `make view`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import httpx

import tracekit
from examples.user_service.process import ServiceError, run_service
from examples.user_service.visitors import Visitors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BETWEEN_VISITS: Final = 0.7
_BETWEEN_SURVEYS: Final = 30.0
_STOP_TIMEOUT: Final = 15.0


@contextmanager
def run_viewer(arguments: list[str]) -> Iterator[tuple[str, str]]:
    """Run `tracekit view`; gives what it prints, and its address for OTLP."""
    command = str(Path(sys.executable).with_name("tracekit"))
    with subprocess.Popen(
        [command, "view", "--no-open", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        # Ctrl-C is for this process alone: the viewer ends last, with the spans of the others.
        start_new_session=True,
    ) as process:
        try:
            printed = ""
            for line in process.stdout or ():
                printed += line
                if "Ctrl-C" in line:
                    break
            endpoint = re.search(r"OTLP/gRPC\s+(\S+)", printed)
            if endpoint is None:
                raise ServiceError(f"the viewer ended with exit code {process.wait()}")
            yield printed, endpoint[1]
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_TIMEOUT)
            process.kill()


def survey_primes(environment: Mapping[str, str], stopping: threading.Event) -> None:
    """Run the example of a process pool, now and then."""
    while True:
        with subprocess.Popen(
            [sys.executable, "-m", "examples.process_pool"],
            env=environment,
            stderr=subprocess.DEVNULL,
            # Ctrl-C is for this process alone; in a pool that starts, it would interrupt imports.
            start_new_session=True,
        ) as process:
            while process.poll() is None:
                if stopping.wait(0.2):
                    _kill_with_children(process)
        if stopping.wait(_BETWEEN_SURVEYS):
            return


def _kill_with_children(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads a session; the workers of a pool would outlive it."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def make_traffic(environment: Mapping[str, str], database: Path) -> None:
    """Visit the service until Ctrl-C."""
    stopping = threading.Event()
    surveys = threading.Thread(target=survey_primes, args=(environment, stopping))
    with (
        run_service(environment) as service,
        httpx.Client(base_url=service.url, trust_env=False, timeout=20.0) as client,
    ):
        surveys.start()
        try:
            visitors = Visitors(client, database)
            visitors.make_all()
            while not stopping.wait(_BETWEEN_VISITS):
                visitors.make_one()
        finally:
            stopping.set()
            surveys.join()


def run(arguments: list[str], directory: str) -> None:
    database = Path(directory, "users.db")
    with run_viewer(arguments) as (printed, endpoint):
        print(printed, end="", flush=True)
        environment = {
            **os.environ,
            "DATABASE_URL": f"sqlite:///{database}",
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_TRACES_EXPORTER": "otlp",
            # A short delay of batches, since somebody is watching.
            "OTEL_BSP_SCHEDULE_DELAY": "500",
        }
        os.environ.update(environment)
        with tracekit.init_telemetry("visitors", continue_trace=False):
            make_traffic(environment, database)


def main() -> int:
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    # Ended by a process manager, it ends what it started as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with TemporaryDirectory(prefix="user-service-") as directory:
            run(sys.argv[1:], directory)
    except ServiceError as error:
        print(f"{error.output}view: {error}", file=sys.stderr)
        return 1
    except httpx.HTTPError as error:
        print(f"view: the service gave no answer: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
