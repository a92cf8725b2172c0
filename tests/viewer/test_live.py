"""What arrives, as server-sent events."""

from __future__ import annotations

import json
import socket
import threading
import time

from tests.viewer.clients import client_of, make_span, post
from tracekit._viewer.server import Settings, Viewer


class Events:
    """The events of a stream, as they come."""

    def __init__(self, response):
        self._lines = response.iter_lines()

    def next(self):
        name = None
        for line in self._lines:
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                return name, json.loads(line.removeprefix("data: "))
        return None

    def next_traces(self):
        while (event := self.next()) is not None:
            if event[0] == "traces":
                return event[1]
        return None


def test_new_traces_are_announced(viewer, client):
    """An event says how many traces are new, which changed, and what is stored."""
    with client.stream("GET", "/api/live") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = Events(response)
        name, status = events.next()
        assert name == "status"
        assert status["spans"] == 0
        post(viewer, make_span(trace=1), make_span(trace=2))
        traces = events.next_traces()
        assert traces["new"] == 2
        assert set(traces["ids"]) == {f"{1:032x}", f"{2:032x}"}
        assert traces["spans"] == 2
        assert traces["traces"] == 2
        assert events.next()[0] == "status"
        post(viewer, make_span(trace=1, span=2))
        traces = events.next_traces()
        assert traces["new"] == 0
        assert traces["ids"][0] == f"{1:032x}"


def test_at_most_four_a_second(viewer, client):
    """Many commits become few events, and nothing is missed."""
    stop = threading.Event()

    def send():
        number = 0
        while not stop.is_set():
            number += 1
            post(viewer, make_span(trace=number))

    sender = threading.Thread(target=send)
    with client.stream("GET", "/api/live") as response:
        events = Events(response)
        sender.start()
        begin = time.monotonic()
        new = 0
        times = []
        while len(times) < 5:
            new += events.next_traces()["new"]
            times.append(time.monotonic() - begin)
        stop.set()
        sender.join()
        total = viewer.store.writer.counts.traces
        while new < total:
            new += events.next_traces()["new"]
    assert times[-1] - times[0] > 0.9
    assert new == total
    assert total > 5


def test_a_reader_that_does_not_read(viewer):
    """A stream that nobody reads holds up neither senders nor other readers, and keeps nothing."""
    stuck = socket.create_connection(("127.0.0.1", viewer.port))
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    stuck.sendall(
        f"GET /api/live HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {viewer.token.value}\r\n\r\n".encode()
    )
    with client_of(viewer) as client, client.stream("GET", "/api/live") as response:
        events = Events(response)
        new = 0
        for number in range(1, 300):
            assert post(viewer, make_span(trace=number)).status_code == 200
        while new < 299:
            new += events.next_traces()["new"]
    stuck.close()


def test_the_end_of_the_viewer_ends_the_stream():
    """A viewer with listeners ends at once."""
    with Viewer(Settings(port=0, grpc_port=0, http_port=0)) as viewer:
        client = client_of(viewer)
        stream = client.stream("GET", "/api/live")
        events = Events(stream.__enter__())
        events.next()
        begin = time.monotonic()
    assert events.next() is None
    assert time.monotonic() - begin < 5
    stream.__exit__(None, None, None)
    client.close()
