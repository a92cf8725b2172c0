"""A file exporter follows a file that is renamed, removed, replaced or truncated."""

from __future__ import annotations

import collections
import os
from pathlib import Path

import pytest

from tests.file_exporter.writers import (
    FAILURE,
    SUCCESS,
    a_span,
    all_names,
    names_in,
    needs_flock,
    real_write,
    start_writers,
    write_in_pieces,
)
from tracekit._otlp import file_exporter
from tracekit._otlp.file_exporter import FileExporter

# Forking a process with threads is what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@needs_flock
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_renaming_under_many_writers_loses_nothing(path, method):
    """Each line is whole in one file, although the file is renamed while processes write."""
    writers = start_writers(method, path, 3, 150, write_in_pieces)
    rotated = []
    while any(writer.is_alive() for writer in writers):
        # The first ones at once, so that a busy machine gets round to them as well.
        writers[len(rotated) % 3].join(0 if len(rotated) < 4 else 0.003)
        if path.exists() and path.stat().st_size:
            rotated.append(path.rename(path.with_suffix(f".{len(rotated)}")))

    assert [writer.exitcode for writer in writers] == [0] * 3
    assert len(rotated) > 3
    left = [path] if path.exists() else []
    assert all_names(3, 150) == collections.Counter(names_in(*rotated, *left))


def replace_by_rename(path: Path) -> None:
    path.rename(path.with_suffix(".1"))


def replace_by_rename_and_create(path: Path) -> None:
    path.rename(path.with_suffix(".1"))
    path.touch()


@pytest.mark.parametrize(
    "replace", [replace_by_rename, replace_by_rename_and_create, Path.unlink, os.unlink]
)
def test_a_replaced_file_is_followed(exporter, path, replace):
    """After the file was renamed, replaced or removed, a new one is written."""
    exporter.export([a_span("before")])
    old = exporter._file._fd

    replace(path)
    exporter.export([a_span("after")])

    expected = ["after"]
    assert expected == names_in(path)
    assert old == exporter._file._fd  # closed, so that its number was free for the new file


def test_a_symbolic_link_that_moves_is_followed(tmp_path):
    """If the path is a link, the next batch goes to its new target."""
    link = tmp_path / "current"
    link.symlink_to(tmp_path / "monday")
    exporter = FileExporter(link)
    exporter.export([a_span("a")])

    link.unlink()
    link.symlink_to(tmp_path / "tuesday")
    exporter.export([a_span("b")])
    exporter.shutdown()

    expected = [["a"], ["b"]]
    assert expected == [names_in(tmp_path / "monday"), names_in(tmp_path / "tuesday")]


def test_a_copied_and_truncated_file_starts_at_its_beginning(exporter, path):
    """After a truncation the next line is the first, without a gap before it."""
    exporter.export([a_span("before", 5000)])

    os.truncate(path, 0)
    exporter.export([a_span("after")])

    expected = ["after"]
    assert expected == names_in(path)


def test_a_file_removed_at_the_last_moment_is_written_again(exporter, path, monkeypatch):
    """A line written to a file that was removed just before is written to the new one."""
    moments = []

    def remove_then_write(fd: int, data) -> int:
        if not moments:
            moments.append(path.unlink())
        return real_write(fd, data)

    monkeypatch.setattr(os, "write", remove_then_write)

    assert exporter.export([a_span("x")]) is SUCCESS
    expected = ["x"]
    assert expected == names_in(path)


def test_a_file_that_is_always_replaced(exporter, path, monkeypatch):
    """An export fails if the file is replaced at every attempt."""
    monkeypatch.setattr(file_exporter, "_is_at", lambda path, fd: False)

    assert exporter.export([a_span()]) is FAILURE


def test_a_directory_that_comes_back_is_written_again(tmp_path):
    """Exports fail while the directory is missing, and succeed after it is created again."""
    directory = tmp_path / "logs"
    directory.mkdir()
    exporter = FileExporter(directory / "traces.jsonl")
    (directory / "traces.jsonl").unlink()
    directory.rmdir()

    gone = exporter.export([a_span("gone")])
    directory.mkdir()
    back = exporter.export([a_span("back")])
    exporter.shutdown()

    assert [FAILURE, SUCCESS] == [gone, back]
    expected = ["back"]
    assert expected == names_in(directory / "traces.jsonl")
