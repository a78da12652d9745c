r"""Prefill pipelines whose prompts take different times: a long one holds up those before and behind it.

An engine has at most m prompts (steps) under way in m stages. While prompts wait, one enters whenever all
have moved on by a stage, every time for the longest of the m: the *cycle* C = max(S_1, ..., S_m). With m = 2
this is exact while the pipeline is full; with more stages short ones need not wait for long ones everywhere,
and the cycle is 5 to 7% too long at m = 4. A pipeline that is not full has places without a prompt; each is
taken to be filled with the same chance, the share of cycles that a prompt enters.

Source: O. J. Boxma, J. Appl. Prob. 16 (1979) 616-624 (two stages with identical service times, unlimited
room); the limit on what is under way is that of vLLM (``max_concurrent_batches``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.queueing import klb_mean_wait_s
from pdplan.queueing.service import Atoms
from pdplan.trust import Trust

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pipeline:
    """One pipeline of m equal stages.

    Parameters
    ----------
    arrival_rate : float
        Prompts per second [1/s].
    service : Atoms
        Time of a prompt in one stage.
    stages : int
        m [-].
    gaps : int
        Gaps between arrivals are Erlang of so many parts: 1 for random routing, n for n in turn [-].

    Examples
    --------
    Prompts of 0.5 and 1.5 s: in three of four pairs there is a long one.

    >>> two = Pipeline(0.4, Atoms([0.5, 1.5], [0.5, 0.5]), 2)
    >>> two.cycle_s, round(two.utilization, 3)
    (1.25, 0.5)
    >>> Pipeline(0.4, Atoms([1.0], [1.0]), 4).stretch                # equal prompts: M/D/1
    1.0
    """

    arrival_rate: float
    service: Atoms
    stages: int
    gaps: int = 1

    @cached_property
    def _times(self) -> Array:
        return np.asarray(self.service.values_s, dtype=float)

    @cached_property
    def _below(self) -> Array:
        """P(S <= each atom) [-]."""
        return np.asarray(np.minimum(np.cumsum(np.asarray(self.service.weights, dtype=float)), 1.0))

    def _mean(self, cdf: Array) -> float:
        return float(self._times[0] + (1.0 - cdf[:-1]) @ np.diff(self._times))

    @cached_property
    def cycle_s(self) -> float:
        """Mean time between two prompts that enter a full pipeline [s]."""
        return self._mean(self._below**self.stages)

    @property
    def utilization(self) -> float:
        """Load [-]."""
        return self.arrival_rate * self.cycle_s

    @cached_property
    def filled(self) -> float:
        """Chance that a place holds a prompt: the rate of prompts by the mean cycle [-]."""
        share = 0.0
        for _ in range(200):
            new = min(1.0, self.arrival_rate * self._mean(self._cycle(share)))
            if abs(new - share) < 1e-9:
                break
            share = new
        return share

    def _other(self, share: float) -> Array:
        """P(another place holds nothing longer) [-]."""
        return np.asarray(1.0 - share * (1.0 - self._below))

    def _cycle(self, share: float) -> Array:
        """Cdf of a cycle in which a prompt enters, at the atoms [-]."""
        return np.asarray(self._below * self._other(share) ** (self.stages - 1))

    def cycle_law(self) -> Atoms:
        """Law of a cycle in which a prompt enters."""
        chance = np.diff(self._cycle(self.filled), prepend=0.0)
        kept = chance > 1e-14
        return Atoms(self._times[kept], chance[kept] / chance[kept].sum())

    @cached_property
    def stretch(self) -> float:
        """Mean wait over that with independent cycles: a long prompt makes m of them long [-]."""
        if self.service.scv <= 1e-9 or self.stages == 1:
            return 1.0
        low, full = self._mean_wait_s(self.filled), self._mean_wait_s(1.0)
        # who waits has found the pipeline filled; beyond two stages that counts for less
        weight = self.utilization / (self.stages - 1)
        law = self.cycle_law()
        independent = self._two_moments(law.mean_s, law.scv)
        return ((1.0 - weight) * low + weight * full) / independent

    def _mean_wait_s(self, share: float) -> float:
        """Two moments, with the variance of many cycles in place of that of one [s]."""
        cdf = self._cycle(share)
        mean = self._mean(cdf)
        variance = float(np.diff(cdf, prepend=0.0) @ self._times**2) - mean**2
        total = variance + 2.0 * sum(self._covariance(share, j) for j in range(1, self.stages))
        return self._two_moments(mean, total / mean**2)

    def _two_moments(self, mean_s: float, scv: float) -> float:
        """Pollaczek-Khinchine, with Kraemer and Langenbach-Belz's factor for arrivals in turn [s]."""
        rate = min(self.arrival_rate, (1.0 - 1e-9) / mean_s)
        return klb_mean_wait_s(rate, mean_s, 1.0 / self.gaps, max(scv, 0.0))

    def _covariance(self, share: float, apart: int) -> float:
        """Covariance of two cycles so many apart, which share the other prompts [s^2] (Hoeffding)."""
        own, other, m = self._below, self._other(share), self.stages
        lower = np.minimum.outer(np.arange(own.size), np.arange(own.size))
        both = (own * other ** (m - apart - 1))[lower]
        both = both * (other**apart)[:, None] * (own * other ** (apart - 1))[None, :]
        apart_law = self._cycle(share)[:, None] * (own**2 * other ** (m - 2))[None, :]
        widths = np.diff(self._times)
        return float(widths @ (both - apart_law)[:-1, :-1] @ widths)

    def passing_s(self, service_s: Array) -> Array:
        """Mean time in all stages of prompts that take so long in one [s].

        A prompt goes on when it and the j ahead of it have finished their stages, j = m - 1, ..., 0.
        """
        total, widths = service_s.astype(float), np.diff(self._times)
        # E max(s, X) = s + integral of P(X > x) from s on
        for ahead in range(1, self.stages):
            tail = (1.0 - self._other(self.filled)[:-1] ** ahead) * widths
            beyond = np.append(np.cumsum(tail[::-1])[::-1], 0.0)
            total = total + service_s + np.interp(service_s, self._times, beyond)
        return np.asarray(total)


@dataclass(frozen=True, eq=False)
class Stretched:
    """A waiting law whose times are multiplied by a factor."""

    law: Any
    factor: float
    trust: Trust = Trust.APPROXIMATE

    @property
    def arrival_rate(self) -> float:
        """As of the law [1/s]."""
        return float(self.law.arrival_rate)

    @property
    def utilization(self) -> float:
        """As of the law [-]."""
        return float(self.law.utilization)

    @property
    def mean_wait_s(self) -> float:
        """Mean wait [s]."""
        return float(self.law.mean_wait_s) * self.factor

    @property
    def mean_queue_length(self) -> float:
        """Prompts waiting [-]."""
        return self.arrival_rate * self.mean_wait_s

    def wait_sf(self, t: Any) -> Any:
        """P(W > t)."""
        return self.law.wait_sf(np.asarray(t, dtype=float) / self.factor)

    def wait_quantile_s(self, p: Any) -> Any:
        """p-quantile of the wait [s]."""
        return self.law.wait_quantile_s(p) * self.factor
