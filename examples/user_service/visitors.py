"""Visitors of the service: every visit is one trace that goes on in the service."""

from __future__ import annotations

import random
import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import tracekit
from tracekit import instrument, propagation
from tracekit.executors import ThreadPoolExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

_TAKEN_NAME = "ada"
_MISSING_USER = 999_999


class Visitors:
    """Make visits to the service, some of which fail or take long.

    Args:
        client: What requests are made with.
        database: The SQLite file of the service, which slow visits lock for a while.
    """

    def __init__(self, client: httpx.Client, database: Path) -> None:
        self._client = client
        self._database = database
        self._count = 0
        self._random = random.Random(7)
        self._visits: list[Callable[[], None]] = [
            *3 * [self.sign_up],
            *3 * [self.browse],
            self.sign_up_under_a_taken_name,
            self.look_for_a_missing_user,
            self.sign_up_while_the_database_is_busy,
        ]

    def make_all(self) -> None:
        """Make a visit of each kind."""
        for visit in dict.fromkeys(self._visits):
            visit()

    def make_one(self) -> None:
        """Make a visit of any kind."""
        self._random.choice(self._visits)()

    @instrument("sign up")
    def sign_up(self) -> None:
        self._count += 1
        user = self._request("POST", "/users", json={"name": f"visitor {self._count}"}).json()
        self._request("GET", f"/users/{user['id']}")

    @instrument("browse")
    def browse(self) -> None:
        with ThreadPoolExecutor(max_workers=3) as pool:
            paths = [f"/users/{n}" for n in range(1, min(self._count, 6) + 1)]
            list(pool.map(self._request, len(paths) * ["GET"], paths))

    @instrument("sign up under a taken name")
    def sign_up_under_a_taken_name(self) -> None:
        for _ in range(2):
            self._request("POST", "/users", json={"name": _TAKEN_NAME})

    @instrument("look for a missing user")
    def look_for_a_missing_user(self) -> None:
        tracekit.event("asked for a user that was deleted", level="WARN")
        self._request("GET", f"/users/{_MISSING_USER}")

    @instrument("sign up while the database is busy")
    def sign_up_while_the_database_is_busy(self) -> None:
        with _locked(self._database, self._random.uniform(0.2, 1.2)):
            self.sign_up()

    @instrument("request", kind="client", skip=["json"])
    def _request(self, method: str, path: str, json: object = None) -> httpx.Response:
        return self._client.request(method, path, json=json, headers=propagation.inject())


@contextmanager
def _locked(database: Path, seconds: float) -> Iterator[None]:
    """Hold the lock of writers for a while from now on."""
    connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(seconds, connection.rollback)
    timer.start()
    try:
        yield
    finally:
        timer.join()
        connection.close()
