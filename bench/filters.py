"""What filters cost a call: with level and target directives nothing, with others a little.

python -m bench.filters
"""

from __future__ import annotations

import tracekit
from bench.calls import Discard, bare, repeat
from bench.interleaved import measure, report
from tracekit import instrument

MANY = ",".join(f"app.module{number}=debug" for number in range(99))
STATIC = {"0 directives": None, "1 directive": "info", "100 directives": f"info,{MANY}"}
DYNAMIC = {
    "static only": "info",
    "a span elsewhere": "info,[elsewhere]=debug",
    "a field elsewhere": "info,[elsewhere{a=1}]=debug",
    "this span, another value": "info,[bare{a=2}]=debug",
}


def main() -> None:
    quiet = instrument(level="debug")(bare)
    wanted = instrument(bare)
    for name, directives in STATIC.items():
        with tracekit.init_telemetry("bench", exporter=Discard(), filter=directives):
            rows = {"bare call": repeat(bare), "filtered out": repeat(quiet)}
            report(f"Filtered out, {name}", measure(rows, baseline="bare call"), over="bare call")
    for name, directives in DYNAMIC.items():
        with tracekit.init_telemetry("bench", exporter=Discard(), filter=directives):
            rows = {
                "bare call": repeat(bare),
                "below the level": repeat(quiet),
                "recorded": repeat(wanted),
            }
            measured = measure(rows, baseline="recorded", calls=500)
            report(f"Dynamic directives: {name}", measured, over="bare call")


if __name__ == "__main__":
    main()
