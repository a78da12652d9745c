"""Two approximate laws of the wait in M/G/c: an interpolation of percentiles and a lattice law."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pdplan.queueing._invert import invert_smooth
from pdplan.queueing._layers import TAILS, Layers
from pdplan.queueing._mg1_lattice import wait_lattice, wait_range_s
from pdplan.queueing.lattice import LatticeLaw, masses_mean
from pdplan.queueing.lattice_sums import convolve
from pdplan.queueing.mdc import MDc
from pdplan.queueing.mgc_means import min_residual_limited_mean_s
from pdplan.queueing.mmc import MMc
from pdplan.queueing.service import ServiceLaw, lundberg_exponent
from pdplan.trust import Trust

Array = NDArray[np.float64]

_NOBODY = 1e-250  # below this probability of waiting the conditional laws lose their meaning
_POINTS = 1 << 14


class InterpolatedWait:
    """Percentiles of those who wait, interpolated between constant and exponential service, for cs2 <= 1.

    eta_p = (1 - cs2) eta_p(M/D/c) + cs2 eta_p(M/M/c), with the probability of waiting interpolated alike, so
    that both ends are exact.
    Source: H. C. Tijms, A First Course in Stochastic Models (2003), chapter 9.
    """

    def __init__(self, constant: MDc, exponential: MMc, scv: float) -> None:
        self.constant, self.exponential, self.scv = constant, exponential, scv
        self.wait_probability = (1 - scv) * constant.wait_probability + scv * exponential.wait_probability

    def _later(self, x: Array) -> Array:
        """P(W > x | W > 0) of M/D/c, x in [s]."""
        return np.asarray(self.constant.wait_sf(x)) / self.constant.wait_probability

    def quantile(self, p: Array) -> Array:
        """p-quantiles of the wait [s]."""
        out = np.zeros(p.shape)
        waits = 1 - p < self.wait_probability
        if not waits.any() or self.constant.wait_probability < _NOBODY:
            return out
        level = (1 - p[waits]) / self.wait_probability
        guess = np.full(level.shape, self.constant.mean_wait_s / self.constant.wait_probability)
        constant = invert_smooth(self._later, level, guess)
        out[waits] = (1 - self.scv) * constant - self.scv * np.log(level) / self.exponential.delay_rate
        return out

    def curve(self, last_s: float, points: int) -> tuple[Array, Array]:
        """Times [s] up to at least ``last_s`` and P(W > t) there, without any search."""
        end = last_s if self.scv > 0.5 else last_s / (1 - self.scv)
        x = np.linspace(0.0, end, points)
        if self.constant.wait_probability < _NOBODY:
            return x, np.zeros(points)
        later = np.maximum(self._later(x), 1e-300)
        t = (1 - self.scv) * x - self.scv * np.log(later) / self.exponential.delay_rate
        return t, self.wait_probability * later

    def sf(self, t: Array) -> Array:
        """P(W > t), t in [s]."""
        if self.constant.wait_probability < _NOBODY:
            return np.zeros(t.shape)
        rate = self.exponential.delay_rate
        level = np.exp(-np.minimum(rate * t, 500.0))
        # eta of a tail v is t: with x the M/D/c percentile of v, v^cs2 exp(-rate (1 - cs2) x) = exp(-rate t)
        x = invert_smooth(
            lambda x: self._later(x) ** self.scv * np.exp(-rate * (1 - self.scv) * x),
            level,
            np.maximum(t, self.constant.service_s * 1e-9),
        )
        return self.wait_probability * self._later(x)


class LadderWait:
    """Residual decomposition of the wait, scaled to a given mean, for cs2 > 1.

    Those who wait first see c servers finish their residual services (the shortest counts), then a queue
    served like M/G/1 by a server c times as fast: W | W > 0 = min(S_e1..S_ec) + W(M/G/1, S/c). P(W > 0) is
    Erlang C. Time is then stretched so that the mean is the one given.
    Source: H. C. Tijms, M. H. van Hoorn, A. Federgruen, Approximations for the steady-state probabilities in
    the M/G/c queue, Advances in Applied Probability 13 (1981) 186-206.
    """

    def __init__(
        self, exponential: MMc, service: ServiceLaw, min_residual: float, mean_wait_s: float
    ) -> None:
        self.exponential, self.service = exponential, service
        self.wait_probability = exponential.wait_probability
        rho, servers = exponential.utilization, exponential.servers
        queue_s = rho / (1 - rho) * service.residual_mean_s / servers
        unscaled_s = self.wait_probability * (min_residual * service.mean_s + queue_s)
        self._stretch = mean_wait_s / unscaled_s if unscaled_s > 0 else 1.0

    @cached_property
    def _layers(self) -> Layers:
        return Layers(self.lattice)

    def lattice(self, tail: float) -> LatticeLaw:
        """The law on a lattice that reaches down to ``tail``."""
        # M/G/1 with service S/c, watched on a clock c times slower, is M/G/1 at rate lam/c with service S.
        servers = self.exponential.servers
        rate = self.exponential.arrival_rate / servers
        theta = lundberg_exponent(rate, self.service)
        longest_first_s = servers * self._min_residual_range_s(tail)
        reach = wait_range_s(rate, self.service, theta, tail / 2, points=1024) + longest_first_s
        step = reach / (_POINTS - 1)
        queue = wait_lattice(rate, self.service, step_s=step, n=_POINTS)
        knots = np.arange(_POINTS + 1) * step / servers
        limited = servers * min_residual_limited_mean_s(self.service, servers, knots)
        first = LatticeLaw(step, masses_mean(limited, step))
        late = convolve([LatticeLaw(step, queue.pmf), first])
        pmf = self.wait_probability * late.pmf
        pmf[0] += 1 - self.wait_probability
        zero = 1 - self.wait_probability
        stretched = step / servers * self._stretch
        return LatticeLaw(stretched, pmf, zero_mass=zero, trust=Trust.APPROXIMATE)

    def _min_residual_range_s(self, tail: float) -> float:
        """A time that the shortest of c residual services passes with probability below ``tail`` [s]."""
        servers = self.exponential.servers
        high = self.service.mean_s / servers
        while (1 - self.service.residual_cdf(high)) ** servers > tail:
            high *= 1.5
        return float(high)

    def quantile(self, p: Array) -> Array:
        """p-quantiles of the wait [s]."""
        if self.wait_probability < TAILS[-1]:
            return np.zeros(p.shape)
        return self._layers.quantile(p)

    def sf(self, t: Array) -> Array:
        """P(W > t), t in [s]."""
        return np.minimum(self._layers.sf(t), self.wait_probability)
