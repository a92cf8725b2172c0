"""Start the service, ask it a few things, and show what happened: `make demo`."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import sys
from dataclasses import dataclass, field
from io import TextIOWrapper
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import httpx

from examples.user_service.process import Service, ServiceError, run_service

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Step:
    """A request, why it is made, and the status that it is answered with."""

    reason: str
    method: str
    path: str
    status: int
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        body = [json.dumps(self.body)] if self.body is not None else []
        headers = [f"{name}: {value}" for name, value in self.headers.items()]
        return "  ".join([f"{self.method} {self.path}", *body, *headers])


CREATION = Step("A user is created", "POST", "/users", 201, {"name": "ada"})


def plan_steps(path: str) -> list[Step]:
    """Return what is asked once there is a user, who is found under `path`."""
    caller = {"traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"}
    return [
        Step("The user is read", "GET", path, 200),
        Step("The same, in the trace of the caller", "GET", path, 200, headers=caller),
        Step("No name: refused before the handler runs", "POST", "/users", 422, {"name": ""}),
        Step("The name is taken: the database raises", "POST", "/users", 500, {"name": "ada"}),
        Step("The user is deleted", "DELETE", path, 204),
        Step("There is no such user any more", "GET", path, 404),
    ]


class Tour:
    """Makes requests, one after the other, and shows what became of each.

    Attributes:
        requests: How many were made.
        trace_ids: The traces that they were recorded in.
    """

    def __init__(self, service: Service, client: httpx.Client, *, trees: bool) -> None:
        self.requests = 0
        self.trace_ids: set[str] = set()
        self._service = service
        self._client = client
        self._trees = trees

    def run(self) -> None:
        user = self._take(CREATION).json()
        for step in plan_steps(f"/users/{user['id']}"):
            self._take(step)

    def _take(self, step: Step) -> httpx.Response:
        response = self._client.request(
            step.method, step.path, json=step.body, headers=dict(step.headers)
        )
        self.requests += 1
        self._show(step, response)
        if response.status_code != step.status:
            raise ServiceError(f"the answer should have been {step.status}: {response.text}")
        return response

    def _show(self, step: Step, response: httpx.Response) -> None:
        before, trace = "", "not recorded\n\n"
        trace_id = sampled_trace_id(response)
        if trace_id is not None:
            self.trace_ids.add(trace_id)
            trace = f"trace {trace_id}\n\n"
            if self._trees:
                before, trace = self._service.read_tree(trace_id)
        print(before, end="")
        print(emphasise(f"# {step.reason}"))
        print(emphasise(f"{step} → {response.status_code}"))
        print(trace, end="", flush=True)


def sampled_trace_id(response: httpx.Response) -> str | None:
    """Return the id of the trace that the request was recorded in."""
    if "traceresponse" not in response.headers:
        return None
    _, trace_id, _, flags = response.headers["traceresponse"].split("-")
    return trace_id if int(flags, 16) & 1 else None


def emphasise(text: str) -> str:
    return f"\x1b[1m{text}\x1b[0m" if wants_colour() else text


def wants_colour() -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def make_environment(directory: str) -> dict[str, str]:
    """Return the environment for a service that prints to a pipe what is shown here."""
    environment = {
        **os.environ,
        "COLUMNS": str(shutil.get_terminal_size((100, 24)).columns),
        "DATABASE_URL": os.environ.get("DATABASE_URL") or f"sqlite:///{directory}/users.db",
        "PYTHONIOENCODING": sys.stdout.encoding,
    }
    return environment | ({"FORCE_COLOR": "1"} if wants_colour() else {})


def find_destination() -> str | None:
    """Return where the service sends its traces; None where it prints them."""
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "")
    if "console" in exporter:
        return None
    endpoint = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or os.environ.get(
        "OTEL_EXPORTER_OTLP_ENDPOINT"
    )
    return endpoint or exporter or None


def run(directory: str) -> None:
    destination = find_destination()
    with run_service(make_environment(directory)) as service:
        print(emphasise(f"# The service answers on {service.url}"), flush=True)
        with httpx.Client(base_url=service.url, trust_env=False, timeout=10.0) as client:
            tour = Tour(service, client, trees=destination is None)
            tour.run()
    rest = service.read_rest()
    # What goes elsewhere leaves nothing to print here but complaints.
    if service.exit_code != 0 or (destination and rest):
        raise ServiceError(f"the service ended with exit code {service.exit_code}", rest)
    print(rest, end="")
    where = f", sent to {destination}" if destination else ""
    print(f"{tour.requests} requests, {len(tour.trace_ids)} traces{where}")


def main() -> int:
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            # Whoever ends the demo ends it as Ctrl-C does: the service ends first.
            signal.signal(getattr(signal, name), signal.default_int_handler)
    if isinstance(sys.stdout, TextIOWrapper):
        # No trace is worth failing for an arrow that the terminal does not have.
        sys.stdout.reconfigure(errors="replace")
    try:
        with TemporaryDirectory(prefix="user-service-") as directory:
            run(directory)
    except ServiceError as error:
        print(f"{error.output}demo: {error}", file=sys.stderr)
        return 1
    except httpx.HTTPError as error:
        print(f"demo: the service gave no answer: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
