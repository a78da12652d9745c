"""Two-sided bounds on TTFT percentiles in a fraction of a millisecond, for searches over many fleets.

The wait of an instance that takes one prompt at a time lies between two exponentials (see
`pdplan.serving.prefill_bounds`): no law has to be solved. All parts are rounded down, and up, on one coarse
lattice and convolved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pdplan.checks import require_fraction, require_positive, require_stable
from pdplan.queueing.service import Atoms
from pdplan.serving.delays import Array, Constant, Discrete, as_delay
from pdplan.serving.lattice_sum import LatticeSum, Masses, rounded, rounded_down, rounded_up
from pdplan.serving.prefill_bounds import decay_and_overshoot


@dataclass(frozen=True, slots=True)
class Envelope:
    """A wait between two exponential tails: min(busy, k e^{-decay t}), k from ``floor`` to 1.

    Attributes
    ----------
    decay_per_s : float
        Decay rate of the tail [1/s].
    floor : float
        1 / sup g: the lower tail is floor e^{-decay t} [-].
    busy : float
        Upper bound of P(W > 0) [-].
    """

    decay_per_s: float
    floor: float
    busy: float

    @classmethod
    def of(cls, arrival_rate: float, service: Atoms, *, gaps: int = 1) -> Envelope:
        """One instance at ``arrival_rate`` [1/s]; gaps between arrivals are Erlang-``gaps`` (1: Poisson).

        Raises
        ------
        UnstableError
            lam E S >= 1.

        Examples
        --------
        >>> e = Envelope.of(0.8, Atoms([1.0], [1.0]))           # M/D/1
        >>> round(e.decay_per_s, 6), round(e.floor, 3)
        (0.430842, 0.65)
        """
        require_positive("arrival_rate", arrival_rate, "1/s")
        load = arrival_rate * service.mean_s
        require_stable(load)
        decay, log_sup = decay_and_overshoot(arrival_rate, service, gaps)
        # Poisson arrivals wait with probability rho; smoother ones less often, for which 1 is the safe bound.
        return cls(decay, float(np.exp(-log_sup)), load if gaps == 1 else 1.0)

    def tails(self, t: Array) -> tuple[Array, Array]:
        """Lower and upper bound of P(W > t)."""
        tail = np.exp(-self.decay_per_s * t)
        return np.minimum(self.busy, self.floor * tail), np.minimum(self.busy, tail)

    def high_s(self, tail: float) -> float:
        """Return a time exceeded with probability at most ``tail`` [s]."""
        return float(-np.log(tail)) / self.decay_per_s


def _both(part: Any, step_s: float, points: int) -> tuple[Masses, Masses]:
    if isinstance(part, Envelope):
        low, high = part.tails(np.asarray(np.arange(points) * step_s, dtype=np.float64))
        return rounded_down(low), rounded_up(high)
    return rounded(part, step_s, points)


def ttft_quantile_bounds_s(
    waits: Mapping[str, Any],
    fixed_s: Mapping[str, Any],
    weight: Array,
    p: float,
    *,
    points: int = 256,
    tail: float = 1e-5,
) -> tuple[float, float]:
    """Lower and upper bound of the p-quantile of a time to first token [s].

    Parameters
    ----------
    waits : mapping of str to Envelope or law
        Independent waits; `Envelope` for queues (cheap), else anything that `composition.ttft_law` takes.
    fixed_s : mapping of str to array or float
        Times fixed by the lengths, at each atom [s].
    weight : array
        Probability of each atom [-].
    p : float
        Probability, below 1 - tail [-].
    points : int
        Lattice points: they widen the bracket by about (number of waits + 1) range/points.
    tail : float
        Probability cut off each wait.

    Returns
    -------
    (float, float)
        Rigorous for the given envelopes and laws, and independent waits; the upper end is ``inf`` if the
        lattice ends before it.

    Examples
    --------
    >>> queue = Envelope.of(0.8, Atoms([1.0], [1.0]))
    >>> low, high = ttft_quantile_bounds_s({"queue": queue}, {"prefill": 1.0}, np.ones(1), 0.99)
    >>> low <= 9.98 + 1.0 <= high                               # M/D/1 at load 0.8
    True
    """
    require_fraction("p", p, open_high=True)
    offset = np.asarray(sum(np.broadcast_to(v, weight.shape) for v in fixed_s.values()), dtype=float)
    offset = np.broadcast_to(offset, weight.shape)
    parts: list[Any] = [w if isinstance(w, Envelope) else as_delay(w) for w in waits.values()]
    shift = sum(w.value_s for w in parts if isinstance(w, Constant))
    parts = [w for w in parts if not isinstance(w, Constant)]
    lengths = Discrete(offset, weight / weight.sum())
    if not parts:
        exact = float(lengths.values_s[np.searchsorted(np.cumsum(lengths.weight), p * (1 - 1e-12))]) + shift
        return exact, exact
    parts.append(lengths)
    step = sum(part.high_s(tail) for part in parts) / (points - 1 - 2 * len(parts))
    pairs = [_both(part, step, points) for part in parts]
    down = LatticeSum.convolved([low for low, _ in pairs], step, at_points=True)
    up = LatticeSum.convolved([high for _, high in pairs], step, at_points=True)
    return down.first_point_s(p) + shift, up.first_point_s(p) + shift
