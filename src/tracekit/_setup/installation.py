"""The installed set-up: the one place where tracekit touches what is global to the process."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider

from tracekit._code import workers
from tracekit._code.carriers import W3C
from tracekit._code.current import attach, detach
from tracekit._engine.provider import LiveTracerProvider, Pipeline, global_provider
from tracekit._ground import forks
from tracekit._ground.callsite import gate
from tracekit._ground.errors import ConfigurationError
from tracekit._ground.log import forget_said, logger
from tracekit._ground.verdicts import FilterSet
from tracekit._setup import exits as _exits
from tracekit._setup.parts import Parts
from tracekit._setup.telemetry import Telemetry
from tracekit._values.redaction import current_redaction, set_redaction


class _State:
    """What is installed now."""

    def __init__(self) -> None:
        self.provider: LiveTracerProvider | None = None
        self.telemetry: Telemetry | None = None
        self.parts: Parts | None = None
        self.remote_parent: object = None
        self.identities: set[str] = set()
        self.process: int | None = None
        self.begin_anew()

    def begin_anew(self) -> None:
        """Go on in a forked process, where no other thread will ever release the lock."""
        self.lock = threading.RLock()


_Installed: Final = forks.watch(_State())


def check_no_foreign_provider() -> None:
    """Make sure that no one else's provider would be pushed aside.

    Raises:
        ConfigurationError: OpenTelemetry's global provider is not tracekit's.
    """
    provider = trace.get_tracer_provider()
    if provider is _Installed.provider or isinstance(provider, trace.ProxyTracerProvider):
        return
    kind = type(provider)
    raise ConfigurationError(
        f"OpenTelemetry's global tracer provider is already set, to a "
        f"{kind.__module__}.{kind.__qualname__}. Either leave it out and call init_telemetry "
        f"first, or leave out init_telemetry: @instrument and span() use the provider that is "
        f"there. For a pipeline beside it: TelemetryBuilder(...).build()"
    )


def install(parts: Parts) -> Telemetry:
    """Put a set-up in force for the whole process, in place of the one before.

    Raises:
        ConfigurationError: A foreign provider is in place, or a library could not be switched on;
            then all is as before.
    """
    with _Installed.lock:
        check_no_foreign_provider()
        before, before_parts = _Installed.telemetry, _Installed.parts
        if before_parts is not None:
            parts.libraries.take_over(before_parts.libraries)
        parts.libraries.switch_on()
        telemetry = _put_in_force(parts)
    if before is not None:
        before.shutdown()
    return telemetry


def _put_in_force(parts: Parts) -> Telemetry:
    provider = _global_provider(parts.pipeline)
    telemetry = Telemetry(
        parts,
        provider if provider is not None else TracerProvider(shutdown_on_exit=False),
        on_filters=_change_filters,
        on_shutdown=_take_out_of_force,
    )
    if _Installed.telemetry is None:
        atexit.unregister(_shut_down_at_exit)
        atexit.register(_shut_down_at_exit)
    _Installed.telemetry, _Installed.parts = telemetry, parts
    _Installed.process = os.getpid()
    _Installed.identities.add(parts.in_worker.identity)
    _exits.deliver_at_exit(deliver)
    workers.set_source(_set_up_of_workers)
    workers.set_turns(_exits.begin_task, _exits.end_task)
    forget_said()
    set_redaction(parts.redaction)
    gate.change(provider if provider is not None else _NOTHING, parts.filters)
    propagate.set_global_textmap(parts.propagator)
    _continue_trace(parts)
    return telemetry


def _global_provider(pipeline: Pipeline | None) -> LiveTracerProvider | None:
    if _Installed.provider is not None:
        _Installed.provider.adopt(pipeline)
    elif pipeline is not None:
        _Installed.provider = LiveTracerProvider(pipeline)
    if pipeline is None or _Installed.provider is None:
        return None
    _make_global(_Installed.provider)
    return _Installed.provider


def _make_global(provider: LiveTracerProvider) -> None:
    if trace.get_tracer_provider() is not provider:
        trace.set_tracer_provider(provider)
    if trace.get_tracer_provider() is not provider:
        raise ConfigurationError(
            "OpenTelemetry's global tracer provider was set by someone else at the same moment"
        )


def _change_filters(filters: FilterSet) -> None:
    with _Installed.lock:
        if _Installed.provider is not None:
            _Installed.provider.set_filters(filters)
        gate.change(gate.backend, filters)


def _continue_trace(parts: Parts) -> None:
    if _Installed.remote_parent is not None:
        detach(_Installed.remote_parent)
        _Installed.remote_parent = None
    carrier = {
        name.lower(): os.environ[name]
        for name in ("TRACEPARENT", "TRACESTATE", "BAGGAGE")
        if name in os.environ
    }
    if parts.continue_trace and "traceparent" in carrier:
        # The variables are the W3C's own, whatever the propagator of messages is.
        _Installed.remote_parent = attach(W3C.extract(carrier))


def _take_out_of_force(telemetry: Telemetry) -> None:
    with _Installed.lock:
        if _Installed.telemetry is not telemetry:
            return
        assert _Installed.parts is not None  # noqa: S101 - told to the type checker
        _Installed.parts.libraries.switch_off()
        _Installed.telemetry = _Installed.parts = None
        if _Installed.provider is not None:
            _Installed.provider.adopt(None)
        gate.change(_NOTHING, FilterSet([telemetry.filter]))
        if _Installed.remote_parent is not None:
            detach(_Installed.remote_parent)
            _Installed.remote_parent = None


@contextmanager
def temporarily(parts: Parts) -> Iterator[None]:
    """Put a set-up in force for the time of a block, and then all as it was."""
    with _Installed.lock:
        provider = _Installed.provider = _Installed.provider or LiveTracerProvider(None)
        before = provider.pipeline, gate.backend, gate.filters, current_redaction()
        provider.adopt(parts.pipeline)
        set_redaction(parts.redaction)
        gate.change(provider, parts.filters)
    token = attach(Context())
    try:
        with global_provider(provider):
            yield
    finally:
        detach(token)
        with _Installed.lock:
            pipeline, backend, filters, redaction = before
            provider.adopt(pipeline)
            provider.set_filters(filters)
            set_redaction(redaction)
            gate.change(backend, filters)


def _set_up_of_workers() -> workers.SetUp | None:
    parts = _Installed.parts
    if parts is None:
        return None
    parts.in_worker.say_what_is_not_shared()
    return parts.in_worker


def set_up_worker(identity: str, install: Callable[[], object]) -> None:
    """Set this process up for the one that it works for, once.

    A set-up that the program made here by itself stays.

    Args:
        identity: Tells the set-up from others.
        install: Puts it in force.
    """
    with _Installed.lock:
        if identity not in _Installed.identities:
            _Installed.identities.add(identity)
            if _Installed.telemetry is None or _Installed.process != os.getpid():
                _install_in_worker(install)
    if _Installed.telemetry is not None:
        _exits.deliver_at_exit(deliver)


def _install_in_worker(install: Callable[[], object]) -> None:
    try:
        install()
        # It is not the program's own: one that arrives later may take its place.
        _Installed.process = None
    except Exception as error:
        logger.warning("this worker process (%d) is not set up: %s", os.getpid(), error)


def deliver() -> None:
    """Deliver what has ended, at the end of a worker process."""
    telemetry = _Installed.telemetry
    if telemetry is not None and not telemetry.flush(_exits.remaining()):
        _say_lost(telemetry)


def _shut_down_at_exit() -> None:
    telemetry = _Installed.telemetry
    with _exits.leaving():
        if telemetry is not None and not telemetry.shutdown(_exits.remaining()):
            _say_lost(telemetry)


def _say_lost(telemetry: Telemetry) -> None:
    stats = telemetry.stats
    waiting = sum(one.waiting for one in stats.exporters.values())
    logger.warning(
        "at exit %d spans had not been delivered (dropped %d, failed %d)",
        stats.dropped + stats.failed + waiting,
        stats.dropped,
        stats.failed,
    )


class _Nothing:
    """Makes no spans: the backend while the SDK is disabled and after a shutdown."""

    def tracer(self, target: str) -> Any:
        return None


_NOTHING: Final = _Nothing()
