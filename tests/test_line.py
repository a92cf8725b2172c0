"""The line of spans: whatever happens in whichever order, each span is at exactly one place."""

from __future__ import annotations

from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tracekit._delivery.flushes import Flushes
from tracekit._delivery.span_queue import SpanQueue

CAPACITY = 5


def fill(line, *spans):
    line.waiting.extend(spans)
    return line


class Accounts(RuleBasedStateMachine):
    """A line beside a plain list of what should be in it, in order, and a count of each fate."""

    def __init__(self):
        super().__init__()
        self.line = SpanQueue(CAPACITY)
        self.came = 0
        self.model = []
        self.hand = None
        self.returned = None
        self.fates = Counter()

    @rule(count=st.integers(1, CAPACITY + 2))
    def end_spans(self, count):
        """Some spans end; with too many waiting the oldest of these go."""
        for _ in range(count):
            self.line.waiting.append(self.came)
            self.model.append(self.came)
            self.came += 1
        assert max(0, len(self.model) - CAPACITY) == self.line.make_room()
        self._drop_oldest()

    def _drop_oldest(self):
        while len(self.model) > CAPACITY:
            self.model.pop(0)
            self.fates["dropped"] += 1

    @precondition(lambda self: self.hand is None)
    @rule(size=st.integers(1, CAPACITY))
    def take(self, size):
        """The oldest are taken; a batch that came back whole is the same one again."""
        before, self.returned = self.returned, None
        batch = self.line.take(size)
        if batch is None:
            assert [] == self.model
            return
        if before is not None and before.spans == self.model[: len(before)]:
            assert before is batch
        else:
            assert min(size, len(self.model)) == len(batch)
        self.hand, self.model = self.model[: len(batch)], self.model[len(batch) :]
        assert self.hand == batch.spans

    @precondition(lambda self: self.hand is not None)
    @rule(data=st.data())
    def settle(self, data):
        """The batch in hand leaves, delivered or failed."""
        delivered = data.draw(st.integers(0, len(self.hand)))
        assert len(self.hand) - delivered == self.line.settle(self.line.in_flight, delivered)
        self.fates.update(exported=delivered, failed=len(self.hand) - delivered)
        self.hand = None

    @precondition(lambda self: self.hand is not None)
    @rule()
    def requeue(self):
        """The batch in hand comes to the head again, as far as there is room."""
        self.model, self.hand = self.hand + self.model, None
        over = max(0, len(self.model) - CAPACITY)
        self.returned = self.line.in_flight
        assert over == self.line.requeue(self.returned)
        self._drop_oldest()

    @rule(late=st.integers(0, 3), before=st.integers(0, 3))
    def drop_behind(self, late, before):
        """What stands behind a position goes, the newest first; the batch in hand stays."""
        before = min(before, len(self.model))
        position = self.line.end - before
        self.line.waiting.extend(range(-late, 0))
        assert late + before == self.line.drop_behind(position)
        self.model = self.model[: len(self.model) - before]
        self.fates["dropped"] += late + before

    @rule()
    def drop_all(self):
        """Nothing is left; a batch that is still at the exporter counts no more."""
        hand, batch = len(self.hand or []), self.line.in_flight
        assert len(self.model) + hand == self.line.drop_all()
        self.fates["dropped"] += len(self.model) + hand
        self.model, self.hand = [], None
        if batch is not None:
            assert (None, 0) == (self.line.settle(batch, 0), self.line.requeue(batch))

    @rule()
    def ask_whether_past(self):
        """The end is past when nothing is left, and not before."""
        assert self.line.is_past(self.line.end) == (not self.model and self.hand is None)

    @invariant()
    def each_span_is_at_one_place(self):
        assert self.model == list(self.line.waiting)
        tally = self.line.tally
        counted = {"exported": tally.exported, "dropped": tally.dropped, "failed": tally.failed}
        assert {**dict.fromkeys(counted, 0), **self.fates} == counted
        assert len(self.model) + len(self.hand or []) == len(self.line)
        assert self.line.head <= self.line.end == self.line.head + len(self.line)


TestAccounts = Accounts.TestCase


def test_a_batch_that_comes_back_is_the_same_list_of_views():
    """An exporter may know by it that it has encoded the batch."""
    line = fill(SpanQueue(CAPACITY), *map(View, "abc"))
    batch = line.take(2)
    views = batch.for_exporter
    line.requeue(batch)
    fill(line, View("d"))
    assert views is line.take(9).for_exporter


def test_a_batch_that_comes_back_in_part_is_another():
    """The oldest of it had to make room."""
    line = fill(SpanQueue(3), *"abc")
    batch = line.take(2)
    fill(line, "d", "e")
    assert 2 == line.requeue(batch)
    assert ["c", "d", "e"] == line.take(3).spans


class View(str):
    """Stands for a span: something that has events."""

    events = ()


def test_a_flush_is_due_when_all_before_it_have_left():
    """Younger spans that were dropped before them do not count for it."""
    line, flushes = fill(SpanQueue(2), "a", "b"), Flushes()
    batch = line.take(2)
    flush = flushes.add(line.end)
    fill(line, *"cdef")
    line.make_room()
    assert [] == flushes.due(line)
    line.settle(batch, 2)
    assert [flush] == flushes.due(line)


def test_a_flush_stands_for_those_that_were_given_up():
    """So that those that nobody waits for do not pile up; one that waits stays."""
    flushes = Flushes()
    waiting, given_up = flushes.add(1), flushes.add(2)
    given_up.is_given_up = True
    flushes.add(3)
    assert 2 == len(flushes)
    flushes.serve([waiting])
    assert (True, 1) == (waiting.is_over, len(flushes))
