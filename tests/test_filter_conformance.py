"""Filters decide like Rust's EnvFilter, except for the documented deviations."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.pages import ROOT
from tracekit import Filter, Level
from tracekit._filters.filter import directives_of
from tracekit._filters.filter_set import is_enabled, level_inside

DATA = json.loads((ROOT / "tests/data/env_filter.json").read_text(encoding="utf-8"))
CASES, DEVIATIONS = DATA["cases"], DATA["deviations"]
PAGE = ROOT / "docs/reference/filters.md"
RECORDED = {True: "recorded", False: "not recorded"}


def case_id(case: dict[str, Any]) -> str:
    kind, target, name, *_ = case["asked"]
    return f"{case['filter']}-{kind}-{target}-{name}"


def answer(case: dict[str, Any]) -> bool:
    """Enter the spans of a case, and return whether the span or event inside is enabled."""
    made = Filter(case["filter"])
    scope: Level | None = None
    for _, target, name, _, fields in case["inside"]:
        scope = level_inside(scope, decided(made, target, name, fields), made.level_of(target))
    kind, target, name, level, fields = case["asked"]
    return is_enabled(
        Level.of(level),
        made.level_of(target),
        decided(made, target, None if kind == "event" else name, fields),
        scope,
    )


def decided(made: Filter, target: str, name: str | None, fields: dict[str, Any]) -> Level | None:
    rules = directives_of(made).rules_for(target, name)
    if rules is None:
        return None
    return rules.decide({key: value for key, value in fields.items() if key in rules.needed_fields})


def deviations_table() -> str:
    """Return the table of the documentation, made from the data."""
    rows = [
        f"| `{case['filter']}` | {situation(case)} | {RECORDED[case['rust']]} "
        f"| {RECORDED[case['ours']]} | {case['why']} |"
        for case in DEVIATIONS
    ]
    head = "| filter | span or event | Rust | tracekit | reason |"
    return "\n".join([head, "| --- | --- | --- | --- | --- |", *rows])


def situation(case: dict[str, Any]) -> str:
    within = "".join(f", inside {described(one)}" for one in reversed(case["inside"]))
    return described(case["asked"]) + within


def described(asked: list[Any]) -> str:
    kind, target, name, level, fields = asked
    article, named = ("an", "") if kind == "event" else ("a", f" `{name}`")
    having = ", ".join(f"`{key}={value!r}`" for key, value in fields.items())
    return f"{article} {kind}{named} of `{target}` at {level.upper()}" + f" with {having}" * bool(
        having
    )


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_filters_decide_as_in_rust(case):
    """Cases outside the table of deviations have the decision of Rust's EnvFilter."""
    assert case["rust"] == answer(case)


@pytest.mark.parametrize("case", DEVIATIONS, ids=case_id)
def test_deviations(case):
    """Cases in the table have the documented decision, which differs from Rust's."""
    assert case["ours"] == answer(case)
    assert case["ours"] != case["rust"]


def test_the_page_shows_the_deviations():
    """The documentation has the table of the tested deviations."""
    assert deviations_table() in PAGE.read_text(encoding="utf-8")


def test_cases_are_unique():
    """A case is tested once, and is not a deviation as well."""
    asked = [json.dumps([case["filter"], case["inside"], case["asked"]]) for case in CASES]
    deviating = {json.dumps([c["filter"], c["inside"], c["asked"]]) for c in DEVIATIONS}
    assert len(asked) == len(set(asked) - deviating)
