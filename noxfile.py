"""The tests on every Python and on the oldest OpenTelemetry, and the benchmarks on two Pythons."""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "uv"
nox.options.sessions = ["tests", "oldest"]
nox.options.error_on_missing_interpreters = True

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The tests with the newest releases that fit together.

    The engines of others (Ray, Celery, Dask …) are tested by `make test`, on one Python.
    """
    session.install("-e", ".[examples,viewer]", *_group("test"))
    session.run("pytest", *session.posargs)


@nox.session(python=[PYTHONS[0], PYTHONS[-1]])
def oldest(session: nox.Session) -> None:
    """The tests with the oldest OpenTelemetry that the metadata admits."""
    session.install("-e", ".[examples,viewer]", *_group("test"), *OLDEST)
    session.run("pytest", *session.posargs)


@nox.session(python=[PYTHONS[0], PYTHONS[-1]])
def bench(session: nox.Session) -> None:
    """The benchmarks, with the other tracing libraries that they compare."""
    session.install("-e", ".[examples,viewer]", *_group("bench"))
    session.run("python", "-m", "bench", *session.posargs)


STABLE = ("api", "sdk", "exporter-otlp-proto-grpc", "exporter-otlp-proto-http")
PROPAGATORS = ("propagator-b3", "propagator-jaeger")
INSTRUMENTATIONS = ("instrumentation-fastapi", "instrumentation-sqlalchemy")
OLDEST = [
    *(f"opentelemetry-{name}==1.33.0" for name in (*STABLE, *PROPAGATORS)),
    *(f"opentelemetry-{name}==0.54b0" for name in INSTRUMENTATIONS),
]


def _group(name: str) -> list[str]:
    return ["--group", name]
