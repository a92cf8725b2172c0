"""The way from the end of a span to a receiver, through every kind of trouble.

In each: the spans that ended are those that were exported, failed or dropped, exactly, and what
counts as exported has arrived.
"""

from __future__ import annotations

import gc
import itertools
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tests.receivers import Accept, GrpcReceiver, Hang, HttpReceiver, Refuse
from tracekit import ExporterStats, TelemetryBuilder, exporters
from tracekit._delivery import backoff, span_queue

pytestmark = pytest.mark.usefixtures("no_otlp_environment")

RECEIVERS = {"grpc": GrpcReceiver, "http": HttpReceiver}
BUSY = {"grpc": grpc.StatusCode.UNAVAILABLE, "http": 503}
UNKNOWN_CALLER = {"grpc": grpc.StatusCode.UNAUTHENTICATED, "http": 401}
PATIENCE = 30.0


@pytest.fixture(params=["grpc", "http"])
def protocol(request):
    return request.param


@pytest.fixture
def receiver(protocol):
    with RECEIVERS[protocol]() as running:
        yield running
        running.release()


@pytest.fixture
def short_pauses(monkeypatch):
    """Let an outage of some seconds pass through many repetitions."""
    monkeypatch.setattr(backoff, "INITIAL_DELAY", 0.01)
    monkeypatch.setattr(backoff, "MAX_DELAY", 0.05)


@pytest.fixture
def sizes(monkeypatch):
    """Set the sizes of the line and of a batch, and let batches go out as soon as may be."""

    def put(queue=100_000, batch=100, delay=10):
        monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", str(queue))
        monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", str(batch))
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", str(delay))

    put()
    return put


@pytest.fixture
def make(request):
    """Make telemetry with an exporter, and end it with the test."""

    def make(exporter):
        telemetry = TelemetryBuilder("pipeline").with_exporter(exporter).build()
        request.addfinalizer(lambda: telemetry.shutdown(0.1))
        return telemetry

    return make


@pytest.fixture
def telemetry(make, sizes, short_pauses, receiver, protocol):
    return make(exporters.otlp(protocol=protocol, endpoint=receiver.endpoint))


@pytest.fixture
def patient(make, sizes, short_pauses, receiver, protocol):
    """Only a full batch or a flush makes it send."""
    sizes(delay=3_600_000)
    return make(exporters.otlp(protocol=protocol, endpoint=receiver.endpoint))


def end_spans(telemetry, count=1):
    """End some spans, and give their ids as receivers show them."""
    tracer = telemetry.tracer_provider.get_tracer("test")
    ids = []
    for _ in range(count):
        span = tracer.start_span("work")
        ids.append(f"{span.context.span_id:016x}")
        span.end()
    return ids


def stats(telemetry):
    (only,) = telemetry.stats.exporters.values()
    return only


def accounted(telemetry):
    """How many spans are somewhere."""
    found = stats(telemetry)
    return found.exported + found.dropped + found.failed + found.waiting


def arrived(receiver):
    return [span.span_id for span in receiver.spans]


class Load:
    """A thread that ends spans until it is told to stop, with a pause now and then."""

    def __init__(self, telemetry):
        self.ids = []
        self._telemetry = telemetry
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._changed = threading.Condition()

    def _run(self):
        while not self._stop.wait(0.001):
            ids = end_spans(self._telemetry, 10)
            with self._changed:
                self.ids += ids
                self._changed.notify_all()

    def wait_for(self, more):
        """Wait until so many more spans have ended."""
        with self._changed:
            goal = len(self.ids) + more
            assert self._changed.wait_for(lambda: len(self.ids) >= goal, PATIENCE)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def wait_for_failures(telemetry, count):
    """Wait until a batch was put back so many times in a row."""
    (delivery,) = telemetry._lifecycle.deliveries
    with delivery._changed:
        assert delivery._changed.wait_for(
            lambda: delivery._worker._backoff._failures >= count, PATIENCE
        )


