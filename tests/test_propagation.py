"""`tracekit.propagation`: the trace context in messages and subprocesses."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.trace import TraceState

from tests.tasks import NOTHING, observe, submitter
from tracekit import instrument, propagation, span

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"


def extracted(carrier):
    """Return the span context in a carrier."""
    return trace.get_current_span(propagation.extract(carrier)).get_span_context()


def test_an_injected_context_can_be_extracted(spans):
    """The trace and the baggage."""
    with submitter() as expected:
        carrier = propagation.inject()
    with propagation.remote_parent(carrier):
        assert expected == observe()
    assert NOTHING == observe()


def test_a_given_carrier_is_returned_with_the_headers(spans):
    """Its other entries stay."""
    headers = {"accept": "text/plain"}
    with span("publish"):
        assert headers is propagation.inject(headers)
    assert {"accept", "traceparent"} == headers.keys()


def test_without_a_trace_nothing_is_injected():
    """The carrier is unchanged."""
    assert {} == propagation.inject()


@pytest.mark.parametrize("nothing", [7, "headers", ["a"], dict, ()])
def test_an_object_that_is_not_a_carrier_is_returned_by_inject(nothing):
    """It may be data, which must not raise."""
    assert nothing is propagation.inject(nothing)


CARRIERS = {
    "mapping": {"traceparent": TRACEPARENT},
    "any case": {"TraceParent": TRACEPARENT},
    "bytes": {b"traceparent": TRACEPARENT.encode()},
    "pairs": [("x", "y"), ("traceparent", TRACEPARENT)],
    "pairs of bytes": [(b"traceparent", TRACEPARENT.encode())],
    "lists": {"traceparent": [TRACEPARENT]},
    "a later version": {"traceparent": TRACEPARENT.replace("00", "01", 1) + "-more"},
    "with a hostile neighbour": {"traceparent": TRACEPARENT, "baggage": b"\xff" * 100_000},
    "with strange neighbours": {7: 8, None: None, "x": object(), "traceparent": TRACEPARENT},
}


@pytest.mark.parametrize("carrier", CARRIERS.values(), ids=CARRIERS)
def test_every_form_of_carrier_is_accepted(carrier):
    """Mappings and pairs, text and bytes, in any case."""
    found = extracted(carrier)
    assert TRACE == f"{found.trace_id:032x}"
    assert SPAN == f"{found.span_id:016x}"
    assert found.is_remote


HOSTILE = {
    "wrong version": {"traceparent": TRACEPARENT.replace("00", "ff", 1)},
    "version 0 with more": {"traceparent": TRACEPARENT + "-more"},
    "no ids": {"traceparent": f"00-{'0' * 32}-{SPAN}-01"},
    "upper case": {"traceparent": TRACEPARENT.upper()},
    "oversized": {"traceparent": TRACEPARENT + " " * 10_000},
    "huge": {"traceparent": "0" * 10_000_000},
    "binary": {"traceparent": b"\x00\xff\xfe\x80" * 14},
    "control characters": {"traceparent": TRACEPARENT + "\r\nx: y"},
    "empty": {"traceparent": ""},
    "empty list": {"traceparent": []},
    "none": {"traceparent": None},
    "too many headers": {**{f"x-{n}": "y" for n in range(2_000)}, "traceparent": TRACEPARENT},
    "nested": {"traceparent": {"traceparent": TRACEPARENT}},
    "nothing": None,
    "a number": 7,
    "bytes": b"\x80\x04\x95",
    "text": TRACEPARENT,
    "triples": [("traceparent", TRACEPARENT, 1)],
}


@pytest.mark.parametrize("carrier", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_carrier_begins_a_new_trace(spans, carrier):
    """It does not raise, and does not continue the current trace."""
    with submitter() as here, propagation.remote_parent(carrier), span("handle"):
        assert here[0] != observe()[0]
    assert None is spans["handle"].span.parent


@pytest.mark.parametrize("carrier", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_carrier_does_not_disturb_a_decorated_call(spans, carrier):
    """As the parent of a function it is ignored."""

    @instrument("handle", parent=lambda headers: headers)
    def handle(headers):
        return "done"

    assert "done" == handle(carrier)


@given(
    st.one_of(
        st.binary(),
        st.text(),
        st.dictionaries(
            st.sampled_from(["traceparent", "tracestate", "baggage"]),
            st.one_of(st.binary(), st.text(), st.none(), st.lists(st.text()), st.integers()),
        ),
        st.lists(st.tuples(st.binary(), st.binary())),
    )
)
def test_no_carrier_raises(carrier):
    """Whatever its content."""
    assert isinstance(propagation.extract(carrier), context.Context)


def test_an_object_that_is_not_a_carrier_is_logged_once(caplog):
    """With its type and without its content."""
    for _ in range(2):
        propagation.extract(7)
    assert [
        "an object of type int is not a carrier of a trace; a new trace begins"
    ] == caplog.messages


def test_the_current_baggage_stays():
    """Beside the baggage of the carrier."""
    token = context.attach(baggage.set_baggage("here", "yes"))
    try:
        found = propagation.extract({"baggage": "there=too"})
    finally:
        context.detach(token)
    assert {"here": "yes", "there": "too"} == baggage.get_all(found)


def test_a_propagator_that_fails_is_logged_once(monkeypatch, caplog):
    """For each direction. A new trace begins."""

    class Failing:
        fields = frozenset({"x"})

        def inject(self, *_, **__):
            raise RuntimeError("broken")

        extract = inject

    monkeypatch.setattr(propagate, "propagator", Failing())
    monkeypatch.setattr(propagate, "_HTTP_TEXT_FORMAT", Failing(), raising=False)
    for _ in range(2):
        assert {} == propagation.inject({})
        assert not extracted({"traceparent": TRACEPARENT}).is_valid
    assert 2 == len(caplog.messages)


def test_environ_is_a_copy_of_the_environment_with_the_trace(monkeypatch, spans):
    """The environment of this process is unchanged."""
    monkeypatch.setenv("TRACESTATE", "of=another")
    monkeypatch.setenv("EXISTING", "kept")
    before = dict(os.environ)
    with submitter() as expected:
        environment = propagation.environ()
    assert f"00-{expected[0]}-{expected[1]}" == environment["TRACEPARENT"][:-3]
    assert "user=ada" == environment["BAGGAGE"]
    assert "kept" == environment["EXISTING"]
    assert "TRACESTATE" not in environment
    assert before == dict(os.environ)


def test_environ_has_the_trace_state():
    """If the trace has one."""
    state = TraceState([("vendor", "value")])
    remote = trace.SpanContext(1, 2, is_remote=True, trace_state=state)
    token = context.attach(trace.set_span_in_context(trace.NonRecordingSpan(remote)))
    try:
        assert "vendor=value" == propagation.environ({})["TRACESTATE"]
    finally:
        context.detach(token)


def test_environ_without_a_current_span_is_a_plain_copy(monkeypatch):
    """The trace of the environment is passed on."""
    monkeypatch.setenv("TRACEPARENT", TRACEPARENT)
    assert dict(os.environ) == propagation.environ()


def test_environ_can_copy_another_environment(spans):
    """The other environment is unchanged."""
    base = {"ONLY": "this"}
    with span("convert"):
        assert {"ONLY", "TRACEPARENT"} == propagation.environ(base).keys()
    assert {"ONLY": "this"} == base


CHILD = """
import sys, tracekit
from opentelemetry import baggage, trace
with tracekit.init_telemetry("child", exporter="none", {option}), tracekit.span("work") as work:
    print(format(work.get_span_context().trace_id, "032x"), baggage.get_baggage("user"))
