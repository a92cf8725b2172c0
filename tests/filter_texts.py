"""Hypothesis strategies for texts of the filter grammar."""

from __future__ import annotations

from hypothesis import strategies as st

from tracekit import Level

LEVEL_NAMES = [level.name.lower() for level in Level]
_RESERVED = {*LEVEL_NAMES, "warning", "critical", "fatal"}


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _spaced(*parts: str) -> st.SearchStrategy[str]:
    spaces = st.sampled_from(["", " ", "\n", "\t "])
    return st.lists(spaces, min_size=len(parts) + 1, max_size=len(parts) + 1).map(
        lambda between: "".join(a + b for a, b in zip(between, [*parts, ""], strict=True))
    )


quoted = st.text(max_size=6).map(_quoted)
words = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True).filter(
    lambda word: word not in _RESERVED
)
levels = st.sampled_from([*LEVEL_NAMES, "Info", "WARNING", *"012345"])
plain_targets = st.lists(words | st.just("*"), min_size=1, max_size=4).map(".".join)
targets = plain_targets | st.text(min_size=1, max_size=6).map(_quoted)
patterns = st.sampled_from(
    ["bo.*", "[^,}]+", "(a,b|c{1,2})", r"\d+", r"\"x\"", "(?i)bob", r"x\ ", "[]]x?"]
)
numbers = st.integers().map(str) | st.floats(allow_nan=False, allow_infinity=False).map(repr)
values = st.one_of(words, quoted, numbers, patterns, st.sampled_from(["true", "False"]))
names = words | quoted.filter(lambda text: len(text) > 2) | st.just("user.id")
fields = names | st.tuples(names, values).flatmap(lambda pair: _spaced(pair[0], "=", pair[1]))
braces = (
    st.lists(fields, min_size=1, max_size=3)
    .map(",".join)
    .flatmap(lambda inside: _spaced("{", inside, "}"))
)
spans = words | quoted | st.just("GET /users")
brackets = st.one_of(spans, braces, st.tuples(spans, braces).map("".join)).flatmap(
    lambda inside: _spaced("[", inside, "]")
)
about = st.one_of(targets, brackets, st.tuples(targets, brackets).map("".join))
directives = st.one_of(
    levels,
    about,
    st.tuples(about, st.just("=") | levels.map("={}".format)).map("".join),
).flatmap(lambda text: _spaced(text))
filters = st.lists(directives, min_size=1, max_size=5).map(",".join)