class TestReceivers:
    def test_one_that_is_killed_under_load_and_comes_back(self, telemetry, receiver):
        """Nothing is lost; what was under way when it was killed may arrive twice."""
        with Load(telemetry) as load:
            receiver.wait_for_spans(200, PATIENCE)
            receiver.kill()
            wait_for_failures(telemetry, 3)
            load.wait_for(500)
            receiver.start()
            load.wait_for(500)
        assert telemetry.shutdown(PATIENCE)
        assert ExporterStats(exported=len(load.ids)) == stats(telemetry)
        assert set(load.ids) == set(arrived(receiver))

    def test_one_that_is_away_for_longer_than_the_line_holds(
        self, sizes, make, short_pauses, receiver, protocol
    ):
        """The oldest make room; the newest arrive, in order, when it is back."""
        sizes(queue=300, batch=100)
        telemetry = make(exporters.otlp(protocol=protocol, endpoint=receiver.endpoint))
        before = end_spans(telemetry, 50)
        assert telemetry.flush(PATIENCE)
        receiver.kill()
        with Load(telemetry) as load:
            wait_for_failures(telemetry, 5)
            load.wait_for(600)
            wait_for_failures(telemetry, 10)
        receiver.start()
        assert not telemetry.shutdown(PATIENCE)
        lost = len(load.ids) - 300
        assert ExporterStats(exported=350, dropped=lost) == stats(telemetry)
        assert before + load.ids[lost:] == arrived(receiver)

    def test_one_that_is_slow(self, telemetry, receiver):
        """Spans end faster than it takes them, and wait."""
        receiver.otherwise = Accept(after=0.02)
        with Load(telemetry) as load:
            load.wait_for(1500)
        assert telemetry.shutdown(PATIENCE)
        assert ExporterStats(exported=len(load.ids)) == stats(telemetry)
        assert load.ids == arrived(receiver)

    def test_one_that_refuses_for_good(self, patient, receiver, protocol, caplog):
        """Each batch is sent once, counted as failed, and the reason is said once."""
        receiver.otherwise = Refuse(UNKNOWN_CALLER[protocol], "who are you?")
        for _ in range(5):
            end_spans(patient, 10)
            assert not patient.flush(PATIENCE)
        assert ExporterStats(failed=50) == stats(patient)
        assert (5, []) == (receiver.attempts, receiver.spans)
        (said,) = caplog.messages
        assert "did not deliver 10 spans: " in said and "who are you?" in said

    def test_one_that_fails_every_second_time(self, patient, receiver, protocol):
        """Everything arrives, once and in order."""
        receiver.script(*[Refuse(BUSY[protocol], "busy"), Accept()] * 20)
        ids = list(itertools.chain(*(end_spans(patient, 100) for _ in range(20))))
        assert patient.shutdown(PATIENCE)
        assert ExporterStats(exported=2000) == stats(patient)
        assert (ids, 40) == (arrived(receiver), receiver.attempts)

    def test_one_that_takes_a_part(self, patient, receiver):
        """What it rejects is counted as failed, and not sent again."""
        receiver.script(Accept(rejected=3, message="too old"), Accept(), Accept(rejected=100))
        for _ in range(3):
            end_spans(patient, 100)
            patient.flush(PATIENCE)
        patient.shutdown(PATIENCE)
        assert ExporterStats(exported=197, failed=103) == stats(patient)
        assert 3 == receiver.attempts

    def test_one_that_hangs(self, telemetry, receiver):
        """No thread that ends a span waits for it, however many do."""
        receiver.script(Hang())
        ids = end_spans(telemetry, 100)
        receiver.wait_for_attempts(1, PATIENCE)
        ids += end_spans(telemetry, 10_000)
        assert ([], ExporterStats(waiting=10_100)) == (receiver.spans, stats(telemetry))
        receiver.release()
        assert telemetry.shutdown(PATIENCE)
        assert (ids, ExporterStats(exported=10_100)) == (arrived(receiver), stats(telemetry))

    def test_one_that_hangs_for_longer_than_a_call_may_take(
        self, monkeypatch, make, sizes, short_pauses, receiver, protocol
    ):
        """`OTEL_BSP_EXPORT_TIMEOUT` ends the call, and the batch is sent again."""
        monkeypatch.setenv("OTEL_BSP_EXPORT_TIMEOUT", "1000")
        exporter = exporters.otlp(protocol=protocol, endpoint=receiver.endpoint, timeout=600.0)
        telemetry = make(exporter)
        receiver.script(Hang())
        ids = end_spans(telemetry, 5)
        assert telemetry.flush(PATIENCE)
        assert ExporterStats(exported=5) == stats(telemetry)
        assert receiver.attempts > 1
        assert set(ids) == set(arrived(receiver))

    def test_one_that_is_not_there_at_the_end(self, telemetry, receiver, caplog):
        """The deadline holds, and what waits even then is counted."""
        receiver.kill()
        end_spans(telemetry, 250)
        assert not telemetry.flush(0.2)
        assert ExporterStats(waiting=250) == stats(telemetry)
        assert not telemetry.shutdown(0.2)
        assert ExporterStats(dropped=250) == stats(telemetry)
        assert ["cannot deliver for now", "time ran out at shutdown"] == [
            text for message in caplog.messages for text in SAID if text in message
        ]

    def test_one_that_comes_while_a_flush_waits(self, telemetry, receiver):
        """The flush goes on trying."""
        receiver.kill()
        ids = end_spans(telemetry, 5)
        answers = []
        thread = threading.Thread(target=lambda: answers.append(telemetry.flush(PATIENCE)))
        thread.start()
        wait_for_failures(telemetry, 3)
        receiver.start()
        thread.join(PATIENCE)
        assert ([True], ids) == (answers, arrived(receiver))

    def test_one_that_comes_while_a_shutdown_waits(self, telemetry, receiver):
        """The shutdown goes on trying."""
        receiver.kill()
        ids = end_spans(telemetry, 5)
        answers = []
        thread = threading.Thread(target=lambda: answers.append(telemetry.shutdown(PATIENCE)))
        thread.start()
        wait_for_failures(telemetry, 3)
        receiver.start()
        thread.join(PATIENCE)
        assert ([True], ids) == (answers, arrived(receiver))