"""


@pytest.mark.parametrize(
    ("option", "continues"),
    [("", True), ("continue_trace=False", False), ("propagator='b3'", True)],
)
def test_a_child_process_continues_the_trace(spans, option, continues):
    """Once it calls `init_telemetry`, unless it sets `continue_trace=False`."""
    with submitter() as expected:
        done = subprocess.run(
            [sys.executable, "-c", CHILD.format(option=option)],
            env=propagation.environ(),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    trace_id, user = done.stdout.split()
    assert continues == (expected[0] == trace_id)
    assert ("ada" if continues else "None") == user


def test_propagation_does_not_import_the_sdk(run_python):
    """It needs no set-up."""
    done = run_python(
        "import sys\n"
        "from tracekit import propagation\n"
        f"with propagation.remote_parent({{'traceparent': {TRACEPARENT!r}}}):\n"
        "    print(propagation.inject()['traceparent'], 'opentelemetry.sdk' in sys.modules)\n"
    )
    assert f"{TRACEPARENT} False" == done.stdout.strip()


def test_a_propagator_that_is_not_installed_is_logged_once(run_python):
    """Without a set-up a misspelt `OTEL_PROPAGATORS` fails first while the program runs."""
    done = run_python(
        "import pickle\n"
        "from tracekit import instrument, preserve_context, propagation, span\n"
        "@instrument(parent=lambda headers: headers)\n"
        "def handle(headers): return headers\n"
        "for _ in range(2):\n"
        "    with span('x'): print(propagation.inject({'accept': 'text/plain'}))\n"
        "    with propagation.remote_parent({'traceparent': ''}): print('read')\n"
        "print(handle({}), pickle.loads(pickle.dumps(preserve_context(len)))('abc'))\n",
        OTEL_PROPAGATORS="tracecontent",
    )
    expected = ["{'accept': 'text/plain'}", "read"] * 2 + ["{} 3"]
    assert expected == done.stdout.splitlines()
    assert 1 == done.stderr.count("a trace's headers were not written (ValueError)")
    assert 1 == done.stderr.count("a trace's headers were not read (ValueError)")
