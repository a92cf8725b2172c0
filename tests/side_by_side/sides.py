"""The SDK's provider and every form of tracekit's, each with a journal of what is observed."""

from __future__ import annotations

import inspect
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler

from tests.side_by_side.observing import observed, shown, text
from tracekit import TelemetryBuilder
from tracekit._filters.filter import Filter
from tracekit._filters.filter_set import ALL_EXPORTERS, FilterSet
from tracekit._recording.attributes import SiteAttributes
from tracekit._sdk.fanout import Fanout
from tracekit._sdk.provider import UNFILTERED, LiveTracerProvider, Pipeline
from tracekit._sdk.span import is_plain

# Older releases pass falsy links to the sampler as they are, and copy its attributes by a method
# that not every mapping has. tracekit does the same as newer releases.
IS_OLDER = "links or ()" not in inspect.getsource(sdk.Tracer.start_span)

Script = Callable[["Side"], Any]


@dataclass
class Settings:
    """What a side is made with. The functions get the side as their argument.

    Attributes:
        sampler: Makes the sampler.
        ids: Makes the id generator.
        limits: Makes the limits; by default they come from the environment.
        processors: Makes the processors; by default one that keeps the journal.
        resource: The resource of the spans.
    """

    sampler: Callable[[Side], Sampler] = lambda side: ALWAYS_ON
    ids: Callable[[Side], IdGenerator] = lambda side: CountingIds(side)
    limits: Callable[[], sdk.SpanLimits] | None = None
    processors: Callable[[Side], list[sdk.SpanProcessor]] = lambda side: [Witness(side)]
    resource: Resource = field(default_factory=lambda: Resource({"side.tier": "web"}))