class Process:
    """A receiver in a process of its own, each time on the same port."""

    def __init__(self, protocol, path):
        self._protocol, self._path = protocol, path
        self.port = "0"

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def ids(self):
        return self._path.read_text().split() if self._path.exists() else []

    def start(self):
        arguments = [self._protocol, self.port, str(self._path)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.receiver_program", *arguments],
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = self._process.stdout.readline().strip()

    def kill(self):
        self._process.kill()
        self._process.communicate()


def test_a_receiver_in_a_process_that_is_killed_again_and_again(
    make, sizes, short_pauses, protocol, tmp_path
):
    """In the midst of whatever it does, and each time it comes back nothing has been lost."""
    receiver = Process(protocol, tmp_path / "ids")
    receiver.start()
    telemetry = make(exporters.otlp(protocol=protocol, endpoint=receiver.endpoint))
    try:
        with Load(telemetry) as load:
            for _ in range(3):
                load.wait_for(300)
                receiver.kill()
                wait_for_failures(telemetry, 2)
                receiver.start()
        assert telemetry.shutdown(PATIENCE)
        assert ExporterStats(exported=len(load.ids)) == stats(telemetry)
        assert set(load.ids) == set(receiver.ids)
    finally:
        receiver.kill()


SAID = ["cannot deliver for now", "time ran out at shutdown", "delivers again", "queue is full"]


# In seconds; by default longer than the official exporters repeat.
AWAY = float(os.environ.get("TRACEKIT_AWAY_SECONDS", "11.5"))


@pytest.mark.timeout(120 + AWAY)
def test_receivers_that_are_away_under_load(make, caplog):
    """With every setting as it is by default, over both protocols at once."""
    caplog.set_level("INFO")
    with GrpcReceiver() as one, HttpReceiver() as other:
        ways = [(one, "grpc"), (other, "http")]
        telemetry = make(
            [exporters.otlp(protocol=name, endpoint=where.endpoint) for where, name in ways]
        )
        ids = end_spans(telemetry, 10)
        assert telemetry.flush(PATIENCE)
        one.kill()
        other.kill()
        ids += end_spans(telemetry, 600)
        over = threading.Event()

        def work():
            while not over.wait(0.05):
                ids.extend(end_spans(telemetry))

        load = threading.Thread(target=work)
        load.start()
        assert not telemetry.flush(AWAY)
        one.start()
        other.start()
        over.set()
        load.join()
        assert telemetry.flush(PATIENCE)
        delivered = ExporterStats(exported=len(ids))
        assert [delivered] * 2 == list(telemetry.stats.exporters.values())
        assert (ids, ids) == (arrived(one), arrived(other))
    found = [text for message in caplog.messages for text in SAID if text in message]
    assert {"cannot deliver for now": 2, "delivers again": 2} == {
        text: found.count(text) for text in found
    }


class Moody(SpanExporter):
    """An exporter that reports, and whose next answers are given; then it takes everything."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.batches = []
        self.taken = []
        self.last_is_passing = False
        self.last_pause = None
        self.last_error = "moody"
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.is_called = threading.Semaphore(0)

    def export(self, spans):
        self.batches.append(spans)
        self.is_called.release()
        self.may_go_on.wait(PATIENCE)
        answer = self.answers.pop(0) if self.answers else "take"
        self.last_is_passing = answer == "later"
        if answer != "take":
            return SpanExportResult.FAILURE
        self.taken += [format(span.context.span_id, "016x") for span in spans]
        return SpanExportResult.SUCCESS

    def shutdown(self):
        self.may_go_on.set()


class TestTheLine:
    def test_a_batch_is_tried_again_as_the_same_list(self, make, sizes, short_pauses):
        """So that an exporter may keep what it has made of it; others come after it."""
        exporter = Moody("later", "later")
        telemetry = make(exporter)
        exporter.may_go_on.clear()
        ids = end_spans(telemetry, 3)
        assert exporter.is_called.acquire(timeout=PATIENCE)
        ids += end_spans(telemetry, 3)
        exporter.may_go_on.set()
        assert telemetry.flush(PATIENCE)
        first, again, once_more, others = exporter.batches
        assert first is again is once_more
        assert (3, 3, ids) == (len(first), len(others), exporter.taken)

    def test_a_pause_is_kept(self, make, sizes):
        """Neither the delay nor a full batch ends it; a flush does, without a loss."""
        exporter = Moody("later")
        exporter.last_pause = 200.0
        telemetry = make(exporter)
        end_spans(telemetry)
        wait_for_failures(telemetry, 1)
        end_spans(telemetry, 500)
        (delivery,) = telemetry._lifecycle.deliveries
        assert (1, 1) == (len(exporter.batches), round(delivery._worker._backoff.remaining / 200))
        assert telemetry.flush(PATIENCE)
        assert ExporterStats(exported=501) == stats(telemetry)

    def test_each_flush_tries_once_at_once(self, make, sizes):
        """And in vain not a second time before a pause is over."""
        exporter = Moody(*["later"] * 3)
        exporter.last_pause = 200.0
        telemetry = make(exporter)
        end_spans(telemetry)
        wait_for_failures(telemetry, 1)
        for attempts in (2, 3):
            assert not telemetry.flush(0.5)
            assert attempts == len(exporter.batches)
        assert telemetry.flush(PATIENCE)

    def test_after_an_outage_all_is_as_before(self, make, sizes, short_pauses):
        """What came meanwhile goes out at once, and so does the next full batch."""
        sizes(batch=2, delay=3_600_000)
        exporter = Moody("later")
        telemetry = make(exporter)
        exporter.may_go_on.clear()
        ids = end_spans(telemetry, 2)
        assert exporter.is_called.acquire(timeout=PATIENCE)
        ids += end_spans(telemetry, 1)
        exporter.may_go_on.set()
        for more in (0, 0, 2):
            ids += end_spans(telemetry, more)
            assert exporter.is_called.acquire(timeout=PATIENCE)
        (delivery,) = telemetry._lifecycle.deliveries
        assert not delivery._worker._backoff.is_active
        assert telemetry.flush(PATIENCE)
        assert ([2, 2, 1, 2], ids) == ([len(one) for one in exporter.batches], exporter.taken)

    def test_a_flush_that_is_followed_by_a_shutdown(self, make, sizes):
        """It is served, though it came while the exporter was flushed for another."""
        exporter = Moody()
        telemetry = make(exporter)
        (delivery,) = telemetry._lifecycle.deliveries
        waits = []

        def flush_and_shut_down(timeout_millis=0):
            if not waits:
                waits.extend([delivery.begin_flush(), delivery.begin_shutdown()])
            return True

        exporter.force_flush = flush_and_shut_down
        end_spans(telemetry)
        assert telemetry.flush(PATIENCE)
        assert [True, True] == [wait(PATIENCE) for wait in waits]

    def test_a_shutdown_in_a_pause_shuts_the_exporter_down(self, make, sizes):
        """Once, from the thread that exports, after the deadline."""
        exporter, ended = Moody(*["later"] * 99), []
        is_over = threading.Event()
        exporter.shutdown = lambda: (ended.append(threading.current_thread().name), is_over.set())
        exporter.last_pause = 200.0
        telemetry = make(exporter)
        end_spans(telemetry, 3)
        wait_for_failures(telemetry, 1)
        assert not telemetry.shutdown(0.1)
        assert is_over.wait(PATIENCE)
        assert (["tracekit-export-Moody"], 3) == (ended, stats(telemetry).dropped)

    def test_an_exporter_that_does_not_report_is_not_tried_again(self, make, sizes):
        """It has repeated by itself what it could."""
        exporter = Moody("no")
        telemetry = make(exporter)
        end_spans(telemetry, 4)
        assert not telemetry.flush(PATIENCE)
        assert (1, ExporterStats(failed=4)) == (len(exporter.batches), stats(telemetry))

    def test_a_receiver_that_fails_now_and_then_is_said_once(self, make, sizes, caplog):
        """Soon after that, only if it fails more often in a row."""
        caplog.set_level("INFO")
        exporter = Moody(*["later", "take"] * 5, *["later"] * 3)
        exporter.last_pause = 0.0
        telemetry = make(exporter)
        for _ in range(6):
            end_spans(telemetry)
            assert telemetry.flush(PATIENCE)
        found = [text for message in caplog.messages for text in SAID if text in message]
        assert ["cannot deliver for now", "delivers again"] * 2 == found

    def test_a_receiver_that_refuses_and_then_is_away(self, make, sizes, caplog):
        """The second trouble is another one, and said as well."""
        exporter = Moody("no", "later", "later")
        exporter.last_pause = 0.0
        telemetry = make(exporter)
        for _ in range(2):
            end_spans(telemetry)
            telemetry.flush(PATIENCE)
        found = [
            text for message in caplog.messages for text in (*SAID, "did not") if text in message
        ]
        assert ["did not", "cannot deliver for now"] == found

    def test_views_are_made_in_the_thread_that_exports(self, make, sizes, monkeypatch):
        """The thread that ends a span does not pay for them."""
        threads = []
        monkeypatch.setattr(
            span_queue, "view_of", lambda span, bit: threads.append(threading.current_thread().name)
        )
        telemetry = make(Moody())
        end_spans(telemetry)
        assert telemetry.flush(PATIENCE)
        assert ["tracekit-export-Moody"] == threads

    def test_a_view_that_cannot_be_made_fails_the_batch(self, make, sizes, monkeypatch):
        """The next one goes out."""
        telemetry = make(Moody())
        monkeypatch.setattr(span_queue, "view_of", lambda span, bit: 1 / 0)
        end_spans(telemetry, 2)
        assert not telemetry.flush(PATIENCE)
        monkeypatch.undo()
        end_spans(telemetry, 3)
        assert telemetry.flush(PATIENCE)
        assert ExporterStats(exported=3, failed=2) == stats(telemetry)

    def test_spans_beyond_the_line_are_dropped_while_a_batch_is_in_hand(self, make, sizes):
        """Those in the line first; the batch itself where it comes back to a full one."""
        sizes(queue=4, batch=2)
        exporter = Moody("later")
        telemetry = make(exporter)
        exporter.may_go_on.clear()
        end_spans(telemetry, 2)
        assert exporter.is_called.acquire(timeout=PATIENCE)
        newest = end_spans(telemetry, 7)[-4:]
        assert ExporterStats(dropped=3, waiting=6) == stats(telemetry)
        exporter.may_go_on.set()
        assert not telemetry.flush(PATIENCE)
        assert ExporterStats(exported=4, dropped=5) == stats(telemetry)
        assert newest == exporter.taken


class TestTheEndOfASpan:
    @pytest.fixture
    def attended(self, monkeypatch):
        """Record how often more is done than to append a span."""

        def watch(telemetry):
            (delivery,) = telemetry._lifecycle.deliveries
            attend, calls = delivery._check_queue, []
            monkeypatch.setattr(
                delivery, "_check_queue", lambda span: (calls.append(span), attend(span))
            )
            return calls

        return watch

    def test_it_does_nothing_but_append(self, make, sizes, attended):
        """Until a batch is full, and then until there is no room; full batches go out by it."""
        sizes(queue=300, batch=100, delay=3_600_000)
        exporter = Moody()
        exporter.may_go_on.clear()
        telemetry = make(exporter)
        calls = attended(telemetry)
        found = []
        for count in (1, 98, 1):
            end_spans(telemetry, count)
            found.append(len(calls))
        assert exporter.is_called.acquire(timeout=PATIENCE)
        for count in (99, 1, 200, 3):
            end_spans(telemetry, count)
            found.append(len(calls))
        assert [1, 1, 2, 2, 3, 3, 6] == found
        assert ExporterStats(dropped=3, waiting=400) == stats(telemetry)
        exporter.may_go_on.set()
        for _ in range(3):
            assert exporter.is_called.acquire(timeout=PATIENCE)

    def test_it_does_no_more_in_an_outage(self, make, sizes, attended):
        """Until there is no room, and then it does not wake the thread that exports."""
        sizes(queue=300, batch=100)
        exporter = Moody("later")
        exporter.last_pause = 200.0
        telemetry = make(exporter)
        end_spans(telemetry)
        wait_for_failures(telemetry, 1)
        calls = attended(telemetry)
        end_spans(telemetry, 299)
        assert [] == calls
        end_spans(telemetry, 2)
        assert (2, ExporterStats(dropped=2, waiting=300)) == (len(calls), stats(telemetry))
        (delivery,) = telemetry._lifecycle.deliveries
        assert not delivery._worker._is_woken

    def test_it_comes_too_late_while_a_shutdown_waits(self, make, sizes):
        """Or else a steady load would keep the shutdown from its end."""
        exporter = Moody()
        exporter.may_go_on.clear()
        telemetry = make(exporter)
        ids = end_spans(telemetry, 2)
        assert exporter.is_called.acquire(timeout=PATIENCE)
        (delivery,) = telemetry._lifecycle.deliveries
        wait = delivery.begin_shutdown()
        end_spans(telemetry, 5)
        assert ExporterStats(dropped=5, waiting=2) == stats(telemetry)
        exporter.may_go_on.set()
        wait(PATIENCE)
        assert (ids, ExporterStats(exported=2, dropped=5)) == (exporter.taken, stats(telemetry))


class TestAccounts:
    @pytest.mark.parametrize("queue", [50, 100_000])
    def test_many_threads_and_a_shutdown_among_them(self, make, sizes, short_pauses, queue):
        """Every span that ended is counted once, whatever the moment."""
        sizes(queue=queue, batch=20)
        exporter = Moody(*["later", "take", "no"] * 20)
        telemetry = make(exporter)
        tracer = telemetry.tracer_provider.get_tracer("test")
        begin, half = threading.Barrier(17), threading.Semaphore(0)

        def work():
            begin.wait(PATIENCE)
            for number in range(400):
                tracer.start_span("work").end()
                if number == 200:
                    half.release()

        threads = [threading.Thread(target=work) for _ in range(16)]
        for thread in threads:
            thread.start()
        begin.wait(PATIENCE)
        for _ in range(4):
            assert half.acquire(timeout=PATIENCE)
        telemetry.shutdown(PATIENCE)
        for thread in threads:
            thread.join()
        found = stats(telemetry)
        assert (16 * 400, 0) == (accounted(telemetry), found.waiting)
        assert found.exported == len(exporter.taken) == len(set(exporter.taken))

    @pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers")
    def test_signal_handlers_in_the_midst_of_it(self, make, sizes, short_pauses, untraced):
        """Each ends spans, and now and then flushes, wherever its thread is at the time."""
        sizes(queue=30, batch=10)
        telemetry = make(Moody(*["later", "take"] * 50))
        handled = itertools.count(1)
        ended = [0]

        def handle(*_):
            if next(handled) % 20 == 0:
                telemetry.flush(0.0)
            end_spans(telemetry, 3)
            ended[0] += 3

        before = signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        by_thread = 0
        try:
            while ended[0] < 900:
                end_spans(telemetry, 5)
                by_thread += 5
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert ended[0] + by_thread == accounted(telemetry)
        telemetry.shutdown(PATIENCE)
        assert (ended[0] + by_thread, 0) == (accounted(telemetry), stats(telemetry).waiting)

    def test_finalizers_in_the_midst_of_it(self, make, sizes):
        """Objects that end a span when they are collected, with collections all the time."""
        sizes(queue=20, batch=10)
        telemetry = make(Moody())
        tracer = telemetry.tracer_provider.get_tracer("test")
        closed = [0]

        class Resource:
            def __init__(self):
                self.itself = self

            def __del__(self):
                tracer.start_span("closing").end()
                closed[0] += 1

        thresholds = gc.get_threshold()
        gc.collect()
        gc.freeze()
        gc.set_threshold(5)
        try:
            for _ in range(500):
                Resource()
                tracer.start_span("work").end()
        finally:
            gc.set_threshold(*thresholds)
            gc.unfreeze()
        gc.collect()
        assert 500 == closed[0]
        telemetry.shutdown(PATIENCE)
        assert (1000, 0) == (accounted(telemetry), stats(telemetry).waiting)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_a_fork_in_an_outage(self, make, sizes):
        """What waits stays the parent's; the child begins with nothing and in no pause."""
        exporter = Moody("later")
        exporter.last_pause = 200.0
        telemetry = make(exporter)
        ids = end_spans(telemetry, 3)
        wait_for_failures(telemetry, 1)
        child = os.fork()
        if child == 0:
            mine = end_spans(telemetry, 2)
            ended = telemetry.shutdown(PATIENCE) and exporter.taken == mine
            os._exit(0 if ended and stats(telemetry) == ExporterStats(exported=2) else 1)
        assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert telemetry.flush(PATIENCE)
        assert (ids, ExporterStats(exported=3)) == (exporter.taken, stats(telemetry))

    def test_a_shutdown_in_which_no_thread_can_be_started(self, make, sizes, monkeypatch):
        """As while the interpreter ends: each batch is tried once, and the rest is counted."""
        exporter = Moody("take", "later")
        telemetry = make(exporter)

        def refuse(self):
            raise RuntimeError("can't start new thread at interpreter shutdown")

        monkeypatch.setattr(threading.Thread, "start", refuse)
        end_spans(telemetry, 250)
        (delivery,) = telemetry._lifecycle.deliveries
        assert not delivery.shutdown(1000)
        assert ExporterStats(exported=100, dropped=150) == stats(telemetry)
        end_spans(telemetry, 1)
        assert ExporterStats(exported=100, dropped=151) == stats(telemetry)

    def test_a_flush_in_which_no_thread_can_be_started(self, make, sizes, monkeypatch):
        """It does the work itself, and is not waited for when it is in vain."""
        exporter = Moody("later")
        telemetry = make(exporter)

        def refuse(self):
            raise RuntimeError("can't start new thread at interpreter shutdown")

        monkeypatch.setattr(threading.Thread, "start", refuse)
        end_spans(telemetry, 5)
        (delivery,) = telemetry._lifecycle.deliveries
        assert (False, 5) == (delivery.force_flush(1e9), stats(telemetry).waiting)
        assert (True, 5) == (delivery.force_flush(1e9), stats(telemetry).exported)


def test_a_span_that_is_current_is_not_needed_for_the_exporter(make, sizes):
    """The export thread has a context of its own, with instrumentation off."""
    exporter = Moody()
    telemetry = make(exporter)
    seen = []
    inner = exporter.export
    exporter.export = lambda spans: (seen.append(trace.get_current_span()), inner(spans))[1]
    with telemetry.tracer_provider.get_tracer("test").start_as_current_span("current"):
        end_spans(telemetry)
        assert telemetry.flush(PATIENCE)
    assert [trace.INVALID_SPAN] == seen
