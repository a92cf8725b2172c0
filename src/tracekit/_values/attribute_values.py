"""How any Python value becomes an attribute value, within bounds and without disturbing anyone.

Values of the commonest builtin types go through one dictionary. For any other type the rule is
looked up among those that users registered, then among the builtin ones, and remembered as long
as the type lives.
"""

from __future__ import annotations

from itertools import repeat
from operator import is_
from threading import Lock
from typing import TYPE_CHECKING, Any

from tracekit._base import forks
from tracekit._values.bounds import (
    MAX_ARRAY,
    MAX_ARRAY_STRING,
    MAX_INT,
    MAX_NESTED_STRING,
    MAX_STRING,
    MAX_TEXT,
    MAX_WIDTH,
    MIN_INT,
)
from tracekit._values.containers import write_list, write_tuple
from tracekit._values.failures import failure_text
from tracekit._values.rules import (
    AttributeValue,
    Conversion,
    Nested,
    Registered,
    Rule,
    SingleText,
    builtin_rule,
)
from tracekit._values.text import Text, cut, encodable, integer, quote
from tracekit._values.type_names import TypeCache, type_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AttributeValue", "register_type", "to_attribute_value", "unregister_type"]


def to_attribute_value(value: object) -> AttributeValue:
    """Turn any value into an attribute value.

    Nothing of the program is changed or consumed, whatever fails is named in the result, and the
    result has a bounded size and fits into a protobuf message. Values under sensitive names
    inside the value are redacted by the policy in force.

    Args:
        value: Anything.

    Returns:
        Short strings, booleans, floats and integers of 64 bits as they are; short lists and tuples
        of one of these as a tuple; text for everything else.
    """
    try:
        exact = _exact.get(type(value))
    except Exception:
        exact = None  # a metaclass may make its classes fail to hash
    try:
        if exact is _describe_string and len(value) <= MAX_STRING and value.isascii():  # type: ignore[arg-type, attr-defined]  # a string, as this function shows
            return value  # type: ignore[return-value]  # the same
        if exact is _describe_int and MIN_INT <= value <= MAX_INT:  # type: ignore[operator]  # a number
            return value  # type: ignore[return-value]  # the same
        if exact is not None:
            return exact(value)
        return _describe_by(_rule_of(type(value)), value)
    except Exception as error:
        try:
            return failure_text(type(value), error)
        except Exception:
            return "<repr failed>"  # no stack is left to say more


def _describe_string(value: str) -> str:
    if len(value) <= MAX_STRING and value.isascii():
        return value
    return encodable(cut(value, MAX_STRING))


def _describe_int(value: int) -> int | str:
    return value if MIN_INT <= value <= MAX_INT else integer(value)


def _same(value: Any) -> Any:
    return value


def _nothing(_: object) -> None:
    """No array is made of these."""


def _describe_sequence(value: Any) -> AttributeValue:
    total = len(value)
    long = total > MAX_ARRAY
    # One slice, since another thread may be changing the list.
    items = tuple(value[: MAX_WIDTH if long else MAX_ARRAY])
    if not items:
        return ()
    described = _describe_alike(value, items, total if long else 0) if _are_alike(items) else None
    return _text_of(_SEQUENCES[type(value)], value) if described is None else described


def _are_alike(items: tuple[object, ...]) -> bool:
    kind = type_of(items[0])
    return id(kind) in _written and all(map(is_, map(type, items), repeat(kind)))


def _describe_alike(value: Any, items: tuple[Any, ...], total: int) -> AttributeValue | None:
    kind = type_of(items[0])
    if not total:
        return _ELEMENTS[kind](items)
    # Not item by item: a long list costs about what a short one costs, which becomes an array.
    text = f"{repr(items)[1:-1]}, … +{total - len(items):,} more" if _SHORT[kind](items) else ""
    if not text or len(text) > MAX_TEXT:
        return None
    return f"[{text}]" if type(value) is list else f"({text})"


def _are_short(items: tuple[str, ...]) -> bool:
    return len("".join(items)) <= MAX_NESTED_STRING


def _fit(items: tuple[int, ...]) -> bool:
    return min(items) >= MIN_INT and max(items) <= MAX_INT