class Side:
    """One provider, and what was observed of it.

    Attributes:
        name: The key of the provider in `_MAKERS`.
        journal: What was observed, in order.
        noted: The objects that the script has written into the journal.
        provider: The provider.
        tracer: A tracer of it.
        ended: The spans that the processors got at the end.
        seen: Objects that the script keeps, by name.
        failure: The exception that the script raised.
    """

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.journal: list[Any] = []
        self.noted: list[Any] = []
        self.ended: list[sdk.ReadableSpan] = []
        self.seen: dict[str, Any] = {}
        self.failure: BaseException | None = None
        self.provider: sdk.TracerProvider = _MAKERS[name](self, settings)
        self.tracer = self.provider.get_tracer("side", "1.0")
        if name == "wanted":
            self.tracer.start_span = _through_filters(self.tracer)

    def note(self, *what: Any) -> None:
        """Write something into the journal."""
        self.noted.append(what[0] if len(what) == 1 else what)
        self.journal.append(("note", *map(shown, what)))

    def attempt(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function, and write its result or exception into the journal."""
        try:
            result = call(*args, **kwargs)
        except BaseException as error:
            # The text of an error about the arguments has the name of the class.
            is_misfit = type(error) is TypeError and "()" in str(error)
            raised = type(error).__qualname__ if is_misfit else shown(error)
            self.journal.append(("raised", raised))
            return None
        self.journal.append(("returned", shown(result)))
        return result

    @property
    def raised(self) -> list[Any]:
        """The exceptions of the attempts."""
        return [entry[1] for entry in self.journal if entry[0] == "raised"]

    @property
    def logged(self) -> list[str]:
        """The messages that were logged."""
        return [entry[3] for entry in self.journal if entry[0] == "log"]

    def span(self, name: str = "work", **options: Any) -> sdk.Span:
        """Start a span that records."""
        made = self.tracer.start_span(name, **options)
        assert isinstance(made, sdk.Span)
        return made


class Witness(sdk.SpanProcessor):
    """A processor that writes its calls into the journal."""

    def __init__(self, side: Side, label: str = "") -> None:
        self.side = side
        self.label = label

    def on_start(self, span, parent_context=None):
        around = trace.get_current_span().get_span_context()
        has_context = parent_context is not None
        self._write("on_start", observed(span), shown(around), has_context)

    def _on_ending(self, span):
        self._write("_on_ending", observed(span))

    def on_ending(self, span):
        self._write("on_ending", observed(span))

    def on_end(self, span):
        self.side.ended.append(span)
        self._write("on_end", isinstance(span, sdk.ReadableSpan), observed(span))

    def shutdown(self):
        self._write("shutdown")

    def force_flush(self, timeout_millis=30000):
        self._write("force_flush")
        return True

    def _write(self, *what: Any) -> None:
        self.side.journal.append((self.label, *what))


class CountingIds(IdGenerator):
    """Generates consecutive ids, and writes each call into the journal."""

    def __init__(self, side: Side, *, first: int = 1, is_random: bool = False) -> None:
        self.side = side
        self.traces = self.spans = first
        self.is_random = is_random

    def generate_trace_id(self):
        self.side.journal.append("generate_trace_id")
        self.traces += 1
        return 0xA000 + self.traces

    def generate_span_id(self):
        self.side.journal.append("generate_span_id")
        self.spans += 1
        return 0xB000 + self.spans

    def is_trace_id_random(self):
        self.side.journal.append("is_trace_id_random")
        return self.is_random


def _multi(side: Side, settings: Settings) -> sdk.SynchronousMultiSpanProcessor:
    multi = sdk.SynchronousMultiSpanProcessor()
    for one in settings.processors(side):
        multi.add_span_processor(one)
    return multi


def _limits(settings: Settings) -> sdk.SpanLimits:
    return sdk.SpanLimits() if settings.limits is None else settings.limits()


def _make_sdk(side: Side, settings: Settings) -> sdk.TracerProvider:
    return sdk.TracerProvider(
        sampler=settings.sampler(side),
        resource=settings.resource,
        shutdown_on_exit=False,
        active_span_processor=_multi(side, settings),
        id_generator=settings.ids(side),
        span_limits=None if settings.limits is None else settings.limits(),
    )


def _make_live(
    side: Side, settings: Settings, filters: FilterSet = UNFILTERED
) -> LiveTracerProvider:
    sampler, ids, limits = settings.sampler(side), settings.ids(side), _limits(settings)
    fanout = Fanout(settings.processors(side))
    return LiveTracerProvider(Pipeline(sampler, settings.resource, fanout, ids, limits, filters))


def _make_partly(side: Side, settings: Settings) -> LiveTracerProvider:
    return _make_live(side, settings, FilterSet([Filter("trace"), Filter("off")]))


def _make_asked(side: Side, settings: Settings) -> LiveTracerProvider:
    directives = "trace,[{absent=42}]=off"
    return _make_live(side, settings, FilterSet([Filter(directives)]))


def _make_built(side: Side, settings: Settings) -> sdk.TracerProvider:
    builder = TelemetryBuilder("side").with_exporter("none").with_resource(settings.resource)
    builder = builder.with_sampler(settings.sampler(side)).with_id_generator(settings.ids(side))
    for one in settings.processors(side):
        builder = builder.with_processor(one)
    # Kept, as a program keeps it: what shuts it down at exit does not keep it alive.
    telemetry = side.seen["telemetry"] = builder.build()
    return telemetry.tracer_provider


def _through_filters(tracer: Any) -> Callable[..., trace.Span]:
    """Return a function that starts a span as `@instrument` and `span()` do, if they could.

    These ask the filters before, and have some attributes that all spans of a call site share.
    """
    start = tracer.start_span

    def start_span(name, context=None, *args, **kwargs):
        options = dict(zip(("kind", "attributes", "links"), args, strict=False)) | kwargs
        attributes = options.pop("attributes", None)
        kind, links = options.pop("kind", trace.SpanKind.INTERNAL), options.pop("links", ())
        if len(args) > 3 or options or not _are_clean(attributes):
            return start(name, context, *args, **kwargs)
        items = list(attributes.items())
        site, own = items[: len(items) // 2], items[len(items) // 2 :]
        return tracer.start_wanted(
            ALL_EXPORTERS,
            name,
            context,
            kind,
            links or (),
            dict(own),
            SiteAttributes(dict(site)),
        )

    return start_span


def _are_clean(attributes: Any) -> bool:
    is_filled = type(attributes) is dict and attributes != {}
    return is_filled and all(map(is_plain, attributes, attributes.values()))


# By the name of the side. "wanted" is for spans about which the filters have decided, "partly" for
# spans that one of two exporters wants, "asked" for filters that match names and attributes.
_MAKERS: dict[str, Callable[[Side, Settings], sdk.TracerProvider]] = {
    "sdk": _make_sdk,
    "live": _make_live,
    "wanted": _make_live,
    "partly": _make_partly,
    "asked": _make_asked,
    "built": _make_built,
}


class _Logs(logging.Handler):
    def __init__(self, side: Side) -> None:
        super().__init__()
        self.side = side

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        message = record.name, record.levelname, text(record.getMessage())
        self.side.journal.append(("log", *message, shown(error)))


@contextmanager
def _watched(side: Side) -> Iterator[None]:
    """Write what is logged and warned into the journal, with an empty context."""
    logger = logging.getLogger("opentelemetry")
    handler = _Logs(side)
    logger.addHandler(handler)
    token = context_api.attach(context_api.Context())
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            # A finalizer of an object that another test left warns when the collector runs.
            warnings.simplefilter("ignore", ResourceWarning)
            yield
    finally:
        side.journal += [("warning", one.category, text(str(one.message))) for one in warned]
        context_api.detach(token)
        logger.removeHandler(handler)


def run(name: str, script: Script, settings: Settings) -> Side:
    """Run a script on one side, and write its result into the journal."""
    side = Side(name, settings)
    with _watched(side):
        try:
            side.journal.append(("script returned", shown(script(side))))
        except BaseException as error:
            side.failure = error
            side.journal.append(("script raised", shown(error)))
    return side


def assert_same(
    script: Script,
    *,
    raises: type[BaseException] | None = None,
    without: Sequence[str] = (),
    **settings: Any,
) -> Side:
    """Run a script on all sides, and assert that their journals are equal.

    Args:
        script: The script, which is called with a side.
        raises: The exception that the script raises.
        without: Sides with an intended difference.
        **settings: The fields of `Settings`.

    Returns:
        The side of the SDK, so that a test can assert that the script did what it is for.
    """
    made = Settings(**settings)
    # The builder takes no limits; they come from the environment.
    left_out = [*without, "built"] if made.limits else without
    names = [name for name in _MAKERS if name not in left_out]
    reference, *ours = [run(name, script, made) for name in names]
    # Otherwise a script that fails too early would be the same on all sides.
    if reference.failure is not None and type(reference.failure) is not raises:
        raise reference.failure
    assert (raises is None) == (reference.failure is None)
    for side in ours:
        if reference.journal != side.journal:
            raise AssertionError(_first_difference(reference, side))
    return reference


def _first_difference(reference: Side, side: Side) -> str:
    for number, (expected, actual) in enumerate(
        zip_longest(reference.journal, side.journal, fillvalue="nothing more")
    ):
        if expected != actual:
            return (
                f"entry {number} of the journal of {side.name!r} differs\n"
                f"the SDK's: {expected}\n"
                f"ours:      {actual}"
            )
    return ""
