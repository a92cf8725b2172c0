"""Any value becomes an attribute value within limits, without any effect on the program."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import math
import sys
import threading
import timeit
import weakref
from collections import Counter, OrderedDict, deque
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracekit._values import attribute_values
from tracekit._values.attribute_values import to_attribute_value
from tracekit._values.bounded_text import MAX_ARRAY, MAX_ARRAY_STRING, MAX_STRING, MAX_TEXT
from tracekit._values.redaction import REDACTED, Redaction, current_redaction, set_redaction

# Longer than the longest note: "… +18,446,744,073,709,551,616 characters".
NOTE = 50


@contextmanager
def redaction(policy: Redaction):
    before = current_redaction()
    set_redaction(policy)
    try:
        yield
    finally:
        set_redaction(before)


class HostileString(str):  # noqa: PLW1641 -- ruff overlooks the chained assignment
    """A string whose overridden methods all fail."""

    __slots__ = ()

    def __str__(self) -> str:
        raise AssertionError

    __repr__ = __len__ = __getitem__ = __iter__ = __hash__ = __format__ = __str__

    def __eq__(self, other: object) -> bool:
        raise AssertionError


class HostileInteger(int):
    def __repr__(self) -> str:
        raise AssertionError

    __str__ = __int__ = __index__ = __bool__ = __abs__ = bit_length = __repr__


class HostileFloat(float):
    def __repr__(self) -> str:
        raise AssertionError

    __str__ = __float__ = __int__ = __bool__ = __repr__


UNCHANGED = ["", "text", "héllo\n", "x" * MAX_STRING, True, False, 0, 2**63 - 1, -(2**63), 1.5]


@pytest.mark.parametrize("value", UNCHANGED)
def test_primitives(value: object) -> None:
    """A primitive that OpenTelemetry accepts is returned unchanged."""
    assert value is to_attribute_value(value)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_special_floats(value: float) -> None:
    """Infinities and NaN are returned unchanged."""
    assert value is to_attribute_value(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("x" * (MAX_STRING + 1), "x" * MAX_STRING + "… +1 characters"),
        ("a\ud800", "a\\ud800"),
        (2**63, "9223372036854775808"),
        (-(2**63) - 1, "-9223372036854775809"),
        (10**10_000, "<int, 33,220 bits>"),
        (None, "None"),
        (1 + 2j, "(1+2j)"),
        (..., "Ellipsis"),
        (range(3), "range(0, 3)"),
        (slice(1, 2), "slice(1, 2, None)"),
        (b"abc", "<bytes, 3 bytes>"),
        (bytes(1024), "<bytes, 1,024 bytes>"),
        (bytearray(3), "<bytearray, 3 bytes>"),
        (memoryview(bytes(8)).cast("I"), "<memoryview, 8 bytes>"),
    ],
    ids=itertools.count(),
)
def test_other_builtins(value: object, expected: object) -> None:
    """Builtin values that OpenTelemetry does not accept become text."""
    assert expected == to_attribute_value(value)


def test_huge_string() -> None:
    """A string of a hundred million characters is cut, and the missing ones are counted."""
    assert "x" * MAX_STRING + "… +99,995,904 characters" == to_attribute_value("x" * 100_000_000)


@pytest.mark.skipif(not hasattr(sys, "set_int_max_str_digits"), reason="not in this release")
def test_integer_digits_limit() -> None:
    """An integer is recorded under the lowest limit on digits that a program may set."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        assert "9" * 600 == to_attribute_value(int("9" * 600))
        assert "<int, 2,127 bits>" == to_attribute_value(10**640)
    finally:
        sys.set_int_max_str_digits(before)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (HostileString("plain"), "plain"),
        (HostileInteger(7), 7),
        (HostileInteger(2**64), str(2**64)),
        (HostileFloat(1.5), 1.5),
    ],
    ids=["str", "int", "long", "float"],
)
def test_subclasses_of_primitives(value: object, expected: object) -> None:
    """A subclass of a primitive becomes the primitive, and none of its methods runs."""
    converted = to_attribute_value(value)
    assert type(expected) is type(converted)
    assert expected == converted


