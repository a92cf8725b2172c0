"""Find words that make a sentence hard to understand, in source, tests and documentation.

Usage: `python .ci/words.py [PATH ...]`. Without paths it checks `CHECKED`.
Each finding is printed as `file:line: the words`. The exit status is 1 if there is any.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Files and directories that are checked. Add a path here when its text is revised.
CHECKED = """
    src/tracekit/_base
    src/tracekit/_console
    src/tracekit/_delivery
    src/tracekit/_filters
    src/tracekit/_instrument
    src/tracekit/_otlp
    src/tracekit/_recording
    src/tracekit/_sdk
    src/tracekit/exporters.py
    src/tracekit/logs.py
    docs/how-to/exporters.md
    docs/how-to/filters.md
    docs/how-to/libraries.md
    docs/how-to/logging.md
    docs/how-to/otlp.md
    docs/reference/filters.md
    docs/support.md
    docs/tutorial.md
    tests/callables.py
    tests/delivery
    tests/file_exporter
    tests/filter_texts.py
    tests/finished_spans.py
    tests/leak_program.py
    tests/logging_tools.py
    tests/receiver_program.py
    tests/receivers
    tests/side_by_side
    tests/support_table.py
    tests/test_bypass.py
    tests/test_callable_objects.py
    tests/test_callables.py
    tests/test_compilation.py
    tests/test_console.py
    tests/test_decorated_classes.py
    tests/test_decorated_functions.py
    tests/test_decoration_errors.py
    tests/test_dynamic_rules.py
    tests/test_end_to_end.py
    tests/test_exceptions.py
    tests/test_filter.py
    tests/test_filter_conformance.py
    tests/test_filter_runtime.py
    tests/test_filter_syntax.py
    tests/test_import.py
    tests/test_instrument_options.py
    tests/test_json_encoding.py
    tests/test_layers.py
    tests/test_leaks.py
    tests/test_lean_span.py
    tests/test_levels.py
    tests/test_line_filling.py
    tests/test_log_records.py
    tests/test_log_reentrancy.py
    tests/test_logs.py
    tests/test_opaque_callables.py
    tests/test_otlp_credentials.py
    tests/test_otlp_exporter.py
    tests/test_otlp_grpc.py
    tests/test_otlp_http.py
    tests/test_otlp_settings.py
    tests/test_otlp_wire.py
    tests/test_outages.py
    tests/test_parents.py
    tests/test_provider.py
    tests/test_render.py
    tests/test_sdk_compat.py
    tests/test_span_encoding.py
    tests/test_spans.py
    tests/test_suspended_generators.py
    tests/test_terminal_text.py
    tests/test_trace_buffer.py
    tests/test_trace_context_filter.py
    tests/test_tree.py
    tests/typing
""".split()

# Each entry is a regular expression; a space stands for any white space, also at a line break.
RIDDLES = (
    # A person in the place of a component.
    "whoever",
    "whomever",
    "nobody",
    "no one",
    "someone",
    "told",
    "tells?",
    "said",
    "saying",
    "handed",
    "hands (?:on|over|out)",
    "judge[sd]?",
    "judge?ments?",
    "verdicts?",
    # An idiom in the place of a verb.
    "anew",
    "at hand",
    "beforehand",
    "comes? by",
    "for good",
    "goes by",
    "in a row",
    "in hand",
    "on its way",
    "pass(?:ed)? over",
    "stands? for itself",
    # A negated noun in the place of a negated verb: "is no pattern" for "is not a pattern".
    r"(?<!there\s)(?:is|are|was|were) no(?! longer| more)",
)


def _compile(riddles: tuple[str, ...]) -> re.Pattern[str]:
    # An underscore is no part of a word, so that names of functions are checked too.
    gap = r"[\\s_]+(?:#\\s*)?"
    words = "|".join(re.sub(" ", gap, riddle) for riddle in riddles)
    return re.compile(rf"(?<![^\W_])(?:{words})(?![^\W_])", re.IGNORECASE)


_PATTERN = _compile(RIDDLES)


def find_riddles(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the words of each finding in a text."""
    for match in _PATTERN.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield line, " ".join(match[0].split())


def _files(paths: list[str]) -> Iterator[Path]:
    for path in map(ROOT.joinpath, paths):
        if path.is_dir():
            yield from sorted(one for one in path.rglob("*") if one.suffix in (".py", ".md"))
        else:
            yield path


def main(paths: list[str]) -> int:
    """Print the findings in files and directories, and return the exit status."""
    found = 0
    for file in _files(paths or CHECKED):
        for line, words in find_riddles(file.read_text(encoding="utf-8")):
            found += 1
            print(f"{file.relative_to(ROOT)}:{line}: {words}")
    if found:
        print(f"{found} found; write plain technical English, with the component as the subject")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
