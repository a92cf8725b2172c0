"""Code blocks of the documentation: found in pages and docstrings, run in their own process.

Run as `python -m tests.pages FILE`, it runs the blocks of a Markdown page one after the other, or
those of a module's docstrings each for itself, and prints as JSON what each of them printed.
"""

from __future__ import annotations

import ast
import contextlib
import doctest
import importlib
import io
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).parent.parent
NOT_RUN = "# not run: "

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^(?P=indent)```$", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """A piece of Python, and what the page says that it prints.

    Attributes:
        line: The line of the file that the code follows.
        code: The code.
        output: The `text` block that comes next; empty where there is none.
    """

    line: int
    code: str
    output: str = ""

    @property
    def reason_not_to_run(self) -> str:
        """Why the block is not run, as its first line says; empty for one that is."""
        first = self.code.partition("\n")[0]
        return first.removeprefix(NOT_RUN) if first.startswith(NOT_RUN) else ""


def languages(text: str) -> list[str]:
    """The languages of all blocks of a page."""
    return [match["language"] for match in _FENCE.finditer(text)]


def blocks_of(path: Path) -> list[Block]:
    """The Python of a Markdown page, or of the docstrings of a module."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return list(_blocks(text, 0))
    return [block for line, docs in _docstrings(ast.parse(text)) for block in _blocks(docs, line)]


def _blocks(text: str, first_line: int) -> Iterator[Block]:
    found = [*_FENCE.finditer(text)]
    for match, following in zip_longest(found, found[1:]):
        if match["language"] == "python":
            shows = following is not None and following["language"] == "text"
            yield Block(
                first_line + text.count("\n", 0, match.start("code")),
                _dedented(match),
                _dedented(following) if following and shows else "",
            )


def _dedented(match: re.Match[str]) -> str:
    indent = len(match["indent"])
    return "".join(line[indent:] or "\n" for line in match["code"].splitlines(keepends=True))


def _docstrings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            docs = ast.get_docstring(node)
            if docs:
                yield node.body[0].lineno - 1, docs


def run(path: Path) -> list[str]:
    """Run the blocks of a file, and give what each of them printed."""
    if path.suffix == ".md":
        namespace = {"__name__": "__main__"}
        return [_run(block, path, namespace) for block in blocks_of(path)]
    _run_doctests(path)
    return [_run(block, path, {"__name__": "__main__"}) for block in blocks_of(path)]


def _run(block: Block, path: Path, namespace: dict[str, object]) -> str:
    code = compile("\n" * block.line + block.code, str(path), "exec")
    if block.reason_not_to_run:
        return ""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        exec(code, namespace)
        _flush()
    return printed.getvalue()


def _flush() -> None:
    # A reader sees the trees of a block below the block; they are printed by another thread.
    from opentelemetry import trace

    flush = getattr(trace.get_tracer_provider(), "force_flush", None)
    if flush is not None:
        flush()


class Money:
    """A type of the reader's own, for the doctests that speak of one."""


def _run_doctests(path: Path) -> None:
    name = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
    module = importlib.import_module(name.removesuffix(".__init__"))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        failures = doctest.testmod(module, extraglobs={"Money": Money}).failed
    assert not failures, printed.getvalue()


def same_output(shown: str, printed: str) -> bool:
    """Whether a page shows what was printed, but for ids, times and where lines break."""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return doctest.OutputChecker().check_output(_steady(shown), _steady(printed), flags)


def _steady(text: str) -> str:
    text = re.sub(r"\b[0-9a-f]{32}\b", "TRACE", text)
    text = re.sub(r"\b[0-9a-f]{16}\b", "SPAN", text)
    text = re.sub(r"[+]?\d+(\.\d+)?[ ](ns|µs|ms|s)\b", "TIME", text)
    return re.sub(r"<?\d+%", "SHARE", text).strip() + "\n"


def public_api(page: str) -> set[str]:
    """The objects that a reference page documents."""
    return set(re.findall(r"^::: (\S+)$", page, re.M))


if __name__ == "__main__":
    json.dump(run(Path(sys.argv[1])), sys.stdout)