def _strings(items: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(encodable(cut(item, MAX_ARRAY_STRING)) for item in items)


def _integers(items: tuple[int, ...]) -> tuple[int, ...] | None:
    return items if _fit(items) else None


def _text_of(rule: Rule, value: object) -> str:
    text = Text(_write)
    _write_by(rule, text, value)
    return str(text)


def _describe_by(rule: Rule, value: object) -> AttributeValue:
    if isinstance(rule, SingleText):
        return rule.cut(value)
    if isinstance(rule, Conversion):
        return _describe_builtin(rule.convert(value))
    if isinstance(rule, Registered):
        result = rule.function(value)
        return (
            _describe_builtin(result)
            if _registered_rule(type(result)) is rule
            else to_attribute_value(result)
        )
    return _text_of(rule, value)


def _describe_builtin(value: object) -> AttributeValue:
    exact = _EXACT.get(type(value))
    return _describe_by(builtin_rule(type(value)), value) if exact is None else exact(value)


def _write(out: Text, value: object) -> None:
    written = _written.get(id(type(value)))
    if written is not None:
        out.add(written(value))
        return
    mark = out.mark()
    try:
        _write_by(_rule_of(type(value)), out, value)
    except Exception as error:
        out.undo(mark)
        out.add(failure_text(type(value), error))


def _write_by(rule: Rule, out: Text, value: object) -> None:
    if isinstance(rule, SingleText):
        out.add(rule.cut(value))
    elif isinstance(rule, Conversion):
        _write_by(builtin_rule(type(result := rule.convert(value))), out, result)
    elif isinstance(rule, Registered):
        _write_result(rule, out, rule.function(value))
    else:
        out.nest(rule.writer, value)


def _write_result(rule: Registered, out: Text, result: object) -> None:
    if _registered_rule(type(result)) is rule:
        _write_by(builtin_rule(type(result)), out, result)
    else:
        out.value(result)


_SEQUENCES: dict[type, Rule] = {list: Nested(write_list), tuple: Nested(write_tuple)}
_ELEMENTS: dict[type, Callable[[Any], AttributeValue | None]] = {
    str: _strings,
    int: _integers,
    bool: _same,
    float: _same,
    type(None): _nothing,
}
_SHORT: dict[type, Callable[[Any], object]] = {
    str: _are_short,
    int: _fit,
    bool: _same,
    float: _same,
    type(None): _same,
}
_EXACT: dict[type, Callable[[Any], AttributeValue]] = {
    str: _describe_string,
    int: _describe_int,
    bool: _same,
    float: _same,
    type(None): repr,
    list: _describe_sequence,
    tuple: _describe_sequence,
}
_WRITTEN: dict[type, Callable[[Any], str]] = {
    str: quote,
    int: integer,
    bool: repr,
    float: repr,
    type(None): repr,
}


class _Registry:
    def __init__(self) -> None:
        self.after_fork_in_child()

    def after_fork_in_child(self) -> None:
        self.lock = Lock()


_registry = forks.register(_Registry())
_registered: dict[int, Registered] = {}
_exact = _EXACT
# By identity, since nobody stands behind it who takes a failure to hash.
_written = {id(kind): function for kind, function in _WRITTEN.items()}
_decisions: TypeCache[Rule] = TypeCache()


def _rule_of(kind: type) -> Rule:
    # A decision that was begun before a registration lands in the cache of before.
    decisions = _decisions
    rule = decisions.get(kind)
    if rule is None:
        rule = _registered_rule(kind) or builtin_rule(kind)
        decisions.put(kind, rule)
    return rule


def _registered_rule(kind: type) -> Registered | None:
    found = map(_registered.get, map(id, kind.__mro__))
    return next((rule for rule in found if rule is not None), None)


def register_type(kind: type, function: Callable[[Any], object]) -> None:
    """Describe the instances of a type and of its subclasses by a function.

    Args:
        kind: The type; the nearest registered one among a value's bases decides.
        function: Takes the value and returns anything that stands for it.
    """
    with _registry.lock:
        _registered[id(kind)] = Registered(kind, function)
        _forget_decisions()


def unregister_type(kind: type) -> bool:
    """Take a registration back.

    Args:
        kind: The type that was registered.

    Returns:
        Whether there was a registration.
    """
    with _registry.lock:
        found = _registered.pop(id(kind), None)
        _forget_decisions()
    return found is not None


def _forget_decisions() -> None:
    global _exact, _written, _decisions  # noqa: PLW0603 -- replaced at once, for readers that take no lock
    plain = [kind for kind in _EXACT if _registered_rule(kind) is None]
    _exact = {kind: _EXACT[kind] for kind in plain}
    _written = {id(kind): _WRITTEN[kind] for kind in plain if kind in _WRITTEN}
    _decisions = TypeCache()