def test_subclasses_of_primitives_inside() -> None:
    """A subclass of a primitive inside a container is written like the primitive."""
    assert "['plain', 7, 1.5]" == to_attribute_value(
        [HostileString("plain"), HostileInteger(7), HostileFloat(1.5)]
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], ()),
        ((), ()),
        (["a", "b"], ("a", "b")),
        (("a",), ("a",)),
        ([1, -(2**63)], (1, -(2**63))),
        ([True, False], (True, False)),
        ((1.5, math.inf), (1.5, math.inf)),
        (["a\ud800"], ("a\\ud800",)),
        (["x" * 2_000], ("x" * MAX_ARRAY_STRING + "… +976 characters",)),
        ([1] * MAX_ARRAY, (1,) * MAX_ARRAY),
    ],
)
def test_arrays(value: object, expected: object) -> None:
    """A short list or tuple of one primitive type is an array of that type."""
    converted = to_attribute_value(value)
    assert expected == converted
    assert {type(item) for item in expected} == {type(item) for item in converted}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([1, 2.0], "[1, 2.0]"),
        ([1, True], "[1, True]"),
        ([1, "a"], "[1, 'a']"),
        ((1, None), "(1, None)"),
        ([None, None], "[None, None]"),
        ((None,), "(None,)"),
        ([2**63], "[9223372036854775808]"),
        ([10**10_000], "[<int, 33,220 bits>]"),
        ([[1], [2]], "[[1], [2]]"),
        ([1] * 17, "[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, … +7 more]"),
        ((1.5,) * 17, f"({'1.5, ' * 10}… +7 more)"),
    ],
    ids=itertools.count(),
)
def test_other_sequences(value: object, expected: str) -> None:
    """Mixed, nested and long sequences become text."""
    assert expected == to_attribute_value(value)


@pytest.mark.parametrize("make", [list, tuple])
@pytest.mark.parametrize(
    "item",
    [1, 2**64, 10**5_000, 1.5, True, None, "a", "x" * 300, "\ud800", "'", [1], {"a": 1}],
    ids=itertools.count(),
)
def test_long_sequences(make: Any, item: object) -> None:
    """A long sequence has the text of a short one and the number of the other items."""
    # A class at the end makes the short sequence mixed, so that it is written item by item.
    short = str(to_attribute_value(make([*[item] * 10, object])))
    long = str(to_attribute_value(make([item] * 200_000)))
    assert short.replace("… +1 more", "… +199,990 more") == long


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, "{}"),
        ({"a": 1, 2: None}, "{'a': 1, 2: None}"),
        ({"a": {"b": [1, {"c": ()}]}}, "{'a': {'b': [1, {'c': …}]}}"),
        ({"a": {"b": {"c": {"d": {}}}}}, "{'a': {'b': {'c': {'d': …}}}}"),
        ({1}, "{1}"),
        (set(), "set()"),
        (frozenset({1}), "frozenset({1})"),
        (frozenset(), "frozenset()"),
        (deque([1, 2]), "deque([1, 2])"),
        (OrderedDict(a=1), "OrderedDict({'a': 1})"),
        (Counter("aab"), "Counter({'a': 2, 'b': 1})"),
    ],
    ids=itertools.count(),
)
def test_containers(value: object, expected: str) -> None:
    """Containers are written as Python writes them, four levels deep."""
    assert expected == to_attribute_value(value)


def test_cycles() -> None:
    """A container that contains itself ends at the deepest level."""
    cycle: list[Any] = []
    cycle.append(cycle)
    loop: dict[str, Any] = {}
    loop["me"] = loop
    assert "[[[[…]]]]" == to_attribute_value(cycle)
    assert "{'me': {'me': {'me': {'me': …}}}}" == to_attribute_value(loop)


