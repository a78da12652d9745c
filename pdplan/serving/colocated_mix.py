"""What a colocated engine serves: all classes as one, and decode steps stretched by prefill."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.serving.decode_step import ModelStep
from pdplan.serving.decode_work import DecodeWork
from pdplan.serving.demand import ClassDemand, pooled
from pdplan.serving.roots import decreasing_root

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class MixLengths:
    """What the lengths of a mix give, whatever the rate: kept, since searches ask for many fleet sizes."""

    mix: ClassDemand
    work: DecodeWork | None
    new_tokens: Array
    cached_tokens: Array
    weight: Array


@lru_cache(maxsize=64)
def mix_lengths(demands: tuple[ClassDemand, ...]) -> MixLengths:
    """Return what the classes give together, whatever their rates."""
    mix = pooled(demands)
    pairs = np.stack([np.maximum(mix.prompt_tokens - mix.cached, 1.0), mix.cached])
    distinct, index = np.unique(pairs, axis=1, return_inverse=True)
    work = DecodeWork.from_demand(mix, "prefill") if (mix.output_tokens > 1).any() else None
    return MixLengths(
        mix, work, distinct[0], distinct[1], np.bincount(index.ravel(), mix.weight).astype(np.float64)
    )


@dataclass(frozen=True, slots=True)
class SlowedStep:
    """t(n)/(1 - u): a decode step stretched by the prefill work between and inside iterations."""

    step: ModelStep
    share: float

    @property
    def valid_to(self) -> float:
        """Largest batch of the model's range [-]."""
        return self.step.valid_to

    @property
    def per_context_token_s(self) -> float:
        """What one more token of context adds [s/tok]."""
        return self.step.per_context_token_s / (1 - self.share)

    def at(self, batch: Any) -> Array:
        """Stretched step time [s]."""
        return self.step.at(batch) / (1 - self.share)


def met_batch(
    steps_per_s: float, step: ModelStep, share_at: Callable[[float], float], limit: float
) -> float | None:
    """Return the batch that prompts meet, the smallest b = r t(b + 1)/(1 - u(b)) [-]; None: above ``limit``.

    Parameters
    ----------
    steps_per_s : float
        Decode steps asked per second, r [1/s].
    step : ModelStep
        t(n) of decode alone [s].
    share_at : callable
        Share of the time that prefill takes at a batch, u(b) [-].
    limit : float
        Largest batch [-].
    """
    # t(n) at whole n up to a batch of practical size, straight in between; asked for directly beyond it
    whole = np.arange(1.0, min(limit, 1024.0) + 3)
    times = step.at(whole)

    def gap(batch: float) -> float:
        share = share_at(batch)
        if share >= 1:
            return math.inf
        step_s = np.interp(batch + 1.0, whole, times) if batch + 1 <= whole[-1] else step.at(batch + 1.0)
        return steps_per_s * float(step_s) / (1 - share) - batch

    low, high = 0.0, min(1.0, limit)
    while gap(high) > 0:
        if high >= limit:
            return None
        low, high = high, min(2 * high, limit)
    return decreasing_root(gap, low, high, rtol=1e-9)
