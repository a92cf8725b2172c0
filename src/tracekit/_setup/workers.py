"""Worker processes that are set up like their parent.

An initializer is sent to the worker. It calls `set_up_worker` there, with the configuration of the
parent in pickled form.
"""

from __future__ import annotations

import pickle
import secrets
import sys
from dataclasses import replace
from multiprocessing import process as _process
from typing import Any

from tracekit._setup import runtime
from tracekit._setup.components import Components, Configuration, ExporterFilters, create_components
from tracekit._setup.live_setups import setups
from tracekit._setup.portable import PortableConfiguration


def set_up_worker(setup_id: str, pickled: bytes) -> None:
    """Set up this process like the process that pickled a configuration.

    It does nothing if the process was set up so before, and never raises.

    Args:
        setup_id: The identifier of the set-up.
        pickled: The changed fields of its configuration.
    """

    def create_setup() -> tuple[Components, LocalInitializer]:
        # The process that this one works for pickled them.
        fields = pickle.loads(pickled)  # noqa: S301  # see above
        configuration = Configuration(
            **fields,
            # Each task brings the trace that it belongs to.
            continue_trace=False,
            # Processes of multiprocessing run finalizers. Other engines may kill their workers.
            export_local_roots_at_once=_process.parent_process() is None,
        )
        return create_components(configuration), LocalInitializer(configuration)

    runtime.install_in_worker(setup_id, create_setup)


class PickledInitializer:
    """Sets up the worker process that calls it: `Telemetry.in_worker` after unpickling.

    Args:
        setup_id: The identifier of the set-up.
        pickled: The changed fields of its configuration.
    """

    # Ray reads the name of its hook, as of a function.
    __name__ = "in_worker"

    def __init__(self, setup_id: str, pickled: bytes) -> None:
        self.setup_id = setup_id
        self._pickled = pickled

    # gunicorn counts the positional parameters, and expects these two.
    def __call__(
        self, server: object = None, worker: object = None, *args: object, **kwargs: object
    ) -> None:
        """Set up this process.

        Args:
            server: Ignored.
            worker: Ignored.
            *args: Ignored.
            **kwargs: Ignored, except the `signal` by which Celery calls.
        """
        set_up_worker(self.setup_id, self.pickled_configuration())
        _flush_at_celery_shutdown(kwargs.get("signal"))

    def pickled_configuration(self) -> bytes:
        """Return the changed fields of the configuration, pickled."""
        return self._pickled

    def __reduce__(self) -> tuple[Any, ...]:
        return PickledInitializer, (self.setup_id, self.pickled_configuration())


class LocalInitializer(PickledInitializer):
    """The initializer in the process whose configuration it sends.

    Args:
        configuration: The configuration of the set-up, which gets a new identifier.
    """

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(secrets.token_hex(8), b"")
        self._portable = PortableConfiguration(configuration, self.setup_id)
        self._has_warned = False

    def use_filters(self, filters: ExporterFilters) -> None:
        """Send other filters from now on."""
        own = {name: str(one) for name, one in filters.own.items()}
        configuration = replace(
            self._portable.configuration, filter=str(filters.default), exporter_filters=own
        )
        self._portable = PortableConfiguration(configuration, self.setup_id)

    def warn_of_memory_exporters(self) -> None:
        """Log once that spans in the memory of a worker do not reach this process."""
        # Called for each task.
        if not self._has_warned:
            self._has_warned = True
            self._portable.warn_of_memory_exporters()

    def pickled_configuration(self) -> bytes:
        """Return the changed fields of the configuration, pickled."""
        return self._portable.pickled


def _flush_at_celery_shutdown(signal: object) -> None:
    # A process of Celery's pool ends by os._exit and runs no finalizer. It sends this signal first.
    if getattr(signal, "name", None) == "worker_process_init":
        shutdown = sys.modules["celery.signals"].worker_process_shutdown
        shutdown.connect(_flush, weak=False, dispatch_uid="tracekit")


def _flush(**_: object) -> None:
    setups.flush()
