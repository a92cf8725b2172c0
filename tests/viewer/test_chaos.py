"""What happens to the machine does not cost what was acknowledged."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from tests.viewer.clients import PROTOBUF, client_of, eventually, make_span, post, request_of
from tracekit._viewer.intake.request_queue import RequestQueue
from tracekit._viewer.server import Settings, Viewer
from tracekit._viewer.store.store import Store

PROGRAM = """
import sys, threading
from pathlib import Path
from tracekit._viewer.server import Settings, Viewer
with Viewer(Settings(port=0, grpc_port=0, http_port=0, database=Path(sys.argv[1]))) as viewer:
    print(viewer.http_port, flush=True)
    threading.Event().wait()
"""


@contextlib.contextmanager
def viewer_process(path):
    """A viewer in a process of its own; gives the process and its port of OTLP/HTTP."""
    with subprocess.Popen([sys.executable, "-c", PROGRAM, path], stdout=subprocess.PIPE) as process:
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def test_kill_while_it_writes(tmp_path):
    """After SIGKILL the file is whole, and holds every trace that was acknowledged."""
    path = tmp_path / "spans.db"
    acknowledged = []
    for round_ in range(2):
        with viewer_process(path) as (process, port):
            with httpx.Client(verify=False, base_url=f"http://127.0.0.1:{port}") as client:
                enough = threading.Event()

                def send(first, client=client, enough=enough):
                    for number in range(first, first + 10_000):
                        spans = [make_span(trace=number, span=n) for n in range(1, 50)]
                        try:
                            client.post(
                                "/v1/traces",
                                content=request_of(*spans).SerializeToString(),
                                headers=PROTOBUF,
                            )
                        except httpx.HTTPError:
                            return
                        acknowledged.append(number)
                        if len(acknowledged) % 60 == 0:
                            enough.set()

                firsts = [1 + 1_000_000 * round_ + 100_000 * k for k in range(2)]
                senders = [threading.Thread(target=send, args=(first,)) for first in firsts]
                for sender in senders:
                    sender.start()
                assert enough.wait(60)
                os.kill(process.pid, signal.SIGKILL)
                for sender in senders:
                    sender.join()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with Store(path) as store, store.reading() as reader:
        stored = {int.from_bytes(t.id, "big"): t.spans for t in reader.trace_page(limit=100_000)}
        assert store.writer.counts.spans == sum(stored.values())
        assert store.writer.counts.traces == len(stored)
    assert dict.fromkeys(acknowledged, 49).items() <= stored.items()


def fill_disk(viewer):
    """Let the file grow no further; gives back its room."""
    connection = viewer.store.writer._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages}")
    return lambda: connection.execute("PRAGMA max_page_count=1000000")


def test_a_full_disk(viewer, client):
    """What cannot be stored is not acknowledged; senders try again, and it is stored once."""
    post(viewer, make_span(name="before"))
    done = threading.Event()
    make_room = []

    def fill():
        make_room.append(fill_disk(viewer))
        done.set()

    viewer._writer.call(fill)
    assert done.is_set()
    large = make_span(trace=2, name="large", attributes={"text": "x" * 60_000})
    response = post(viewer, large)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert "full" in response.text
    with grpc.insecure_channel(f"127.0.0.1:{viewer.grpc_port}") as channel:
        with pytest.raises(grpc.RpcError) as caught:
            TraceServiceStub(channel).Export(request_of(large))
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "full" in client.get("/api/status").json()["problem"]
    assert [trace["root"] for trace in client.get("/api/traces").json()["traces"]] == ["before"]
    viewer._writer.call(lambda: make_room[0]() and None)
    assert post(viewer, large).status_code == 200
    assert client.get("/api/status").json()["problem"] is None
    assert client.get("/api/status").json()["spans"] == 2


def test_a_full_queue(viewer, client):
    """A full queue refuses with a time to wait, and what was accepted is stored."""
    viewer.queue.limit = 1_000
    held, release = threading.Event(), threading.Event()

    def hold():
        held.set()
        release.wait(30)

    holder = threading.Thread(target=viewer._writer.call, args=(hold,))
    holder.start()
    assert held.wait(20)
    large = make_span(trace=1, attributes={"text": "x" * 2_000})
    answers = []
    first = threading.Thread(target=lambda: answers.append(post(viewer, large).status_code))
    first.start()
    eventually(lambda: viewer.queue.bytes, bool)
    refused = post(viewer, make_span(trace=2))
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    with grpc.insecure_channel(f"127.0.0.1:{viewer.grpc_port}") as channel:
        with pytest.raises(grpc.RpcError) as caught:
            TraceServiceStub(channel).Export(request_of(make_span(trace=2)))
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    release.set()
    first.join()
    holder.join()
    assert answers == [200]
    assert client.get("/api/status").json()["spans"] == 1
    assert client.get("/api/status").json()["queue"]["bytes"] == 0


def test_the_end_of_the_viewer_answers_what_it_accepted(tmp_path):
    """A request that is being stored when the viewer ends is stored and acknowledged."""
    path = tmp_path / "spans.db"
    answers = []
    with Viewer(Settings(port=0, grpc_port=0, http_port=0, database=path)) as viewer:
        held, release = threading.Event(), threading.Event()

        def hold():
            held.set()
            release.wait(30)

        threading.Thread(target=viewer._writer.call, args=(hold,)).start()
        assert held.wait(20)
        sender = threading.Thread(
            target=lambda: answers.append(post(viewer, make_span()).status_code)
        )
        sender.start()
        eventually(lambda: viewer.queue.bytes, bool)
        threading.Timer(0.3, release.set).start()
    sender.join()
    assert answers == [200]
    with Store(path) as store:
        assert store.writer.counts.spans == 1


def test_a_client_that_goes_away(viewer, client):
    """A client that is cut off in the middle of a request does no harm."""
    import socket

    for part in (b"POST /v1/traces HTTP/1.1\r\n", b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\n"
                 b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"):  # fmt: skip
        with socket.create_connection(("127.0.0.1", viewer.http_port)) as connection:
            connection.sendall(part)
    assert post(viewer, make_span()).status_code == 200
    assert client.get("/api/status").json()["spans"] == 1


def test_the_queue_is_bounded_in_bytes():
    """The bound is that of bodies; a body larger than it passes when nothing else waits."""
    from tracekit._viewer.intake.request_queue import QueueFullError, Request

    queue = RequestQueue(limit=10)
    queue.put(Request("traces", "protobuf", bytes(30)))
    with pytest.raises(QueueFullError):
        queue.put(Request("traces", "protobuf", bytes(1)))
    taken = queue.take()
    with pytest.raises(QueueFullError):
        queue.put(Request("traces", "protobuf", bytes(1)))
    queue.done(taken)
    queue.put(Request("traces", "protobuf", bytes(10)))
    assert queue.bytes == 10


def test_a_database_that_is_kept(tmp_path):
    """With a path, traces are there again after a restart."""
    settings = Settings(port=0, grpc_port=0, http_port=0, database=tmp_path / "spans.db")
    with Viewer(settings) as viewer:
        post(viewer, make_span(name="kept"))
    with Viewer(settings) as viewer, client_of(viewer) as client:
        (trace,) = client.get("/api/traces").json()["traces"]
    assert trace["root"] == "kept"
