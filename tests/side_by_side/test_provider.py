"""Providers and tracers, beside the SDK's."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource

from tests.side_by_side.sides import Witness, assert_same

ARGUMENTS = {
    "name": ("shop",),
    "version": ("shop", "1.2"),
    "no version": ("shop", None),
    "schema": ("shop", "1.2", "https://schema"),
    "no schema": ("shop", "1.2", ""),
    "attributes": ("shop", "1.2", "https://schema", {"a": 1, "b": [1, 2]}),
    "no attributes": ("shop", "1.2", None, {}),
    "bad attributes": ("shop", "1.2", None, {"": 1, "b": object}),
    "empty name": ("",),
    "none": (None,),
    "number": (7, 8, 9),
    "nothing": (),
    "too many": ("shop", "1.2", None, None, None),
}


@pytest.mark.parametrize("arguments", ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_tracers(arguments):
    """A tracer has the scope of the arguments, and unusual names are logged alike."""

    def script(side):
        tracer = side.attempt(lambda: shown_tracer(side, side.provider.get_tracer(*arguments)))
        if tracer is not None:
            tracer.start_span("a").end()

    assert_same(script)


def shown_tracer(side, tracer):
    info = tracer.instrumentation_info
    side.note(info.name, info.version, info.schema_url)
    tracer.start_span("a").end()


def test_tracers_by_name():
    """Arguments can be passed by the names of the interface."""

    def script(side):
        tracer = side.provider.get_tracer(
            instrumenting_module_name="shop",
            instrumenting_library_version="1",
            schema_url="https://schema",
            attributes={"a": 1},
        )
        tracer.start_span("a").end()

    assert_same(script)


def test_the_same_tracer():
    """Two calls return one tracer if the SDK returns one."""

    def script(side):
        get = side.provider.get_tracer
        one = get("shop", "1")
        side.note(one is get("shop", "1"), one is get("shop"), one is get("shop", "1", "schema"))
        side.note(get("a", attributes={"a": 1}) is get("a", attributes={"a": 1}))
        side.note(get("a") is get("a", ""), get("a") is get("a", None))

    assert_same(script)


def test_the_attributes_of_a_provider():
    """Provider and tracer have the objects that they were made with."""
    resource = Resource({"side.a": 1}, "https://schema")

    def script(side):
        provider, tracer = side.provider, side.tracer
        side.note(provider.resource, tracer.resource is provider.resource)
        side.note(tracer.sampler is provider.sampler, type(tracer.sampler))
        side.note(tracer.id_generator is provider.id_generator, type(tracer.id_generator))
        side.note(tracer.instrumentation_info.name)
        with side.span() as span:
            side.note(span.resource is provider.resource)
        side.note(side.ended[0].resource is provider.resource)

    assert_same(script, resource=resource)


def test_whole_resources():
    """The resource is the one of the argument, without additions."""
    resource = Resource({"a": 1, "service.name": "x"}, "https://schema")

    def script(side):
        side.note(side.span().resource is resource, side.provider.resource is resource)

    side = assert_same(script, resource=resource, without=["built"])
    assert [(True, True)] == side.noted


def test_flush_and_shutdown():
    """They reach the processors in the same order, and return the same."""

    def script(side):
        side.span("open")
        side.note(side.provider.force_flush(), side.provider.force_flush(5))
        side.attempt(side.provider.force_flush, timeout_millis=0)
        side.attempt(side.provider.shutdown)
        side.span("later").end()
        side.attempt(side.provider.shutdown)
        side.attempt(side.provider.force_flush)

    assert_same(script, processors=lambda side: [Witness(side, "one"), Witness(side, "other")])


class Reluctant(Witness):
    def force_flush(self, timeout_millis=30000):
        super().force_flush(timeout_millis)
        return self.label


@pytest.mark.parametrize("answer", [False, None, True, 0], ids=repr)
def test_a_flush_that_fails(answer):
    """If one processor does not flush, the provider returns the same as the SDK's."""

    def script(side):
        side.note(side.provider.force_flush())

    assert_same(script, processors=lambda side: [Reluctant(side, answer), Witness(side)])


class Stubborn(Witness):
    def shutdown(self):
        raise OSError("no end")

    def force_flush(self, timeout_millis=30000):
        raise OSError("no flush")


def test_processors_that_fail_at_the_end():
    """The caller gets their exceptions."""

    def script(side):
        side.attempt(side.provider.force_flush)
        side.attempt(side.provider.shutdown)

    side = assert_same(script, processors=lambda side: [Stubborn(side), Witness(side)])
    assert [("OSError", "no flush"), ("OSError", "no end")] == side.raised


@pytest.mark.parametrize("value", ["true", "TRUE ", "false", "", "1"])
def test_a_disabled_sdk(monkeypatch, value):
    """With `OTEL_SDK_DISABLED` the tracers do nothing."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", value)

    def script(side):
        tracer = side.provider.get_tracer("shop")
        side.note(type(tracer) is trace.NoOpTracer)
        with tracer.start_as_current_span("a") as span:
            side.note(span)

    assert_same(script, without=["built"])


@pytest.mark.skipif(
    not hasattr(sdk.TracerProvider, "_set_tracer_configurator"),
    reason="this release of the SDK has no configurators",
)
def test_tracer_configurators():
    """A disabled tracer records nothing, and passes the context of the parent on."""

    def script(side):
        other = side.provider.get_tracer("other")

        def configure(scope):
            side.note(scope.name)
            if scope.name == "broken":
                raise OSError("no configuration")
            return sdk._TracerConfig(is_enabled=scope.name != "side")

        use(side, other)
        side.provider._set_tracer_configurator(tracer_configurator=configure)
        use(side, other)
        use(side, side.provider.get_tracer("broken"))
        side.provider._set_tracer_configurator(tracer_configurator=sdk._default_tracer_configurator)
        use(side, other)

    def use(side, other):
        with other.start_as_current_span("around") as around:
            child = side.tracer.start_span("a", attributes={"a": 1})
            side.note(child, around, isinstance(child, sdk.Span))
            child.end()
        side.note(side.tracer.start_span("root"))

    assert_same(script)


def test_the_api_over_a_provider():
    """`trace.get_tracer` uses the provider of its argument."""

    def script(side):
        tracer = trace.get_tracer("api", "1", side.provider, "https://schema", {"a": 1})
        tracer.start_span("a").end()

    assert_same(script)
