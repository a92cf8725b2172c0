"""The installed set-up: the one place where tracekit touches what is global to the process."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider

from tracekit._base import forks
from tracekit._base.errors import ConfigurationError
from tracekit._base.log import forget_logged_warnings, log_warning
from tracekit._context import worker_hooks
from tracekit._filters.call_sites import registry
from tracekit._filters.filter_set import FilterSet
from tracekit._recording.carriers import w3c
from tracekit._recording.current_context import attach, detach
from tracekit._sdk.pipeline import Pipeline
from tracekit._sdk.provider import LiveTracerProvider, global_provider
from tracekit._setup import process_exit as _exits
from tracekit._setup.parts import Parts
from tracekit._setup.telemetry import Telemetry
from tracekit._values.redaction import current_redaction, set_redaction


class _InForce(NamedTuple):
    """What is in force for the whole process; a value, to be put back as it was."""

    pipeline: Pipeline | None
    backend: Any
    filters: FilterSet
    redaction: Any


class _Installed:
    """What is installed now."""

    def __init__(self) -> None:
        self.provider: LiveTracerProvider | None = None
        self.telemetry: Telemetry | None = None
        self.parts: Parts | None = None
        self.remote_parent: object = None
        self.identities: set[str] = set()
        self.process: int | None = None
        self.is_exiting = self.is_registered = False
        # Whose end has begun, or will at exit: a shutdown may be interrupted half-way.
        self.not_over: list[Telemetry] = []
        self.private: weakref.WeakSet[Telemetry] = weakref.WeakSet()
        self.after_fork_in_child()

    def after_fork_in_child(self) -> None:
        """Go on in a forked process, where no other thread will ever release the lock."""
        self.lock = threading.RLock()

    def now(self) -> _InForce:
        """What is in force now."""
        pipeline = None if self.provider is None else self.provider.pipeline
        return _InForce(pipeline, registry.backend, registry.filters, current_redaction())

    def put(self, state: _InForce, *, with_added: bool = True) -> None:
        """Put this in force.

        Args:
            state: What is to be in force.
            with_added: Whether spans go through the processors that others have added, too.
        """
        if self.provider is not None:
            self.provider.adopt(state.pipeline, with_added=with_added)
            self.provider.set_filters(state.filters)
        set_redaction(state.redaction)
        registry.configure(state.backend, state.filters)

    def enter_trace(self, context: Context | None) -> None:
        """Go over to the trace of the environment, or leave it."""
        token, self.remote_parent = self.remote_parent, None
        if token is not None:
            detach(token)
        if context is not None:
            self.remote_parent = attach(context)


_installed: Final = forks.register(_Installed())


def check_no_foreign_provider() -> None:
    """Make sure that no one else's provider would be pushed aside.

    Raises:
        ConfigurationError: OpenTelemetry's global provider is not tracekit's.
    """
    provider = trace.get_tracer_provider()
    if provider is _installed.provider or isinstance(provider, trace.ProxyTracerProvider):
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
    with _installed.lock:
        before, before_parts, state = _installed.telemetry, _installed.parts, _installed.now()
        try:
            check_no_foreign_provider()
            context = _context_of_environment() if parts.continue_trace else None
            parts.libraries.switch_on()
            telemetry = _put_in_force(parts, _global_provider(parts))
        except BaseException:
            _installed.telemetry, _installed.parts = before, before_parts
            _installed.put(state)
            parts.libraries.switch_off()
            parts.discard()
            raise
        propagate.set_global_textmap(parts.propagator)
        _installed.enter_trace(context)
        if before_parts is not None:
            parts.libraries.take_over(before_parts.libraries)
    if before is not None:
        _let_go(before, parts)
    return telemetry


def _put_in_force(parts: Parts, provider: LiveTracerProvider | None) -> Telemetry:
    telemetry = Telemetry(
        parts,
        provider if provider is not None else TracerProvider(shutdown_on_exit=False),
        on_filters=_change_filters,
        on_shutdown=_take_out_of_force,
    )
    _shut_down_at_exit_before_what_is_registered(again=_installed.telemetry is None)
    _exits.deliver_at_exit(deliver)
    worker_hooks.set_source(_set_up_of_workers)
    worker_hooks.set_turns(_exits.begin_task, _exits.end_task)
    forget_logged_warnings()
    _installed.telemetry, _installed.parts = telemetry, parts
    _installed.not_over = [*(one for one in _installed.not_over if not one.is_over), telemetry]
    _installed.process = os.getpid()
    _installed.identities.add(parts.in_worker.identity)
    backend = provider if provider is not None else _NOTHING
    _installed.put(_InForce(parts.pipeline, backend, parts.filters, parts.redaction))
    return telemetry


def _let_go(before: Telemetry, successor: Parts) -> None:
    try:
        before.give_way(successor, _exits.EXIT_TIMEOUT)
    except Exception as error:
        # The new one is in force, and its caller is to get it.
        log_warning("the set-up before this one failed to shut down: %r", error)


def _global_provider(parts: Parts) -> LiveTracerProvider | None:
    if parts.pipeline is None:
        return None
    if _installed.provider is None:
        _installed.provider = LiveTracerProvider(None)
    _make_global(_installed.provider)
    return _installed.provider


def _make_global(provider: LiveTracerProvider) -> None:
    if trace.get_tracer_provider() is not provider:
        trace.set_tracer_provider(provider)
    if trace.get_tracer_provider() is not provider:
        raise ConfigurationError(
            "OpenTelemetry's global tracer provider was set by someone else at the same moment"
        )


def _change_filters(filters: FilterSet) -> None:
    with _installed.lock:
        if _installed.provider is not None:
            _installed.provider.set_filters(filters)
        registry.configure(registry.backend, filters)


def _context_of_environment() -> Context | None:
    carrier = {
        name.lower(): os.environ[name]
        for name in ("TRACEPARENT", "TRACESTATE", "BAGGAGE")
        if name in os.environ
    }
    # The variables are the W3C's own, whatever the propagator of messages is.
    return w3c().extract(carrier) if "traceparent" in carrier else None


def _take_out_of_force(telemetry: Telemetry) -> None:
    with _installed.lock:
        # At exit it stays, so that what ends still later is counted and said to be lost.
        if _installed.telemetry is not telemetry or _installed.is_exiting:
            return
        assert _installed.parts is not None  # noqa: S101 - told to the type checker
        _installed.parts.libraries.switch_off()
        _installed.telemetry = _installed.parts = None
        filters = FilterSet([telemetry.filter])
        _installed.put(_InForce(None, _NOTHING, filters, current_redaction()))
        _installed.enter_trace(None)


@contextmanager
def temporarily(parts: Parts) -> Iterator[None]:
    """Put a set-up in force for the time of a block, and then all as it was."""
    with _installed.lock:
        provider = _installed.provider = _installed.provider or LiveTracerProvider(None)
        before = _installed.now()
        during = _InForce(parts.pipeline, provider, parts.filters, parts.redaction)
        _installed.put(during, with_added=False)
    token = attach(Context())
    try:
        with global_provider(provider):
            yield
    finally:
        detach(token)
        with _installed.lock:
            _installed.put(before)


def _set_up_of_workers() -> worker_hooks.SetUp | None:
    parts = _installed.parts
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
    with _installed.lock:
        if identity not in _installed.identities:
            _installed.identities.add(identity)
            if _installed.telemetry is None or _installed.process != os.getpid():
                _install_in_worker(install)
    if _installed.telemetry is not None:
        _exits.deliver_at_exit(deliver)


def _install_in_worker(install: Callable[[], object]) -> None:
    try:
        install()
        # It is not the program's own: one that arrives later may take its place.
        _installed.process = None
    except Exception as error:
        log_warning("this worker process (%d) is not set up: %s", os.getpid(), error)


def deliver() -> None:
    """Deliver what has ended, at the end of a worker process."""
    for telemetry in _not_over():
        if not telemetry.flush(_exits.remaining()):
            _say_lost(telemetry)


def deliver_at_exit(private: Telemetry) -> None:
    """Shut a set-up of someone's own down at exit, if it still exists then."""
    with _installed.lock:
        _installed.private.add(private)
        _shut_down_at_exit_before_what_is_registered(again=False)


