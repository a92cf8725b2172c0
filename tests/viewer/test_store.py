"""The store: summaries, duplicates, open spans, and the file."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import subprocess
import sys

import pytest

from tests.viewer.clients import make_span, request_of
from tracekit._viewer.errors import DatabaseError, StoreError
from tracekit._viewer.intake.decode import collect_traces
from tracekit._viewer.store.schema import FileLock
from tracekit._viewer.store.store import Store


def write(store, *spans, service="shop"):
    return store.writer.write([collect_traces(request_of(*spans, service=service), 65536)])


def summaries(store):
    with store.reading() as reader:
        return reader.trace_page()


def summary(store):
    (only,) = summaries(store)
    return only


def error(**others):
    return make_span(status={"code": 2}, **others)


def test_the_summary_of_a_trace(store):
    """Start, duration, root, errors and services are those of all its spans, in whatever order."""
    write(store, make_span(span=3, parent=2, start=40, end=90, name="inner"), service="payments")
    assert summary(store).root == "inner"
    assert not summary(store).complete
    write(store, error(span=2, parent=1, start=30, end=500, name="middle"))
    write(store, make_span(span=1, start=20, end=100, name="outer", kind=2))
    found = summary(store)
    assert found.start == 20
    assert found.duration == 480
    assert found.root == "outer"
    assert found.service == "shop"
    assert found.spans == 3
    assert found.errors == 1
    assert found.services == ["payments", "shop"]
    assert found.complete


def test_the_root_of_a_trace_without_one(store):
    """A span whose parent is in another process stands for the root, before any other."""
    write(store, make_span(span=2, parent=9, start=10, end=20, name="any"))
    write(store, make_span(span=3, parent=8, start=30, end=40, name="entry", flags=0x300))
    assert summary(store).root == "entry"
    assert summary(store).complete


def test_a_request_that_is_sent_again(store):
    """A span that is stored already is counted as a duplicate, and stored once."""
    span = make_span()
    write(store, span, make_span(span=2))
    write(store, span, make_span(span=3))
    assert summary(store).spans == 3
    assert store.writer.counts.duplicates == 1


def test_duplicates_are_recognised_after_a_restart(tmp_path):
    """Which spans are stored is read from the file."""
    for _ in range(2):
        with Store(tmp_path / "spans.db") as store:
            write(store, *(make_span(span=n, start=n) for n in range(1, 4000)))
            assert store.writer.counts.spans == 3999
    assert store.writer.counts.duplicates == 3999


def test_two_spans_with_the_same_id(store):
    """Spans that were given the same id by mistake are both kept."""
    write(store, make_span(start=10, name="one"), make_span(start=11, name="two"))
    assert summary(store).spans == 2


def test_open_spans_are_replaced_by_ended_ones(store):
    """A span without an end is shown as open until its end comes, and is counted once."""
    write(store, error(start=10, end=0, name="open"), make_span(span=2, parent=1, start=12, end=20))
    assert summary(store).open == 1
    assert summary(store).errors == 1
    assert not summary(store).complete
    write(store, make_span(start=10, end=0, name="still open"))
    assert summary(store).open == 1
    assert summary(store).errors == 0
    write(store, make_span(start=10, end=50, name="ended"))
    found = summary(store)
    assert (found.spans, found.open, found.duration, found.root) == (2, 0, 40, "ended")
    assert found.complete
    write(store, make_span(start=10, end=0, name="late"))
    assert summary(store) == found


def test_open_spans_are_replaced_after_a_restart(tmp_path):
    """Which spans are open is read from the file."""
    with Store(tmp_path / "spans.db") as store:
        write(store, make_span(start=10, end=0))
    with Store(tmp_path / "spans.db") as store:
        write(store, make_span(start=10, end=50))
        assert (summary(store).spans, summary(store).open) == (1, 0)


def test_a_reader_sees_one_state(store):
    """What is written while a reader is lent is not seen by it."""
    write(store, make_span(trace=1))
    with store.reading() as reader:
        assert reader.trace_count() == 1
        write(store, make_span(trace=2))
        assert reader.trace_count() == 1
    with store.reading() as reader:
        assert reader.trace_count() == 2


@pytest.mark.parametrize("sort", ["time", "duration", "spans", "errors"])
@pytest.mark.parametrize("descending", [False, True])
def test_pages_of_a_sorted_list(store, sort, descending):
    """Pages that follow each other hold every trace once, in order, also among equal values."""
    values = {"time": "start", "duration": "duration", "spans": "spans", "errors": "errors"}
    for n in range(1, 24):
        one = make_span(trace=n, span=1, start=100 + n % 5, end=200 + n % 3)
        others = [error(trace=n, span=k, start=150, end=160) for k in range(2, 2 + n % 4)]
        write(store, one, *others)
    pages = []
    after = None
    with store.reading() as reader:
        while page := reader.trace_page(sort=sort, descending=descending, after=after, limit=5):
            pages += page
            after = getattr(page[-1], values[sort]), page[-1].number
    assert len({each.id for each in pages}) == 23
    found = [getattr(each, values[sort]) for each in pages]
    assert found == sorted(found, reverse=descending)


def test_the_file_is_for_its_owner_alone(tmp_path):
    """The database and what SQLite keeps beside it have mode 0600."""
    with Store(tmp_path / "spans.db") as store:
        write(store, make_span())
        modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        assert modes == {0o600}
    assert [path.name for path in tmp_path.iterdir()] == ["spans.db"]


def test_a_temporary_file_is_deleted(tmp_path, monkeypatch):
    """Without a path, nothing stays."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Store() as store:
        write(store, make_span())
        assert store.path.is_relative_to(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_leftovers_of_viewers_that_were_killed(tmp_path, monkeypatch):
    """A temporary file that nobody holds is removed after an hour; one in use stays."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("tracekit-view-old", "tracekit-view-new", "tracekit-view-used", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "spans.db").touch()
        if name != "tracekit-view-new":
            os.utime(tmp_path / name, (1, 1))
    used = FileLock(tmp_path / "tracekit-view-used" / "spans.db")
    Store().close()
    used.release()
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"tracekit-view-new", "tracekit-view-used", "other"}


def test_a_file_of_another_version(tmp_path):
    """A file of another version is refused with its path and what to do, and is not changed."""
    path = tmp_path / "spans.db"
    Store(path).close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA user_version=999")
    before = path.read_bytes()
    with pytest.raises(DatabaseError, match=r"spans\.db has version 999 .* with --db, or delete"):
        Store(path)
    assert path.read_bytes() == before


def test_a_database_of_another_program(tmp_path):
    """A database that is not the viewer's is refused, and is not changed."""
    path = tmp_path / "theirs.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (id)")
    before = path.read_bytes()
    with pytest.raises(DatabaseError, match=r"theirs\.db is not a database of tracekit's viewer"):
        Store(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database(tmp_path):
    """Any other file is refused."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be looked at" * 100)
    with pytest.raises(DatabaseError, match=r"notes\.txt cannot be used .* file is not a database"):
        Store(path)


def test_a_directory_that_is_not_there(tmp_path):
    """A path that cannot be created is refused with the reason."""
    with pytest.raises(DatabaseError, match="No such file or directory"):
        Store(tmp_path / "missing" / "spans.db")


def test_a_file_that_another_viewer_uses(tmp_path):
    """The other viewer's process is named; when it is gone, the file can be opened."""
    path = tmp_path / "spans.db"
    program = (
        "import sys; from pathlib import Path; from tracekit._viewer.store.store import Store\n"
        "store = Store(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(DatabaseError, match=rf"another viewer \(process {other.pid}\)"):
            Store(path)
        other.kill()
    Store(path).close()
    assert other.pid != os.getpid()


def test_a_write_that_fails_changes_nothing(store):
    """After a failure, what is stored is what was there before, and writing goes on."""
    write(store, make_span(trace=1, name="before"))
    decoded = collect_traces(request_of(make_span(trace=2, span=2)), 65536)
    broken = collect_traces(request_of(make_span(trace=3, span=3)), 65536)
    broken.groups[0].spans[0] = broken.groups[0].spans[0]._replace(raw=object())
    with pytest.raises(StoreError):
        store.writer.write([decoded, broken])
    assert [each.root for each in summaries(store)] == ["before"]
    assert store.writer.counts.spans == 1
    write(store, make_span(trace=2, span=2, name="after", start=5000))
    assert [each.root for each in summaries(store)] == ["after", "before"]
    assert store.writer.counts.traces == 2


def test_clearing(store):
    """Everything goes, and what comes afterwards is stored."""
    write(store, make_span())
    store.writer.clear()
    assert summaries(store) == []
    assert store.writer.counts.spans == 0
    write(store, make_span(name="again"))
    assert summary(store).root == "again"