def test_length_of_text() -> None:
    """The text of a wide and deep value has a bounded length."""
    deep: Any = "x" * 100
    for _ in range(4):
        deep = [deep, 1.5] * 10
    text = str(to_attribute_value(deep))
    assert MAX_TEXT + 1 == len(text)
    assert "…" == text[-1]


BIG = {
    "list of dicts": lambda size: [{"a": 1}] * size,
    "list of objects": lambda size: [[object]] * size,
    "dict": lambda size: dict.fromkeys(range(size), "x"),
    "set": lambda size: set(range(size)),
    "deque": lambda size: deque(range(size)),
}


@pytest.mark.parametrize("make", BIG.values(), ids=BIG)
def test_cost_of_large_containers(make: Any) -> None:
    """A container of 200,000 items costs about as much as a container of eleven."""
    small, big = (_cost(make(size)) for size in (11, 200_000))
    # The budget is 1.5. A walk over all items would take 10,000 times as long.
    assert big < 3 * small


def _cost(value: object) -> float:
    return min(timeit.repeat(lambda: to_attribute_value(value), number=20, repeat=10))


class Broken:
    def __init__(self, error: BaseException | None = None, text: Any = None) -> None:
        self.error, self.text = error, text

    def __repr__(self) -> str:
        if self.error is not None:
            raise self.error
        return self.text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Broken(ValueError("no")), "<Broken, repr failed: ValueError>"),
        (Broken(text=3), "<Broken, repr failed: TypeError>"),
        (Broken(RecursionError()), "<Broken, repr failed: RecursionError>"),
        (Broken(text="a\ud800"), "a\\ud800"),
        (Broken(text=HostileString("fine")), "fine"),
        (Broken(text="x" * 2_000), "x" * MAX_TEXT + "… +976 characters"),
        (Broken(text="<Door at 0x7f00aa>, 0x7f"), "<Door>, 0x7f"),
        ([1, Broken(ValueError()), 2], "[1, <Broken, repr failed: ValueError>, 2]"),
        ({"a": [Broken(ValueError())]}, "{'a': [<Broken, repr failed: ValueError>]}"),
    ],
    ids=itertools.count(),
)
def test_handwritten_repr(value: object, expected: str) -> None:
    """A handwritten `__repr__` is called, cut and cleaned; a failure of it becomes the text."""
    assert expected == to_attribute_value(value)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_interruptions(error: type[BaseException]) -> None:
    """A `BaseException` that is not an `Exception` is not caught."""
    with pytest.raises(error):
        to_attribute_value([Broken(error())])


def test_endless_repr() -> None:
    """Endless recursion in a `__repr__` is a failure like any other."""

    class Endless:
        def __repr__(self) -> str:
            return repr(self)

    assert "<Endless, repr failed: RecursionError>" == to_attribute_value(Endless())


def test_out_of_stack() -> None:
    """A value is converted without a failure while there is stack for the call itself."""
    texts: set[object] = set()

    def descend() -> None:
        # Ends the descent where no stack is left for `to_attribute_value` itself.
        take_two_frames(int)
        try:
            texts.add(to_attribute_value([{"a": [1, None]}]))
        except RecursionError:
            texts.add("raised")
        descend()

    def take_two_frames(function: Any) -> None:
        function()

    # A tracer such as coverage's runs out of stack as well, and raises in the middle of anything.
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        with pytest.raises(RecursionError):
            descend()
    finally:
        sys.settrace(tracer)
    assert "[{'a': [1, None]}]" in texts
    assert "raised" not in texts


def test_failures_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """A failing type is logged once to the logger `tracekit`."""

    class OnceBroken(Broken):
        pass

    with caplog.at_level(logging.WARNING, "tracekit"):
        for _ in range(5):
            to_attribute_value([OnceBroken(ValueError("no"))])
    assert ["tracekit"] == [record.name for record in caplog.records]
    assert "OnceBroken could not be described: ValueError" in caplog.text


