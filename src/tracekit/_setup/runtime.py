"""The installed set-up: the global state of the process is changed here only."""

from __future__ import annotations

import os
import threading
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
from tracekit._setup.components import Components
from tracekit._setup.lifecycle import Lifecycle
from tracekit._setup.process_exit import EXIT_TIMEOUT, live_setups
from tracekit._setup.telemetry import Telemetry, WorkerInitializer
from tracekit._values.redaction import Redaction, current_redaction, set_redaction


class _NoBackend:
    """Creates no spans: the backend while the SDK is disabled, and after a shutdown."""

    drops_unsampled_children = False

    def tracer(self, target: str) -> Any:
        return None


_NO_BACKEND: Final = _NoBackend()


class _Effect(NamedTuple):
    """What is effective in the whole process. As a value it can be restored."""

    pipeline: Pipeline | None
    backend: Any
    filters: FilterSet
    redaction: Redaction


class _Installed(NamedTuple):
    """The installed set-up."""

    telemetry: Telemetry
    lifecycle: Lifecycle
    worker_initializer: WorkerInitializer


class _Runtime:
    """The global state of the process."""

    def __init__(self) -> None:
        self.provider: LiveTracerProvider | None = None
        self.installed: _Installed | None = None
        self.remote_parent_token: object = None
        # The set-ups that were installed here, by the program or by a worker initializer.
        self.setup_ids: set[str] = set()
        # The process whose program installed the set-up; None after a worker initializer did.
        self.installed_by_pid: int | None = None
        self.lock = threading.RLock()

    def after_fork_in_child(self) -> None:
        """Replace the lock, which another thread of the parent may hold, in a forked process."""
        self.lock = threading.RLock()

    def current_effect(self) -> _Effect:
        """Return what is effective now."""
        pipeline = None if self.provider is None else self.provider.pipeline
        return _Effect(pipeline, registry.backend, registry.filters, current_redaction())

    def apply(self, effect: _Effect, *, with_added: bool = True) -> None:
        """Make something effective.

        Args:
            effect: What becomes effective.
            with_added: Whether spans pass through processors that were added to the provider.
        """
        if self.provider is not None:
            self.provider.set_pipeline(effect.pipeline, with_added=with_added)
            self.provider.set_filters(effect.filters)
        set_redaction(effect.redaction)
        registry.configure(effect.backend, effect.filters)

    def set_remote_parent(self, context: Context | None) -> None:
        """Attach the context of another process in place of the one attached before, or none."""
        token, self.remote_parent_token = self.remote_parent_token, None
        if token is not None:
            detach(token)
        if context is not None:
            self.remote_parent_token = attach(context)


_runtime: Final = forks.register(_Runtime())


def check_no_foreign_provider() -> None:
    """Check that the global tracer provider is tracekit's, or not set.

    Raises:
        ConfigurationError: The global tracer provider is another one.
    """
    provider = trace.get_tracer_provider()
    if provider is _runtime.provider or isinstance(provider, trace.ProxyTracerProvider):
        return
    kind = type(provider)
    raise ConfigurationError(
        f"OpenTelemetry's global tracer provider is already set, to a "
        f"{kind.__module__}.{kind.__qualname__}. Either leave it out and call init_telemetry "
        f"first, or leave out init_telemetry: @instrument and span() use the provider that is "
        f"there. For a pipeline beside it: TelemetryBuilder(...).build()"
    )


def build(components: Components, worker_initializer: WorkerInitializer) -> Telemetry:
    """Create a private set-up, which changes nothing global but the exit of the interpreter."""
    provider = LiveTracerProvider(components.pipeline)
    lifecycle = Lifecycle(components, provider)
    with _runtime.lock:
        live_setups.add_private(lifecycle)
    return Telemetry(lifecycle, worker_initializer, provider.set_filters)


def install(components: Components, worker_initializer: WorkerInitializer) -> Telemetry:
    """Install a set-up for the whole process, and flush and shut down the one that it replaces.

    Raises:
        ConfigurationError: The global provider is a foreign one, or an instrumentation library
            failed. Nothing is installed, and the set-up before stays effective.
    """
    with _runtime.lock:
        telemetry, replaced = _replace(components, worker_initializer)
        live_setups.signals.stop()
        if components.signals and components.pipeline is not None:
            live_setups.signals.start()
    if replaced is not None:
        _shut_down_replaced(replaced, components)
    return telemetry


def _replace(
    components: Components, worker_initializer: WorkerInitializer
) -> tuple[Telemetry, _Installed | None]:
    """Install a set-up, and return its handle and the set-up before.

    The caller holds the runtime's lock, and releases it before it shuts down the set-up before. A
    shutdown acquires the lock of the lifecycle first, and then that of the runtime.
    """
    replaced, effect = _runtime.installed, _runtime.current_effect()
    try:
        check_no_foreign_provider()
        context = _environment_context() if components.continue_trace else None
        components.libraries.instrument()
        installed = _activate(components, worker_initializer)
    except BaseException:
        _runtime.installed = replaced
        _runtime.apply(effect)
        components.libraries.uninstrument()
        components.discard()
        raise
    propagate.set_global_textmap(components.propagator)
    _runtime.set_remote_parent(context)
    if replaced is not None:
        components.libraries.take_over(replaced.lifecycle.components.libraries)
    return installed.telemetry, replaced


