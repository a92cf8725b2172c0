"""Spans that several threads use, beside the SDK's."""

from __future__ import annotations

import gc
import threading
import weakref

from opentelemetry import trace

from tests.side_by_side.sides import Witness, assert_same
from tests.side_by_side.test_starting import remote

THREADS = 8
TIMES = 100


def in_threads(work):
    """Run something in several threads that begin together, and raise what failed."""
    barrier, errors = threading.Barrier(THREADS), []

    def run(number):
        barrier.wait(30)
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors


def test_many_threads_that_change_one_span():
    """No change is lost, and none is counted twice."""

    def script(side):
        span = side.span()

        def change(number):
            for time in range(TIMES):
                span.set_attribute(f"{number}.{time % 10}", time)
                span.set_attributes({f"{number}.more": time})
                span.add_event("e", {"n": number})
                span.add_link(remote(), {"n": number})
                span.set_status(trace.StatusCode.ERROR)

        in_threads(change)
        span.end()
        finished = side.ended[0]
        side.note(sorted(finished.attributes.items()))
        side.note([len(finished.events), finished.dropped_events])
        side.note([len(finished.links), finished.dropped_links])

    side = assert_same(script, processors=lambda side: [Keeping(side)])
    assert [[128, THREADS * TIMES - 128]] * 2 == side.noted[1:]
    assert THREADS * 11 == len(side.noted[0])


class Keeping(Witness):
    """Keeps the ended spans only: their contents have no order."""

    def _write(self, *what):
        return


def test_many_threads_that_end_one_span():
    """The processors get it once, and every other end logs a warning."""

    def script(side):
        for _ in range(50):
            span = side.span()
            in_threads(lambda number, span=span: span.end(number + 1))
        side.note(len(side.ended), [0 < span.end_time <= THREADS for span in side.ended])

    side = assert_same(script, processors=lambda side: [Keeping(side)])
    assert [50, 50 * (THREADS - 1)] == [side.noted[0][0], len(side.logged)]


def test_threads_that_change_a_span_while_it_ends():
    """A change is in the span that processors get, or is rejected. None comes later."""

    def script(side):
        for _ in range(50):
            span = side.span()

            def change(number, span=span):
                if number == 0:
                    span.end()
                    attributes = dict(side.ended[-1].attributes)
                    side.seen.setdefault("early", []).append(attributes)
                else:
                    span.set_attribute(f"a{number}", number)
                    span.add_event("e")

            in_threads(change)
        side.note([span.is_recording() for span in side.seen.get("spans", [])])
        late = [dict(span.attributes) for span in side.ended]
        side.note(late == side.seen["early"])
        side.journal = [entry for entry in side.journal if entry[0] != "log"]

    side = assert_same(script, processors=lambda side: [Keeping(side)])
    assert True is side.noted[-1]


def test_a_span_without_references():
    """It is freed at once, without the garbage collector, ended or not."""

    def script(side):
        gc.disable()
        try:
            for ends in (True, False):
                span = side.span(attributes={"a": [1]})
                span.add_event("e")
                span.set_attribute("b", 2)
                if ends:
                    span.end()
                    side.ended.clear()
                reference = weakref.ref(span)
                del span
                side.note(reference() is None)
        finally:
            gc.enable()

    side = assert_same(script, processors=lambda side: [Keeping(side)])
    assert [True, True] == side.noted
