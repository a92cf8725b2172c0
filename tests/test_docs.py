"""The documentation: every code block runs, shows what it prints, and leaves nothing out."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tracekit
from tests.pages import ROOT, blocks_of, languages, public_api, same_output
from tests.support_table import boundary_table, table

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MODULES = [
    path
    for path in sorted((ROOT / "src").rglob("*.py"))
    if re.search(r"```python|>>> ", path.read_text(encoding="utf-8"))
]
LANGUAGES = {"drawing", "python", "text", "shell", "toml", "yaml"}
NEEDS = {
    "docs/how-to/instrumentation-libraries.md": (
        "fastapi",
        "httpx",
        "opentelemetry.instrumentation.fastapi",
        "opentelemetry.instrumentation.sqlalchemy",
    ),
    "docs/how-to/logging.md": ("structlog", "loguru"),
    "docs/how-to/viewer.md": ("fastapi", "opentelemetry.instrumentation.fastapi"),
}
ENVIRONMENT = {"BACKEND_API_KEY": "k-1", "NO_COLOR": "1"}


def page_id(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture
def in_a_process(tmp_path, tls):
    """Run a module in a process of its own, in a directory with the files that the pages name."""
    for name, file in (
        ("ca.pem", tls.authority),
        ("client.pem", tls.client_certificate),
        ("client.key", tls.client_key),
    ):
        (tmp_path / name).write_bytes(file.read_bytes())

    def run(*arguments: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", *arguments],
            cwd=tmp_path,
            env={**os.environ, **ENVIRONMENT, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""
        return done.stdout

    return run


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_a_page_prints_what_it_shows(path, in_a_process, grpc_receiver):
    """The blocks of a page run in order, and each prints what the page shows below it."""
    for module in NEEDS.get(page_id(path), ()):
        pytest.importorskip(module)
    printed = json.loads(
        in_a_process(
            "tests.pages", str(path), OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=grpc_receiver.endpoint
        )
    )
    for block, text in zip(blocks_of(path), printed, strict=True):
        assert same_output(block.output, text), f"{path}:{block.line}\n{text}"


@pytest.mark.parametrize("path", MODULES, ids=page_id)
def test_docstring_examples_run(path, in_a_process):
    """The examples in docstrings run, each for itself, and print what they show."""
    printed = json.loads(in_a_process("tests.pages", str(path)))
    assert [block.output for block in blocks_of(path)] == printed


def test_tests_on_a_page_pass(in_a_process, tmp_path):
    """The tests that a page shows are collected by pytest, and pass."""
    blocks = blocks_of(ROOT / "docs/how-to/testing.md")
    (tmp_path / "test_page.py").write_text("\n".join(block.code for block in blocks))
    report = in_a_process("pytest", "-p", "no:cacheprovider", "-p", "no:asyncio", "test_page.py")
    shown = sum(block.code.count("\ndef test_") for block in blocks)
    assert f"{shown} passed" in report


def test_spans_of_a_page_reach_the_receiver(in_a_process, grpc_receiver):
    """What the page on OTLP sends arrives."""
    page = ROOT / "docs/how-to/otlp.md"
    endpoint = grpc_receiver.endpoint
    in_a_process("tests.pages", str(page), OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=endpoint)
    assert "charge" in [span.name for span in grpc_receiver.spans]


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_blocks_say_what_they_are(path):
    """Every block names its language, and a `text` block only stands below Python."""
    found = languages(path.read_text(encoding="utf-8"))
    assert set(found) <= LANGUAGES
    shown = [block for block in blocks_of(path) if block.output]
    assert found.count("text") == len(shown)


def test_blocks_that_do_not_run_are_rare_and_say_why():
    """A block may be left out of the run with a reason; hardly any is."""
    everything = [block for path in PAGES for block in blocks_of(path)]
    left_out = [block.reason_not_to_run for block in everything if block.reason_not_to_run]
    assert len(left_out) <= len(everything) // 15
    assert all(len(reason.split()) > 3 for reason in left_out)


def test_the_tables_of_what_is_supported_are_the_tests_own():
    """They say exactly what the data of the tests say."""
    page = (ROOT / "docs/support.md").read_text(encoding="utf-8")
    tables = [one for one in re.findall(r"(?:^\|.*\n)+", page, re.M) if "✓" in one]
    assert [table(), boundary_table()] == [one.strip() for one in tables]


@pytest.mark.parametrize(
    "name",
    [
        "tracekit",
        "tracekit.executors",
        "tracekit.exporters",
        "tracekit.logs",
        "tracekit.propagation",
        "tracekit.testing",
    ],
)
def test_the_reference_is_complete(name):
    """Every public name has its place in the reference."""
    documented = public_api((ROOT / "docs/reference/api.md").read_text(encoding="utf-8"))
    public = {f"{name}.{one}" for one in importlib.import_module(name).__all__}
    modules = {"tracekit.describe", "tracekit.executors", "tracekit.exporters"}
    modules |= {"tracekit.logs", "tracekit.propagation", "tracekit.testing"}
    assert public - modules <= documented


def test_the_reference_names_nothing_else():
    """What the reference documents exists."""
    documented = public_api((ROOT / "docs/reference/api.md").read_text(encoding="utf-8"))
    for path in documented:
        module, _, name = path.rpartition(".")
        assert name in importlib.import_module(module).__all__


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_links_lead_somewhere(path):
    """A link to a file of the project leads to one."""
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text)
    assert [] == [target for target in targets if not (path.parent / target).exists()]


def test_the_front_page_is_short():
    """The README is read in two minutes, and names the commands to begin with."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 120
    assert "`make demo`" in readme
    assert "`make test`" in readme


def test_the_changelog_knows_this_version():
    """The changelog has an entry for the version of the package."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{tracekit.__version__}]" in changelog


@pytest.mark.parametrize("path", [ROOT / "docs/reference/environment.md"], ids=page_id)
def test_every_variable_that_is_read_is_documented(path):
    """A variable of the environment that the code names is on the page about them."""
    page = path.read_text(encoding="utf-8")
    code = "".join(one.read_text(encoding="utf-8") for one in (ROOT / "src").rglob("*.py"))
    named = set(re.findall(r"\"((?:OTEL|TRACEKIT)_[A-Z_]+[A-Z])\"", code))
    assert [] == sorted(name for name in named if f"`{name}`" not in page)
