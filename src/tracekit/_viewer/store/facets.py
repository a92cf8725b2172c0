"""How often services, roots and statuses occur among traces."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from tracekit._viewer.store.reader import Reader

_MOST: Final = 200
# The column with a number of a dictionary, the dictionary, and the rest of the statement.
_TEXTS: Final = {
    "services": ("j.value", "service", "CROSS JOIN json_each(t.services) j"),
    "roots": ("t.root_name", "name", ""),
}
_STATUS: Final = (
    "CASE WHEN t.errors > 0 THEN 'error' WHEN t.root_status = 1 THEN 'ok' ELSE 'unset' END"
)


def count_facets(
    reader: Reader,
    numbers: Sequence[int] | None,
    start: int | None = None,
    end: int | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Return the most frequent values with their counts.

    Args:
        reader: A view of the store.
        numbers: The traces that are counted; all of them if None.
        start: Only traces that start at this time or later, in nanoseconds.
        end: Only traces that start before this time.
    """
    conditions, values = ["t.spans > 0"], list[object]()
    if numbers is not None:
        conditions.append("t.id IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(list(numbers)))
    if start is not None:
        conditions.append("t.start >= ?")
        values.append(start)
    if end is not None:
        conditions.append("t.start < ?")
        values.append(end)
    where = " AND ".join(conditions)

    def count(value: str, join: str) -> list[tuple[Any, int]]:
        return reader.connection.execute(
            f"SELECT {value}, count(*) AS n FROM trace t {join} WHERE {where} "
            f"GROUP BY 1 ORDER BY n DESC, 1 LIMIT {_MOST}",
            values,
        ).fetchall()

    facets: dict[str, list[dict[str, Any]]] = {}
    for facet, (column, dictionary, join) in _TEXTS.items():
        counted = count(column, join)
        texts = reader.texts(dictionary, [number for number, _ in counted])
        facets[facet] = [
            {"value": texts.get(number, ""), "count": amount} for number, amount in counted
        ]
    facets["status"] = [{"value": value, "count": amount} for value, amount in count(_STATUS, "")]
    return facets
