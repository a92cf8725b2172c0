"""Filters answer what Rust's EnvFilter answers, but for what differs on purpose."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.pages import ROOT
from tracekit import Filter, Level
from tracekit._filters.dynamic_rules import is_enabled, level_inside
from tracekit._filters.filter import directives_of

DATA = json.loads((ROOT / "tests/data/env_filter.json").read_text(encoding="utf-8"))
CASES, DEVIATIONS = DATA["cases"], DATA["deviations"]
PAGE = ROOT / "docs/reference/filters.md"
RECORDED = {True: "recorded", False: "not recorded"}


def case_id(case: dict[str, Any]) -> str:
    kind, target, name, *_ = case["asked"]
    return f"{case['filter']}-{kind}-{target}-{name}"


def answer(case: dict[str, Any]) -> bool:
    """Enter the spans of a case, and ask about what is met inside them."""
    wanted = Filter(case["filter"])
    scope: Level | None = None
    for _, target, name, _, fields in case["inside"]:
        scope = level_inside(scope, decided(wanted, target, name, fields), wanted.level_of(target))
    kind, target, name, level, fields = case["asked"]
    return is_enabled(
        Level.of(level),
        wanted.level_of(target),
        decided(wanted, target, None if kind == "event" else name, fields),
        scope,
    )


def decided(wanted: Filter, target: str, name: str | None, fields: dict[str, Any]) -> Level | None:
    rules = directives_of(wanted).rules_for(target, name)
    if rules is None:
        return None
    return rules.decide({key: value for key, value in fields.items() if key in rules.needed_fields})


def deviations_table() -> str:
    """The table of the documentation, from the data."""
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
def test_filters_answer_as_in_rust(case):
    """What is not in the table of deviations is answered as Rust's EnvFilter does."""
    assert case["rust"] is answer(case)


@pytest.mark.parametrize("case", DEVIATIONS, ids=case_id)
def test_deviations_are_as_documented(case):
    """What is in the table of deviations is answered as it says, and otherwise than in Rust."""
    assert (case["ours"], not case["ours"]) == (answer(case), case["rust"])


def test_the_page_shows_the_deviations():
    """The documentation shows the table that was tested, whole."""
    assert deviations_table() in PAGE.read_text(encoding="utf-8")


def test_no_case_is_asked_twice():
    """A case agrees or deviates."""
    asked = [json.dumps([case["filter"], case["inside"], case["asked"]]) for case in CASES]
    deviating = {json.dumps([c["filter"], c["inside"], c["asked"]]) for c in DEVIATIONS}
    assert len(asked) == len(set(asked) - deviating)
