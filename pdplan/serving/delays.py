"""Delays that add up to a time to first token: what a station hands to the composition.

A *delay* knows its mean, its survival function and its trust. The waiting laws of ``pdplan.queueing`` are
delays under other names (``mean_wait_s``, ``wait_sf``); `as_delay` makes them one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_positive
from pdplan.errors import InfeasibleError, InputError
from pdplan.queueing.lattice import LatticeLaw
from pdplan.trust import Trust

Array = NDArray[np.float64]


@runtime_checkable
class Delay(Protocol):
    """A non-negative random time."""

    @property
    def mean_s(self) -> float:
        """Mean [s]."""
        ...

    @property
    def trust(self) -> Trust:
        """What stands behind the law."""
        ...

    def sf(self, t: Any) -> Any:
        """P(delay > t), an array for an array ``t >= 0`` [s]."""
        ...

    def high_s(self, tail: float) -> float:
        """Return a time [s] that is exceeded with probability at most about ``tail``."""
        ...


@dataclass(frozen=True, slots=True)
class Constant:
    """A delay that is always ``value_s`` [s].

    Examples
    --------
    >>> Constant(0.01).mean_s, float(Constant(0.01).sf(0.02))
    (0.01, 0.0)
    """

    value_s: float
    trust: Trust = Trust.EXACT

    def __post_init__(self) -> None:
        """Refuse a negative or endless delay."""
        require_positive("value_s", self.value_s, "s", zero_ok=True)

    @property
    def mean_s(self) -> float:
        """The value itself [s]."""
        return self.value_s

    def sf(self, t: Any) -> Any:
        """Return 1 before the value, 0 from it on."""
        return np.where(np.asarray(t, dtype=float) < self.value_s, 1.0, 0.0)

    def high_s(self, tail: float) -> float:
        """Return the value [s]."""
        return self.value_s


@dataclass(frozen=True, slots=True)
class Residual:
    """Waiting for the end of a running step of ``step_s`` [s]: uniform on (0, step_s).

    With probability ``busy`` a step is running, otherwise there is no wait.

    Examples
    --------
    >>> Residual(0.02).mean_s, float(Residual(0.02).sf(0.005)), Residual(0.02, busy=0.5).mean_s
    (0.01, 0.75, 0.005)
    """

    step_s: float
    busy: float = 1.0
    trust: Trust = Trust.APPROXIMATE

    def __post_init__(self) -> None:
        """Refuse a negative step."""
        require_positive("step_s", self.step_s, "s", zero_ok=True)

    @property
    def mean_s(self) -> float:
        """Half a step, when one is running [s]."""
        return 0.5 * self.busy * self.step_s

    def sf(self, t: Any) -> Any:
        """P(residual > t)."""
        t = np.asarray(t, dtype=float)
        if self.step_s == 0:
            return np.zeros_like(t)
        return self.busy * np.clip(1.0 - t / self.step_s, 0.0, 1.0)

    def high_s(self, tail: float) -> float:
        """Return the whole step [s]."""
        return self.step_s


@dataclass(frozen=True, eq=False)
class Discrete:
    """A delay with finitely many values.

    Examples
    --------
    >>> d = Discrete(np.array([0.3, 0.1]), np.array([0.25, 0.75]))
    >>> round(d.mean_s, 12), d.sf(np.array([0.0, 0.1, 0.3])).tolist()
    (0.15, [1.0, 0.25, 0.0])
    """

    values_s: Array
    weight: Array
    trust: Trust = Trust.EXACT

    def __post_init__(self) -> None:
        """Check and sort."""
        require_positive("values_s", self.values_s, "s", zero_ok=True)
        require_positive("weight", self.weight, zero_ok=True)
        if self.values_s.shape != self.weight.shape or abs(float(self.weight.sum()) - 1.0) > 1e-9:
            raise InputError("a discrete delay needs one weight for each value, summing to 1")
        order = np.argsort(self.values_s)
        object.__setattr__(self, "values_s", self.values_s[order])
        object.__setattr__(self, "weight", self.weight[order])

    @property
    def mean_s(self) -> float:
        """Mean [s]."""
        return float(self.values_s @ self.weight)

    def sf(self, t: Any) -> Any:
        """P(delay > t)."""
        above = np.concatenate([np.cumsum(self.weight[::-1])[::-1], [0.0]])
        return above[np.searchsorted(self.values_s, np.asarray(t, dtype=float), side="right")]

    def high_s(self, tail: float) -> float:
        """Return the largest value [s]."""
        return float(self.values_s[-1])


def wait_high_s(law: Any, tail: float) -> float:
    """Time that a wait exceeds with probability at most ``tail`` [s]: Lundberg's bound, or the quantile."""
    decay = getattr(law, "decay_per_s", None)
    if decay is not None:
        return math.log(1.0 / tail) / float(decay)
    return float(law.wait_quantile_s(np.array([0.5, 1.0 - tail]))[1])