def test_raising_log_handler() -> None:
    """A log handler that raises does not reach the program."""

    class Raising(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise ValueError(record)

    handler = Raising()
    logging.getLogger("tracekit").addHandler(handler)
    try:
        assert "<Broken, repr failed: ValueError>" == to_attribute_value(Broken(ValueError()))
    finally:
        logging.getLogger("tracekit").removeHandler(handler)


class HostileMeta(type):
    def __eq__(cls, other: object) -> bool:
        raise AssertionError

    __hash__ = None  # type: ignore[assignment]

    def __getattr__(cls, name: str) -> Any:
        raise AssertionError(name)

    __instancecheck__ = __subclasscheck__ = __repr__ = __getattr__  # type: ignore[assignment]


class Hostile(metaclass=HostileMeta):
    def __init__(self) -> None:
        self.name = "ada"

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)

    @property
    def __class__(self) -> Any:
        raise AssertionError

    def __eq__(self, other: object) -> bool:
        raise AssertionError

    def __hash__(self) -> int:
        raise AssertionError

    def __len__(self) -> int:
        raise AssertionError

    __bool__ = __iter__ = __str__ = __len__


def test_special_methods_do_not_run() -> None:
    """No special method of an object or of its metaclass runs."""
    assert "Hostile(name='ada')" == to_attribute_value(Hostile())
    assert "[Hostile(name='ada'), 1]" == to_attribute_value([Hostile(), 1])
    assert f"{__name__}.Hostile" == to_attribute_value(Hostile)


def numbers():
    yield from range(3)


async def answer():
    return 42


async def answers():
    yield 42


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (numbers, "<generator numbers>"),
        (lambda: iter([0, 1, 2]), "<list_iterator>"),
        (lambda: map(int, "012"), "<map>"),
        (lambda: zip(range(3), strict=False), "<zip>"),
        (lambda: itertools.islice(range(3), 3), "<itertools.islice>"),
        (lambda: itertools.chain([0], [1, 2]), "<itertools.chain>"),
    ],
)
def test_iterators(make: Any, expected: str) -> None:
    """An iterator is recorded by its kind, and not consumed."""
    iterator = make()
    assert expected == to_attribute_value(iterator)
    assert f"[{expected}]" == to_attribute_value([iterator])
    assert 3 == len(list(iterator))


def test_coroutines() -> None:
    """A coroutine or an async generator is recorded by its kind and not started."""
    coroutine, generator = answer(), answers()
    assert "<coroutine answer>" == to_attribute_value(coroutine)
    assert "<async_generator answers>" == to_attribute_value(generator)
    assert 42 == asyncio.run(coroutine)


def test_opaque_values(tmp_path: Any) -> None:
    """Locks, files, futures and the like are recorded by their kind."""
    expected = ["<_thread.lock>", "<_io.TextIOWrapper>", "<concurrent.futures._base.Future>"]
    with (tmp_path / "file").open("w") as file:
        assert expected == [
            to_attribute_value(value) for value in (threading.Lock(), file, Future())
        ]


def test_changing_containers() -> None:
    """Containers that another thread changes at the same time are read without a failure."""
    shared: tuple[Any, ...] = ({}, set(), deque(), [], OrderedDict())
    done = threading.Event()

    def change() -> None:
        for number in itertools.count():
            mapping, numbers, queue, items, ordered = shared
            mapping[number] = ordered[number] = number
            numbers.add(number)
            queue.append(number)
            items.append(number)
            if number % 7 == 0:
                for container in shared:
                    container.clear()
            if done.is_set():
                return

    changer = threading.Thread(target=change)
    changer.start()
    try:
        texts = [str(to_attribute_value(list(shared))) for _ in range(2_000)]
    finally:
        done.set()
        changer.join()
    assert not [text for text in texts if "failed" in text]