def _shut_down_at_exit_before_what_is_registered(*, again: bool) -> None:
    if again or not _installed.is_registered:
        _installed.is_registered = True
        atexit.unregister(_shut_down_at_exit)
        atexit.register(_shut_down_at_exit)


def _not_over() -> list[Telemetry]:
    return [one for one in (*_installed.not_over, *_installed.private) if not one.is_over]


def _shut_down_at_exit() -> None:
    _installed.is_exiting = True
    ending = _not_over()
    # All of them begin, before the first is waited for.
    for telemetry in ending:
        telemetry.begin_shutdown(_exits.remaining())
    for telemetry in ending:
        if not telemetry.shutdown(_exits.remaining()):
            _say_lost(telemetry)


def _say_lost(telemetry: Telemetry) -> None:
    stats = telemetry.stats
    waiting = sum(one.waiting for one in stats.exporters.values())
    log_warning(
        "at exit %d spans had not been delivered (dropped %d, failed %d)",
        stats.dropped + stats.failed + waiting,
        stats.dropped,
        stats.failed,
    )


class _Nothing:
    """Makes no spans: the backend while the SDK is disabled and after a shutdown."""

    drops_unsampled_children = False

    def tracer(self, target: str) -> Any:
        return None


_NOTHING: Final = _Nothing()
