"""Numbers for texts and messages that many spans share."""

from __future__ import annotations

import sqlite3
from typing import Any, Final

_MOST_CACHED: Final = 20_000


class Dictionary:
    """One dictionary table with the numbers that were used last in memory."""

    def __init__(self, connection: sqlite3.Connection, table: str, key: str) -> None:
        self._connection = connection
        self._table = table
        self._key = key
        self.cached: dict[Any, int] = {}

    def number(self, key: str | bytes, **others: object) -> int:
        """Return the number of a text or message, which is stored if it is new."""
        number = self.cached.get(key)
        if number is None:
            number = self._find_or_insert(key, others)
            if len(self.cached) >= _MOST_CACHED:
                self.cached.clear()
            self.cached[key] = number
        return number

    def _find_or_insert(self, key: str | bytes, others: dict[str, object]) -> int:
        columns = [self._key, *others]
        find = f"SELECT id FROM {self._table} WHERE {self._key} = ?"
        row = self._connection.execute(find, (key,)).fetchone()
        if row is not None:
            return int(row[0])
        places = ", ".join("?" * len(columns))
        cursor = self._connection.execute(
            f"INSERT INTO {self._table} ({', '.join(columns)}) VALUES ({places})",
            (key, *others.values()),
        )
        return int(cursor.lastrowid or 0)

    def forget(self) -> None:
        """Forget the numbers in memory; after a rollback they may be wrong."""
        self.cached.clear()


class Dictionaries:
    """All dictionary tables of a store."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.names = Dictionary(connection, "name", "text")
        self.services = Dictionary(connection, "service", "text")
        self.resources = Dictionary(connection, "resource", "raw")
        self.scopes = Dictionary(connection, "scope", "raw")
        self.lanes = Dictionary(connection, "lane", "key")

    def forget(self) -> None:
        """Forget all numbers in memory."""
        for each in (self.names, self.services, self.resources, self.scopes, self.lanes):
            each.forget()
