"""The queue of spans: in any order of events, each span is in exactly one place."""

from __future__ import annotations

from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tracekit._delivery.span_queue import SpanQueue
from tracekit._delivery.stats import SpanCounts

CAPACITY = 5


def make_queue(*spans, capacity=CAPACITY):
    queue = SpanQueue(capacity, SpanCounts())
    queue.waiting.extend(spans)
    return queue


class Accounts(RuleBasedStateMachine):
    """A queue beside a model: a list of the spans that wait, a list in flight, and the counts."""

    def __init__(self):
        super().__init__()
        self.queue = make_queue()
        self.ended = 0
        self.model = []
        self.in_flight = None
        self.requeued = None
        self.counts = Counter()

    @rule(number=st.integers(1, CAPACITY + 2))
    def end_spans(self, number):
        """Some spans end. The oldest waiting spans beyond the capacity are dropped."""
        for _ in range(number):
            self.queue.waiting.append(self.ended)
            self.model.append(self.ended)
            self.ended += 1
        assert max(0, len(self.model) - CAPACITY) == self.queue.drop_excess()
        self._drop_oldest()

    def _drop_oldest(self):
        while len(self.model) > CAPACITY:
            self.model.pop(0)
            self.counts["dropped"] += 1

    @precondition(lambda self: self.in_flight is None)
    @rule(size=st.integers(1, CAPACITY))
    def take(self, size):
        """The oldest spans are taken. A requeued batch that is still whole is the same object."""
        before, self.requeued = self.requeued, None
        batch = self.queue.take(size)
        if batch is None:
            assert [] == self.model
            return
        if before is not None and before.spans == self.model[: len(before)]:
            assert before is batch
        else:
            assert min(size, len(self.model)) == len(batch)
        self.in_flight, self.model = self.model[: len(batch)], self.model[len(batch) :]
        assert self.in_flight == batch.spans

    @precondition(lambda self: self.in_flight is not None)
    @rule(size=st.integers(1, CAPACITY))
    def take_another(self, size):
        """While a batch is in flight, no other one is taken."""
        assert self.queue.take(size) is None

    @precondition(lambda self: self.in_flight is not None)
    @rule(data=st.data())
    def settle(self, data):
        """The batch in flight leaves the queue, exported or failed."""
        exported = data.draw(st.integers(0, len(self.in_flight)))
        failed = len(self.in_flight) - exported
        assert failed == self.queue.settle(self.queue.in_flight, exported)
        self.counts.update(exported=exported, failed=failed)
        self.in_flight = None

    @precondition(lambda self: self.in_flight is not None)
    @rule()
    def requeue(self):
        """The batch in flight goes back to the head of the queue, as far as there is room."""
        self.model, self.in_flight = self.in_flight + self.model, None
        excess = max(0, len(self.model) - CAPACITY)
        self.requeued = self.queue.in_flight
        assert excess == self.queue.requeue(self.requeued)
        self._drop_oldest()

    @rule(late=st.integers(0, 3), before=st.integers(0, 3))
    def drop_from(self, late, before):
        """The waiting spans from a position on are dropped. The batch in flight stays."""
        before = min(before, len(self.model))
        position = self.queue.end - before
        self.queue.waiting.extend(range(-late, 0))
        assert late + before == self.queue.drop_from(position)
        self.model = self.model[: len(self.model) - before]
        self.counts["dropped"] += late + before

    @rule()
    def drop_all(self):
        """No span is left. The export of a batch in flight does not count any more."""
        in_flight, batch = len(self.in_flight or []), self.queue.in_flight
        assert len(self.model) + in_flight == self.queue.drop_all()
        self.counts["dropped"] += len(self.model) + in_flight
        self.model, self.in_flight = [], None
        if batch is not None:
            assert self.queue.settle(batch, 0) is None
            assert 0 == self.queue.requeue(batch)

    @rule()
    def ask_whether_past(self):
        """The queue is past its end if it is empty, and only then."""
        is_empty = not self.model and self.in_flight is None
        assert is_empty == self.queue.is_past(self.queue.end)

    @invariant()
    def each_span_is_in_one_place(self):
        assert self.model == list(self.queue.waiting)
        counts = self.queue.counts
        counted = {name: getattr(counts, name) for name in ("exported", "dropped", "failed")}
        assert {**dict.fromkeys(counted, 0), **self.counts} == counted
        assert len(self.model) + len(self.in_flight or []) == len(self.queue)
        assert self.queue.head + len(self.queue) == self.queue.end


TestAccounts = Accounts.TestCase


class View(str):
    """Stands for a span, which has events."""

    events = ()


def test_a_requeued_batch_is_the_same_object_for_the_exporter():
    """So an exporter encodes a batch once, however often it is retried."""
    queue = make_queue(*map(View, "abc"))
    batch = queue.take(2)
    for_exporter = batch.for_exporter
    queue.requeue(batch)
    queue.waiting.append(View("d"))
    assert for_exporter is queue.take(9).for_exporter


def test_a_requeued_batch_of_which_a_part_was_dropped_is_another_batch():
    """It is filled up with the spans that came after it."""
    queue = make_queue(*"abc", capacity=3)
    batch = queue.take(2)
    queue.waiting.extend("de")
    assert 2 == queue.requeue(batch)
    assert ["c", "d", "e"] == queue.take(3).spans
