"""What filters take from a call: with levels and targets nothing, with others a little."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.interleaved import Size, Variant, measure, repeat
from bench.pipelines import ours
from bench.results import BARE, TRACEKIT, Row, over_row
from bench.subjects import work
from tracekit import TelemetryBuilder, instrument

MANY = ",".join(f"app.module{number}=debug" for number in range(99))
DIRECTIVES = {
    "1 directive": "info",
    "100 directives": f"info,{MANY}",
    "a span elsewhere": "info,[elsewhere]=debug",
    "a field elsewhere": "info,[elsewhere{a=1}]=debug",
    "this span, another value": "info,[work{a=2}]=debug",
}


def below_the_level(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """A call that is filtered out, over the bare call, by the directives in force."""
    for name, directives in DIRECTIVES.items():
        with ours(builder=TelemetryBuilder("bench").with_filter(directives)) as tracekit:
            quiet = instrument(level="debug")(work)
            variants = {
                BARE: Variant(repeat(work)),
                TRACEKIT: Variant(repeat(quiet), tracekit.settle(0)),
            }
            turns = measure(variants, size(5_000, 41))
        yield over_row(f"filtered out: {name}", turns)