def _activate(components: Components, worker_initializer: WorkerInitializer) -> _Installed:
    provider = _global_live_provider() if components.pipeline is not None else None
    sdk_provider = TracerProvider(shutdown_on_exit=False) if provider is None else provider
    lifecycle = Lifecycle(components, sdk_provider, _uninstall)
    telemetry = Telemetry(lifecycle, worker_initializer, _apply_filters)
    live_setups.add_installed(lifecycle, runs_first=_runtime.installed is None)
    worker_hooks.register(
        get_initializer=_worker_initializer,
        begin_task=live_setups.termination.begin_task,
        end_task=live_setups.termination.end_task,
    )
    forget_logged_warnings()
    installed = _Installed(telemetry, lifecycle, worker_initializer)
    _runtime.installed = installed
    _runtime.installed_by_pid = os.getpid()
    _runtime.setup_ids.add(worker_initializer.setup_id)
    backend = _NO_BACKEND if provider is None else provider
    filters = components.filters.filter_set()
    _runtime.apply(_Effect(components.pipeline, backend, filters, components.redaction))
    return installed


def _shut_down_replaced(replaced: _Installed, successor: Components) -> None:
    try:
        replaced.lifecycle.shutdown(EXIT_TIMEOUT, successor)
    except Exception as error:
        # The successor is effective, and the caller needs its handle.
        log_warning("the set-up before this one failed to shut down: %r", error)


def _global_live_provider() -> LiveTracerProvider:
    if _runtime.provider is None:
        _runtime.provider = LiveTracerProvider(None)
    provider = _runtime.provider
    if trace.get_tracer_provider() is not provider:
        trace.set_tracer_provider(provider)
    if trace.get_tracer_provider() is not provider:
        raise ConfigurationError(
            "another thread has set OpenTelemetry's global tracer provider at the same time"
        )
    return provider


def _apply_filters(filters: FilterSet) -> None:
    with _runtime.lock:
        if _runtime.provider is not None:
            _runtime.provider.set_filters(filters)
        registry.configure(registry.backend, filters)


def _environment_context() -> Context | None:
    carrier = {
        name.lower(): os.environ[name]
        for name in ("TRACEPARENT", "TRACESTATE", "BAGGAGE")
        if name in os.environ
    }
    # The variables are defined by the W3C, whatever the propagator of messages is.
    return w3c().extract(carrier) if "traceparent" in carrier else None


def _uninstall(lifecycle: Lifecycle) -> None:
    with _runtime.lock:
        installed = _runtime.installed
        # At exit the set-up stays, so that spans that end later are counted and logged as lost.
        if installed is None or installed.lifecycle is not lifecycle or live_setups.is_exiting:
            return
        installed.lifecycle.components.libraries.uninstrument()
        live_setups.signals.stop()
        _runtime.installed = None
        filters = FilterSet([installed.telemetry.filter])
        _runtime.apply(_Effect(None, _NO_BACKEND, filters, current_redaction()))
        _runtime.set_remote_parent(None)


@contextmanager
def override(components: Components) -> Iterator[None]:
    """Make a set-up effective for the duration of a block, without installing it."""
    with _runtime.lock:
        provider = _runtime.provider = _runtime.provider or LiveTracerProvider(None)
        before = _runtime.current_effect()
        filters = components.filters.filter_set()
        effect = _Effect(components.pipeline, provider, filters, components.redaction)
        _runtime.apply(effect, with_added=False)
    token = attach(Context())
    try:
        with global_provider(provider):
            yield
    finally:
        detach(token)
        with _runtime.lock:
            _runtime.apply(before)


def _worker_initializer() -> WorkerInitializer | None:
    installed = _runtime.installed
    if installed is None:
        return None
    installed.worker_initializer.warn_of_memory_exporters()
    return installed.worker_initializer


def install_in_worker(
    setup_id: str, create_setup: Callable[[], tuple[Components, WorkerInitializer]]
) -> None:
    """Install a set-up in a worker process, unless it was installed here before.

    A set-up that the program installed in this process stays.

    Args:
        setup_id: The identifier of the set-up.
        create_setup: Creates the set-up's components and its initializer. A failure is logged.
    """
    components, replaced = None, None
    # Held during the installation, so that a task on another thread waits for it.
    with _runtime.lock:
        if setup_id not in _runtime.setup_ids:
            _runtime.setup_ids.add(setup_id)
            if _runtime.installed is None or _runtime.installed_by_pid != os.getpid():
                try:
                    components, worker_initializer = create_setup()
                    _, replaced = _replace(components, worker_initializer)
                    # The program did not install it here, so a later initializer may replace it.
                    _runtime.installed_by_pid = None
                except Exception as error:
                    log_warning("this worker process (%d) is not set up: %s", os.getpid(), error)
    if components is not None and replaced is not None:
        _shut_down_replaced(replaced, components)
    if _runtime.installed is not None:
        live_setups.flush_at_worker_exit()
