"""What a sampler of the SDK's decides whatever the span, so that it need not be asked each time.

A parent-based sampler answers with its parent's flag, and a static one always the same. Samplers of
other kinds, and the SDK's where they depend on the trace's id, are asked for every span, as the
specification says.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from opentelemetry.sdk.trace import sampling
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, StaticSampler

# By exact type: a subclass may decide as it likes.
_STATIC: Final = {StaticSampler, *(type(one) for one in (sampling.ALWAYS_ON, sampling.ALWAYS_OFF))}
_PARENT_BASED: Final = {ParentBased, sampling.ParentBasedTraceIdRatio}
_PARTS: Final = (
    "_root",
    "_local_parent_not_sampled",
    "_local_parent_sampled",
    "_remote_parent_not_sampled",
    "_remote_parent_sampled",
)

# A span is sampled, or dropped; None where the sampler has to be asked.
Decided = bool | None


class Decisions(NamedTuple):
    """What is decided about a span by where its parent stands.

    Attributes:
        root: It has none.
        local_unsampled: It is of this process and not sampled.
        local_sampled: It is of this process and sampled.
        remote_unsampled: It is of another process and not sampled.
        remote_sampled: It is of another process and sampled.
    """

    root: Decided = None
    local_unsampled: Decided = None
    local_sampled: Decided = None
    remote_unsampled: Decided = None
    remote_sampled: Decided = None

    @classmethod
    def of(cls, sampler: Sampler) -> Decisions:
        """What is known of a sampler beforehand."""
        if type(sampler) in _PARENT_BASED:
            return cls(*(_answer(getattr(sampler, part, None)) for part in _PARTS))
        return cls(*[_answer(sampler)] * len(_PARTS))

    @property
    def end_traces(self) -> bool:
        """Whether nothing inside of an unsampled trace is ever sampled."""
        return self.local_unsampled is False and self.remote_unsampled is False


def _answer(sampler: Sampler | None) -> Decided:
    if sampler is None or type(sampler) not in _STATIC:
        return None
    decision = sampler.should_sample(None, 1, "").decision
    return None if decision is Decision.RECORD_ONLY else decision is Decision.RECORD_AND_SAMPLE
