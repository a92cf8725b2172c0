"""A trace as text: where its errors began, and the tree that the console shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from tracekit._console.render import Page, render
from tracekit._console.trace_buffer import Block

_MOST_ERRORS: Final = 50
_MOST_STACK_LINES: Final = 40
_DEEPEST_PATH: Final = 12


def render_text(
    spans: Sequence[ReadableSpan], page: Page, *, mark: str = "", errors: bool = True
) -> str:
    """Return a trace as text.

    Args:
        spans: Its spans, at least one.
        page: What the lines are laid out for.
        mark: How these spans stand to the rest of the trace, where they are not all.
        errors: Whether the errors come first, each with its path and stack trace.
    """
    context = spans[0].context
    assert context is not None  # noqa: S101 - every stored span has one
    lines = [*_error_lines(spans)] if errors else []
    tree = render(Block(context.trace_id, list(spans), mark=mark), page)
    head = "\n".join([*lines, "", ""]) if lines else ""
    if page.encoding is not None:
        head = head.encode(page.encoding, "backslashreplace").decode(page.encoding)
    return head + tree


def _error_lines(spans: Sequence[ReadableSpan]) -> Iterator[str]:
    by_id = {span.context.span_id: span for span in spans if span.context}
    failed = [span for span in spans if span.status.status_code is StatusCode.ERROR]
    above = {span.parent.span_id for span in failed if span.parent}
    # A failure goes on through the spans around it; it is told where it began.
    began = [span for span in failed if span.context and span.context.span_id not in above]
    began.sort(key=lambda span: span.start_time or 0)
    if not failed:
        return
    yield f"{len(failed)} {'span' if len(failed) == 1 else 'spans'} failed"
    for span in began[:_MOST_ERRORS]:
        yield ""
        yield f"✗ {' › '.join(_path(span, by_id))}"
        yield from (f"    {_clean(line)}" for line in _reason(span))
    if len(began) > _MOST_ERRORS:
        yield ""
        yield f"… {len(began) - _MOST_ERRORS} more"


def _path(span: ReadableSpan, by_id: dict[int, ReadableSpan]) -> list[str]:
    names: list[str] = []
    at: ReadableSpan | None = span
    while at is not None and len(names) < _DEEPEST_PATH:
        names.append(_clean(at.name))
        at = by_id.get(at.parent.span_id) if at.parent else None
    return [*(["…"] if at is not None else []), *reversed(names)]


def _reason(span: ReadableSpan) -> Iterator[str]:
    said = span.status.description or ""
    exception = next((each for each in reversed(span.events) if each.name == "exception"), None)
    attributes = (exception.attributes if exception else None) or {}
    kind, message = attributes.get("exception.type"), attributes.get("exception.message")
    text = f"{kind}: {message}" if kind and message else str(kind or message or "")
    if said and said not in (text, str(message)):
        yield from said.splitlines()
    if text:
        yield from text.splitlines()
    stack = str(attributes.get("exception.stacktrace") or "").splitlines()
    if len(stack) > _MOST_STACK_LINES:
        half = _MOST_STACK_LINES // 2
        stack = [*stack[:half], f"… {len(stack) - 2 * half} more lines", *stack[-half:]]
    yield from (f"  {line}" for line in stack)


def _clean(text: str) -> str:
    """Return a text without what a terminal would act on."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
