"""Arrivals whose rate switches between phases (MMPP): the slow limit, and what is proven either side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_fraction, require_positive, require_stable
from pdplan.errors import InputError
from pdplan.queueing._roots import invert_decreasing
from pdplan.queueing.base import LittleMixin, each_p, each_t, shaped_like
from pdplan.queueing.mg1 import MG1, mg1_mean_wait_s
from pdplan.queueing.service import ServiceLaw
from pdplan.trust import Trust

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SlowModulated(LittleMixin):
    """Slow-limit law of a Poisson stream whose rate is modulated: each phase lasts long enough to settle.

    An arrival finds phase i with chance P_i lam_i / lam and then waits as in M/G/1 at rate lam_i. Faster
    switching gives shorter waits on average (Ross's conjecture, proven), so the mean here is an upper bound
    and that of M/G/1 at the average rate a lower bound. Quantiles are bracketed by M/G/1 at the smallest and
    the largest rate, whatever the switching (thin the stream, or add to it: the work that is found grows with
    every arrival). Every phase must be stable: otherwise the backlog of a phase depends on how long it lasts,
    and only simulation tells.

    Parameters
    ----------
    phase_probability : sequence of float
        Fraction of time in each phase [-], summing to 1.
    phase_arrival_rate : sequence of float
        Arrival rate in each phase [1/s], >= 0.
    service : ServiceLaw
        S.

    Raises
    ------
    InputError, UnstableError
        Out of range; a phase with lam_i E S >= 1.

    Notes
    -----
    Source: C.-S. Chang, X. Chao and M. Pinedo, Advances in Applied Probability 23 (1991) 210-228; N. Baeuerle
    and T. Rolski, Journal of Applied Probability 35 (1998) 741-747 (monotonicity in the speed of switching).

    Examples
    --------
    >>> from pdplan.queueing.service_continuous import Exponential
    >>> law = SlowModulated([0.5, 0.5], [0.2, 0.8], Exponential(1.0))
    >>> round(law.mean_wait_s, 9), [round(x, 9) for x in law.mean_wait_bounds_s]  # 0.2 of 0.25, 0.8 of 4
    (3.25, [1.0, 3.25])
    """

    phase_probability: Sequence[float]
    phase_arrival_rate: Sequence[float]
    service: ServiceLaw

    def __post_init__(self) -> None:
        """Check phases and stability."""
        if len(self.phase_probability) != len(self.phase_arrival_rate) or not self.phase_probability:
            raise InputError("phases: give as many probabilities as rates, and at least one")
        require_fraction("phase_probability", np.asarray(self.phase_probability, dtype=np.float64))
        if abs(sum(self.phase_probability) - 1) > 1e-9:
            raise InputError(
                f"phase probabilities sum to {sum(self.phase_probability):.6g}: they must sum to 1"
            )
        rates = np.asarray(self.phase_arrival_rate, dtype=np.float64)
        require_positive("phase_arrival_rate", rates, "1/s", zero_ok=True)
        require_positive("the average arrival rate", self.arrival_rate, "1/s")
        require_stable(float(rates.max()) * self.service.mean_s, what="the busiest phase")

    @property
    def arrival_rate(self) -> float:  # type: ignore[override]
        """Average rate [1/s]."""
        return float(np.dot(self.phase_probability, self.phase_arrival_rate))

    @property
    def utilization(self) -> float:
        """Average load [-]."""
        return self.arrival_rate * self.service.mean_s

    @property
    def trust(self) -> Trust:
        """Bounded: see the class."""
        return Trust.BOUNDED

    @cached_property
    def _phases(self) -> list[tuple[float, MG1]]:
        """Chance that an arrival meets the phase, and the law in it; phases without arrivals are left out."""
        pairs = zip(self.phase_probability, self.phase_arrival_rate, strict=True)
        return [
            (p * rate / self.arrival_rate, MG1(arrival_rate=rate, service=self.service))
            for p, rate in pairs
            if p * rate > 0
        ]

    @property
    def mean_wait_s(self) -> float:
        """E W in the slow limit [s], an upper bound."""
        return sum(chance * law.mean_wait_s for chance, law in self._phases)

    @property
    def mean_wait_bounds_s(self) -> tuple[float, float]:
        """Fast limit (M/G/1 at the average rate) and slow limit of the mean wait [s]."""
        fast = float(mg1_mean_wait_s(self.arrival_rate, self.service.mean_s, self.service.scv))
        return fast, self.mean_wait_s

    @property
    def mean_response_s(self) -> float:
        """E T in the slow limit [s]."""
        return self.mean_wait_s + self.service.mean_s

    def wait_sf(self, t: Any) -> Any:
        """P(W > t) in the slow limit; t in [s]."""
        return each_t(
            t, lambda x: self._average([(c, np.asarray(law.wait_sf(x))) for c, law in self._phases])
        )

    def response_sf(self, t: Any) -> Any:
        """P(T > t) of wait plus service in the slow limit; t in [s]."""
        return each_t(
            t, lambda x: self._average([(c, np.asarray(law.response_sf(x))) for c, law in self._phases])
        )

    @staticmethod
    def _average(parts: list[tuple[float, Array]]) -> Array:
        return np.asarray(sum(chance * tail for chance, tail in parts))

    def wait_quantile_s(self, p: Any) -> Any:
        """p-quantile of the wait in the slow limit [s]."""
        return each_p(p, lambda x: invert_decreasing(self.wait_sf, 1 - x, self._guess(x), rtol=1e-11))

    def response_quantile_s(self, p: Any) -> Any:
        """p-quantile of wait plus service in the slow limit [s]."""
        return each_p(p, lambda x: invert_decreasing(self.response_sf, 1 - x, self._guess(x), rtol=1e-11))

    def _guess(self, p: Array) -> Array:
        return np.full(p.shape, self.mean_response_s)

    def wait_quantile_bounds_s(self, p: Any) -> tuple[Any, Any]:
        """Quantiles of M/G/1 at the smallest and the largest rate [s]: proven at any speed of switching."""
        levels = np.ravel(np.asarray(p, dtype=np.float64))
        require_fraction("p", levels, open_high=True)
        rates = sorted(self.phase_arrival_rate)
        low = np.zeros(levels.shape)
        if rates[0] > 0:
            low = np.asarray(MG1(rates[0], self.service).wait_quantile_bounds_s(levels)[0])
        high = np.asarray(MG1(rates[-1], self.service).wait_quantile_bounds_s(levels)[1])
        return shaped_like(p, low), shaped_like(p, high)
