"""What each row may cost at most, and where the rows stand that have a budget."""

from __future__ import annotations

from dataclasses import dataclass

SAMPLED = 0.20


@dataclass(frozen=True)
class Budget:
    """The most that a figure may be: a ratio, or nanoseconds over the baseline.

    Attributes:
        most: On every Python but the oldest.
        most_on_oldest: On Python 3.10.
    """

    most: float
    most_on_oldest: float | None = None

    def on(self, python: str) -> float:
        """Return the budget on a Python, such as "3.13"."""
        return self.most_on_oldest if self.most_on_oldest and python == "3.10" else self.most


BUDGETS: dict[str, Budget] = {
    "filtered-out call, two arguments": Budget(40, most_on_oldest=60),
    "decorated, nothing set up": Budget(250),
    "call inside an unsampled trace": Budget(0.04),
    "sampled call, two arguments": Budget(SAMPLED),
    "sampled, async function": Budget(SAMPLED),
    "sampled, with fields": Budget(SAMPLED),
    "sampled, with ret": Budget(SAMPLED),
    "sampled, nested spans": Budget(SAMPLED),
    "sampled, two exporters with filters": Budget(SAMPLED),
    "whole-process CPU a span, sent over OTLP": Budget(0.25),
    "generator, an item": Budget(500),
    "pool, submit": Budget(1.10),
    "pool, drain": Budget(1.15),
    "list of 200,000 against list of 10": Budget(1.5),
    "decorating a function": Budget(60_000),
    "memory of a decorated function": Budget(3_000),
    "import tracekit": Budget(1.5),
    "from tracekit import instrument, span": Budget(1.5),
}