@dataclass(frozen=True, slots=True)
class WaitDelay:
    """The wait of a queueing law, seen as a delay."""

    law: Any

    @property
    def mean_s(self) -> float:
        """Mean wait [s]."""
        return float(self.law.mean_wait_s)

    @property
    def trust(self) -> Trust:
        """Trust of the law's percentiles."""
        trust: Trust = self.law.trust
        return trust

    def sf(self, t: Any) -> Any:
        """P(wait > t)."""
        return np.asarray(self.law.wait_sf(np.asarray(t, dtype=float)), dtype=float)

    def high_s(self, tail: float) -> float:
        """Return a time exceeded with probability at most ``tail`` [s]."""
        return wait_high_s(self.law, tail)

    def lattice(self, step_s: float, points: int) -> LatticeLaw | None:
        """Return the law on this lattice if it can be computed there directly."""
        if not hasattr(self.law, "wait_lattice"):
            return None
        law: LatticeLaw = self.law.wait_lattice(step_s, points)
        return law


@dataclass(frozen=True, slots=True)
class AnyDelay:
    """An object with ``mean_s`` and ``sf`` (or ``cdf``) but no range: the range is searched by doubling."""

    law: Any
    trust: Trust = Trust.APPROXIMATE

    @property
    def mean_s(self) -> float:
        """Mean [s]."""
        return float(self.law.mean_s)

    def sf(self, t: Any) -> Any:
        """P(delay > t)."""
        t = np.asarray(t, dtype=float)
        if hasattr(self.law, "sf"):
            return np.asarray(self.law.sf(t), dtype=float)
        return 1.0 - np.asarray(self.law.cdf(t), dtype=float)

    def high_s(self, tail: float) -> float:
        """Return the first of mean, 2 mean, 4 mean, ... that is exceeded with at most ``tail`` [s]."""
        high = max(self.mean_s, 1e-12)
        for _ in range(80):
            if float(self.sf(np.array([high]))[0]) <= tail:
                return high
            high *= 2
        raise InfeasibleError(f"a delay of mean {self.mean_s:g} s has no finite range: its tail never falls")


def as_delay(law: Any) -> Delay:
    """Return ``law`` as a delay: one already, seconds, a waiting law, or anything with a mean and sf or cdf.

    Raises
    ------
    InputError
        Nothing that can be read as a delay.

    Examples
    --------
    >>> as_delay(0.01)
    Constant(value_s=0.01, trust=<Trust.EXACT: 'exact'>)
    >>> as_delay("soon")
    Traceback (most recent call last):
    pdplan.errors.InputError: 'soon' is not a delay: give seconds, a waiting law, or mean_s and sf
    """
    if isinstance(law, (int, float)):
        return Constant(float(law))
    if hasattr(law, "wait_sf") and hasattr(law, "mean_wait_s"):
        return WaitDelay(law)
    if isinstance(law, Delay):
        return law
    if hasattr(law, "mean_s") and (hasattr(law, "sf") or hasattr(law, "cdf")):
        return AnyDelay(law, getattr(law, "trust", Trust.APPROXIMATE))
    raise InputError(f"{law!r} is not a delay: give seconds, a waiting law, or mean_s and sf")
