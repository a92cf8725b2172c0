"""The decisions of the SDK's samplers that depend on the parent alone.

A parent-based sampler repeats the flag of the parent, and a static sampler always decides the same,
so these need not be asked for each span. Every other sampler is asked, as the specification says.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from opentelemetry.sdk.trace import sampling
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, StaticSampler

# By exact type: a subclass may decide otherwise.
_STATIC: Final = {StaticSampler, *(type(one) for one in (sampling.ALWAYS_ON, sampling.ALWAYS_OFF))}
_PARENT_BASED: Final = {ParentBased, sampling.ParentBasedTraceIdRatio}
# The samplers that a parent-based one consists of, in the order of `KnownDecisions`.
_PARTS: Final = (
    "_root",
    "_local_parent_not_sampled",
    "_local_parent_sampled",
    "_remote_parent_not_sampled",
    "_remote_parent_sampled",
)

# Whether a span is sampled or dropped. None if the sampler has to be asked.
KnownDecision = bool | None


class KnownDecisions(NamedTuple):
    """What a sampler decides about a span, by the kind of its parent.

    A local parent is in this process, a remote one in another. A root span has none.
    """

    root: KnownDecision = None
    local_unsampled: KnownDecision = None
    local_sampled: KnownDecision = None
    remote_unsampled: KnownDecision = None
    remote_sampled: KnownDecision = None

    @classmethod
    def of(cls, sampler: Sampler) -> KnownDecisions:
        """Return what is known of a sampler."""
        if type(sampler) in _PARENT_BASED:
            return cls(*(_known_decision(getattr(sampler, part, None)) for part in _PARTS))
        return cls(*[_known_decision(sampler)] * len(_PARTS))

    @property
    def drop_unsampled_children(self) -> bool:
        """Whether every span whose parent is not sampled is dropped."""
        return self.local_unsampled is False and self.remote_unsampled is False


def _known_decision(sampler: Sampler | None) -> KnownDecision:
    if sampler is None or type(sampler) not in _STATIC:
        return None
    decision = sampler.should_sample(None, 1, "").decision
    return None if decision is Decision.RECORD_ONLY else decision is Decision.RECORD_AND_SAMPLE