def test_classes_are_not_kept() -> None:
    """The cache of writers neither keeps a class alive nor outlives it."""
    gc.collect()
    before = len(attribute_values.registered_types._writers)
    classes = weakref.WeakSet()
    for _ in range(50):
        for kind in _local_classes():
            to_attribute_value(kind())
            classes.add(kind)
    del kind
    gc.collect()
    assert 0 == len(classes)
    assert before >= len(attribute_values.registered_types._writers) - 1


def _local_classes() -> list[Any]:
    import dataclasses

    import attrs
    import pydantic

    class Plain:
        def __init__(self) -> None:
            self.name = "ada"

    class Slotted:
        __slots__ = ("name",)

        def __init__(self) -> None:
            self.name = "ada"

    class Own:
        def __repr__(self) -> str:
            raise ValueError

    data = dataclasses.make_dataclass("Data", [("x", int, 1)])
    fields = attrs.make_class("Fields", {"x": attrs.field(default=1, repr=str)})
    model = pydantic.create_model("Model", x=(int, 1))
    return [Plain, Slotted, Own, data, fields, model]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"user": "ada", "password": "x"}, "{'user': 'ada', 'password': [redacted]}"),
        ({"a": [{"b": {"apiKey": {"c": "x"}}}]}, "{'a': [{'b': {'apiKey': [redacted]}}]}"),
        ({b"cookie": "x"}, "{<bytes, 6 bytes>: [redacted]}"),
        ({"token": []}, "{'token': [redacted]}"),
        ({("user", "password"): "x"}, "{('user', 'password'): [redacted]}"),
        ({"password": "x"}.items(), "dict_items({'password': [redacted]})"),
        (OrderedDict(password="x"), "OrderedDict({'password': [redacted]})"),
        ({"tokens": 3}, "{'tokens': 3}"),
    ],
    ids=itertools.count(),
)
def test_redacted_keys(value: object, expected: str) -> None:
    """Values of any type under sensitive keys are redacted at every depth."""
    assert expected == to_attribute_value(value)


def test_redaction_policy() -> None:
    """The current policy decides about keys."""
    with redaction(Redaction.of("iban")):
        assert "{'iban': [redacted], 'token': [redacted]}" == to_attribute_value(
            {"iban": 1, "token": 2}
        )
    with redaction(Redaction.of(False)):
        assert "{'iban': 1, 'token': 2}" == to_attribute_value({"iban": 1, "token": 2})


keys = st.text(max_size=5) | st.integers() | st.booleans() | st.none() | st.tuples(st.text())
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text(alphabet=st.characters(exclude_categories=()))
    | st.binary()
    | st.dates()
    | st.timedeltas()
    | st.decimals()
    | st.fractions()
    | st.uuids()
)
nested = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=20)
        | st.lists(inner, max_size=3).map(tuple)
        | st.lists(inner, max_size=3).map(deque)
        | st.sets(keys, max_size=3)
        | st.dictionaries(keys, inner, max_size=15)
    ),
    max_leaves=40,
)


@given(nested)
def test_any_data(value: Any) -> None:
    """Any nested data becomes a bounded value that OpenTelemetry accepts, and is not changed."""
    before = repr(value)
    converted = to_attribute_value(value)
    items = converted if isinstance(converted, tuple) else (converted,)
    assert len(items) <= MAX_ARRAY
    assert len({type(item) for item in items}) <= 1
    for item in items:
        assert type(item) in {str, bool, int, float}
        assert len(str(item).encode()) <= 4 * (MAX_STRING + NOTE)
    assert before == repr(value)


@given(
    st.recursive(
        st.just("SECRET"),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
        max_leaves=10,
    ),
    st.sampled_from(["password", "userPassword", "X-Api-Key", "set_cookie"]),
    st.integers(0, 5),
)
def test_no_leak(secret: Any, name: str, depth: int) -> None:
    """A value of any type under a sensitive name is not recorded, at any depth."""
    value: Any = {name: secret}
    for level in range(depth):
        value = [value] if level % 2 else {"key": value}
    text = str(to_attribute_value(value))
    assert "SECRET" not in text
    assert (REDACTED in text) is (depth < 4)
