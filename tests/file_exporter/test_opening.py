"""A file exporter opens its file when it is made, or refuses its path."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from tests.file_exporter.writers import (
    DEADLINE,
    a_span,
    names_in,
)
from tracekit._base.errors import ConfigurationError
from tracekit._otlp.file_exporter import FileExporter

# Forking a process with threads is what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def test_each_batch_is_one_line(exporter, path):
    """A batch of spans becomes one line, after what the file held before."""
    exporter.export([a_span("a"), a_span("b")])
    exporter.export([a_span("c")])

    assert path.read_bytes().count(b"\n") == 2
    expected = ["a", "b", "c"]
    assert expected == names_in(path)


def test_what_is_there_stays(path):
    """An exporter for a file that exists appends to it."""
    for name in ("first", "second"):
        exporter = FileExporter(str(path))
        exporter.export([a_span(name)])
        exporter.shutdown()

    expected = ["first", "second"]
    assert expected == names_in(path)


def test_the_file_is_made_at_once_with_the_usual_rights(path):
    """The file is there after construction, with the rights that `open` would give it."""
    umask = os.umask(0o027)
    try:
        FileExporter(path).shutdown()
    finally:
        os.umask(umask)

    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def make_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def make_below_a_file(tmp_path):
    (tmp_path / "file").touch()
    return tmp_path / "file" / "traces.jsonl"


@pytest.mark.parametrize(
    "make_path",
    [
        lambda tmp_path: "",
        lambda tmp_path: tmp_path,
        lambda tmp_path: tmp_path / "missing" / "traces.jsonl",
        lambda tmp_path: f"{tmp_path / 'new'}/",
        make_below_a_file,
        lambda tmp_path: tmp_path / ("n" * 300),
        lambda tmp_path: "a\0b",
        make_pipe,
        lambda tmp_path: None,
        lambda tmp_path: 1,
        lambda tmp_path: b"traces.jsonl",
    ],
    ids=[
        "empty",
        "a directory",
        "no such directory",
        "meant as a directory",
        "below a file",
        "too long",
        "a null character",
        "a pipe without a reader",
        "None",
        "a number",
        "bytes",
    ],
)
def test_a_wrong_path_fails_at_construction(tmp_path, make_path):
    """A path that cannot be appended to is refused; the error names argument and value."""
    wrong = make_path(tmp_path)

    with pytest.raises(ConfigurationError) as caught:
        FileExporter(wrong)

    assert str(caught.value).startswith(f"path={wrong!r} ")
    assert "; give a " in str(caught.value)
    assert str(caught.value).isprintable()


def run_without_rights(program: str, *arguments: str) -> str:
    """The output of a program that runs as a user without rights."""
    prelude = """
        import os, sys
        from tracekit._otlp.file_exporter import FileExporter
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import SpanContext
        span = ReadableSpan("x", context=SpanContext(1, 2, False))
        if os.geteuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
    """
    source = textwrap.dedent(prelude) + textwrap.dedent(program)
    command = [sys.executable, "-c", source, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=DEADLINE)
    return done.stdout


@pytest.fixture
def open_directory():
    """A directory that every user can read, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="the system has no users")
def test_a_file_without_the_right_to_write_fails_at_construction(open_directory):
    """A file without the right to write is refused."""
    path = open_directory / "traces.jsonl"
    path.touch(0o444)
    path.chmod(0o444)
    program = """
        try:
            FileExporter(sys.argv[1])
        except ValueError as error:
            print(type(error).__name__, error)
    """

    printed = run_without_rights(program, str(path))

    assert printed.startswith("ConfigurationError path='")
    assert "Permission denied" in printed


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="the system has no users")
def test_the_right_to_read_is_not_needed(open_directory):
    """A file with the right to write but not to read is written."""
    path = open_directory / "traces.jsonl"
    path.touch()
    path.chmod(0o222)
    program = "print(FileExporter(sys.argv[1]).export([span]).name)"

    assert run_without_rights(program, str(path)) == "SUCCESS\n"


def test_a_relative_path_is_meant_from_the_directory_of_construction(tmp_path, monkeypatch):
    """A change of the working directory does not move the file, not even at a rotation."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    exporter = FileExporter("traces.jsonl")
    monkeypatch.chdir("elsewhere")
    (tmp_path / "traces.jsonl").unlink()

    exporter.export([a_span("x")])
    exporter.shutdown()

    expected = ["x"]
    assert expected == names_in(tmp_path / "traces.jsonl")


def test_the_text_of_an_exporter_names_its_file(exporter, path):
    """The representation of an exporter has the path."""
    assert f"FileExporter({str(path)!r})" == repr(exporter)
