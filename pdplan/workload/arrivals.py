"""Arrival processes in words of their rate and burstiness. The planner's laws use Poisson arrivals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pdplan.checks import require_positive
from pdplan.errors import InputError
from pdplan.workload.law import Array
from pdplan.workload.statistics import arrival_statistics
from pdplan.workload.windows import index_of_dispersion, window_counts


@runtime_checkable
class ArrivalProcess(Protocol):
    """When requests arrive."""

    @property
    def rate(self) -> float:
        """Mean rate [1/s]."""
        ...

    @property
    def local_scv(self) -> float:
        """Squared coefficient of variation of gaps over times in which the rate hardly moves [-]."""
        ...

    def index_of_dispersion(self, window_s: float) -> float:
        """Var N / E N of the count in a window [-]."""
        ...


@dataclass(frozen=True)
class PoissonArrivals:
    """Independent arrivals at a constant rate.

    Examples
    --------
    >>> p = PoissonArrivals(8.0)
    >>> p.local_scv, p.index_of_dispersion(60.0)
    (1.0, 1.0)
    """

    rate: float

    def __post_init__(self) -> None:
        """Check the rate."""
        require_positive("rate", self.rate, "1/s")

    @property
    def local_scv(self) -> float:
        """1."""
        return 1.0

    def index_of_dispersion(self, window_s: float) -> float:
        """1 at every window."""
        require_positive("window_s", window_s, "s")
        return 1.0


@dataclass(frozen=True)
class GammaArrivals:
    """Independent gamma-distributed gaps: bursty for scv > 1, regular for scv < 1.

    Examples
    --------
    >>> GammaArrivals(8.0, 4.0).index_of_dispersion(3600.0)
    4.0
    """

    rate: float
    scv: float

    def __post_init__(self) -> None:
        """Check both numbers."""
        require_positive("rate", self.rate, "1/s")
        require_positive("scv", self.scv)

    @property
    def local_scv(self) -> float:
        """The SCV of the gaps."""
        return self.scv

    def index_of_dispersion(self, window_s: float) -> float:
        """SCV of the gaps, the limit for windows of many arrivals (Cox 1962, Renewal Theory, section 4.2)."""
        require_positive("window_s", window_s, "s")
        return self.scv


@dataclass(frozen=True)
class ModulatedArrivals:
    """Poisson arrivals whose rate alternates between two phases of exponential length (a two-phase MMPP).

    Parameters
    ----------
    high_rate, low_rate : float
        Rates in the two phases [1/s]; ``low_rate`` 0 makes it on/off.
    high_s, low_s : float
        Mean lengths of the phases [s].

    Examples
    --------
    >>> m = ModulatedArrivals(high_rate=18.0, low_rate=2.0, high_s=30.0, low_s=30.0)
    >>> m.rate, round(m.index_of_dispersion(1e9), 3), round(m.index_of_dispersion(1e-9), 3)
    (10.0, 193.0, 1.0)
    """

    high_rate: float
    low_rate: float
    high_s: float
    low_s: float

    def __post_init__(self) -> None:
        """Check the four numbers."""
        require_positive("high_rate", self.high_rate, "1/s")
        require_positive("low_rate", self.low_rate, "1/s", zero_ok=True)
        require_positive("high_s", self.high_s, "s")
        require_positive("low_s", self.low_s, "s")
        if self.low_rate > self.high_rate:
            raise InputError(
                f"low_rate {self.low_rate:g} 1/s is above high_rate {self.high_rate:g} 1/s: swap them"
            )

    @property
    def rate(self) -> float:
        """Mean rate over both phases [1/s]."""
        return (self.high_rate * self.high_s + self.low_rate * self.low_s) / (self.high_s + self.low_s)

    @property
    def local_scv(self) -> float:
        """1: inside a phase arrivals are Poisson."""
        return 1.0

    def index_of_dispersion(self, window_s: float) -> float:
        """1 + 2 p q (a - b)^2 / (rate r) (1 - (1 - e^{-r t}) / (r t)), r = 1/high_s + 1/low_s.

        Fischer and Meier-Hellstern 1993, The Markov-modulated Poisson process (MMPP) cookbook.
        """
        require_positive("window_s", window_s, "s")
        return modulated_dispersion(self.high_rate, self.low_rate, self.high_s, self.low_s, window_s)


def modulated_dispersion(
    high_rate: float, low_rate: float, high_s: float, low_s: float, window_s: float
) -> float:
    """Return Var N / E N of a two-phase MMPP over a window [-].

    The rate has variance p q (a - b)^2 and correlation e^{-r t}, which is integrated twice over the window.

    Examples
    --------
    >>> modulated_dispersion(5.0, 5.0, 10.0, 10.0, 60.0)
    1.0
    """
    high_share = high_s / (high_s + low_s)
    rate = high_rate * high_share + low_rate * (1.0 - high_share)
    variance = high_share * (1.0 - high_share) * (high_rate - low_rate) ** 2
    decay = 1.0 / high_s + 1.0 / low_s
    x = decay * window_s
    held = 1.0 + math.expm1(-x) / x if x > 1e-6 else x / 2  # the difference cancels for short windows
    return 1.0 + 2.0 * variance / (rate * decay) * held


@dataclass(frozen=True, eq=False)
class DriftingArrivals:
    """Arrivals whose rate follows that of a history, window by window, from its start again at its end.

    Parameters
    ----------
    rates : array
        Rate in each window [1/s].
    window_s : float
        Length of a window [s].
    local_scv : float
        Squared coefficient of variation of gaps inside a window [-].

    Examples
    --------
    >>> import numpy as np
    >>> d = DriftingArrivals(np.array([4.0, 8.0]), 60.0)
    >>> d.rate, d.scaled(12.0).rates.tolist(), round(d.index_of_dispersion(60.0), 1)
    (6.0, [8.0, 16.0], 41.0)
    """

    rates: Array
    window_s: float
    local_scv: float = 1.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        require_positive("rates", self.rates, "1/s", zero_ok=True)
        require_positive("the mean of the rates", float(self.rates.mean()), "1/s")
        require_positive("window_s", self.window_s, "s")
        require_positive("local_scv", self.local_scv)

    @property
    def rate(self) -> float:
        """Mean rate over the history [1/s]."""
        return float(self.rates.mean())

    def scaled(self, rate: float) -> DriftingArrivals:
        """Return the same drift around another mean rate [1/s]."""
        require_positive("rate", rate, "1/s")
        return DriftingArrivals(self.rates * (rate / self.rate), self.window_s, self.local_scv)

    def index_of_dispersion(self, window_s: float) -> float:
        """Local SCV + window Var(rate) / rate [-], for windows up to the history's own."""
        require_positive("window_s", window_s, "s")
        return self.local_scv + window_s * float(self.rates.var()) / self.rate


@dataclass(frozen=True, eq=False)
class TraceArrivals:
    """The arrivals of a trace, replayed.

    Parameters
    ----------
    arrival_s : array
        Arrivals in order [s].
    """

    arrival_s: Array

    @property
    def rate(self) -> float:
        """Mean rate [1/s]."""
        return arrival_statistics(self.arrival_s).rate

    @property
    def local_scv(self) -> float:
        """Measured inside windows of 60 s; 1 where they hold too few requests to tell."""
        measured = arrival_statistics(self.arrival_s).local_scv
        return 1.0 if measured is None else measured

    def index_of_dispersion(self, window_s: float) -> float:
        """Measured over windows of this length [-]."""
        require_positive("window_s", window_s, "s")
        start = float(self.arrival_s[0])
        span_s = float(self.arrival_s[-1]) - start
        if span_s < 2 * window_s:
            raise InputError(
                f"the trace spans {span_s:g} s: windows of {window_s:g} s need twice their length at least"
            )
        return index_of_dispersion(window_counts(self.arrival_s - start, span_s, window_s))
