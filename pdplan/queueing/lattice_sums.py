"""Putting laws on a lattice, adding independent delays, mixing classes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_positive
from pdplan.errors import InputError
from pdplan.queueing.lattice import LatticeLaw, masses_down, masses_mean, masses_up
from pdplan.trust import weakest

Array = NDArray[np.float64]


def lattice_law(
    cdf: Callable[[Array], Any], limited_mean_s: Callable[[Array], Any], *, step_s: float, n: int
) -> LatticeLaw:
    """Put a law on a lattice of ``n`` points, with its two enclosing laws.

    Parameters
    ----------
    cdf, limited_mean_s : callable
        P(X <= t) and E min(X, t) [s] of an array t [s].
    step_s : float
        Lattice step [s].
    n : int
        Points.

    Examples
    --------
    >>> from pdplan.queueing.service_continuous import Exponential
    >>> s = Exponential(1.0)
    >>> law = lattice_law(lambda t: 1 - s.sf(t), s.limited_mean_s, step_s=0.01, n=4096)
    >>> round(law.mean_s, 6), round(law.quantile_s(0.99), 3)
    (1.0, 4.605)
    """
    t = np.linspace(0.0, n * step_s, n + 1)
    chance = np.asarray(cdf(t))
    return LatticeLaw(
        step_s,
        masses_mean(np.asarray(limited_mean_s(t)), step_s),
        masses_down(chance),
        masses_up(chance),
        zero_mass=float(chance[0]),
    )


def point_law(value_s: float, *, step_s: float, n: int) -> LatticeLaw:
    """A delay that is always ``value_s`` [s]."""
    require_positive("value_s", value_s, "s", zero_ok=True)
    place = value_s / step_s
    near = round(place)
    low, high = (near, near) if math.isclose(place, near, abs_tol=1e-9) else (int(place), int(place) + 1)
    if high >= n:
        raise InputError(f"a delay of {value_s:.4g} s does not fit on {n} points of {step_s:.4g} s")
    share = 0.0 if high == low else place - low
    unit = np.eye(1, n, low)[0], np.eye(1, n, high)[0]
    zero = 1.0 if value_s == 0 else 0.0
    return LatticeLaw(step_s, (1 - share) * unit[0] + share * unit[1], *unit, zero_mass=zero)


def _joint(laws: Sequence[LatticeLaw]) -> int:
    """The common number of points of laws on one lattice."""
    if not laws:
        raise InputError("no lattice laws were given")
    for law in laws[1:]:
        if not math.isclose(law.step_s, laws[0].step_s, rel_tol=1e-12):
            raise InputError(f"lattice steps differ: {law.step_s:g} s against {laws[0].step_s:g} s")
    return min(law.size for law in laws)


def _sum_masses(arrays: Sequence[Array], n: int) -> Array:
    """Masses of a sum, on the first ``n`` points (exact there: sums only grow)."""
    size = 1 << (2 * n - 1).bit_length()
    total = arrays[0][:n]
    for array in arrays[1:]:
        product = np.fft.rfft(total, size) * np.fft.rfft(array[:n], size)
        total = np.fft.irfft(product, size)[:n]
    return total


def _both(laws: Sequence[LatticeLaw], combine: Callable[[list[Array]], Array]) -> tuple[Array | None, ...]:
    """Combine the lower laws and the upper laws, where every law has them."""
    if any(law.lower_pmf is None or law.upper_pmf is None for law in laws):
        return None, None
    lower = combine([law.lower_pmf for law in laws if law.lower_pmf is not None])
    upper = combine([law.upper_pmf for law in laws if law.upper_pmf is not None])
    return lower, upper


def convolve(laws: Sequence[LatticeLaw]) -> LatticeLaw:
    """Law of the sum of independent delays on one lattice.

    Raises
    ------
    InputError
        Steps that differ.

    Examples
    --------
    >>> a = point_law(1.0, step_s=0.5, n=8)
    >>> convolve([a, a]).mean_s
    2.0
    """
    n = _joint(laws)
    lower, upper = _both(laws, lambda arrays: _sum_masses(arrays, n))
    zero = math.prod(law.zero_mass for law in laws)
    pmf = _sum_masses([law.pmf for law in laws], n)
    return LatticeLaw(laws[0].step_s, pmf, lower, upper, zero, weakest(*(law.trust for law in laws)))


def mixture(weights: Sequence[float], laws: Sequence[LatticeLaw]) -> LatticeLaw:
    """Law of a delay drawn from one of several on one lattice, with these probabilities.

    Examples
    --------
    >>> a, b = point_law(1.0, step_s=0.5, n=8), point_law(3.0, step_s=0.5, n=8)
    >>> mixture([0.5, 0.5], [a, b]).mean_s
    2.0
    """
    n = _joint(laws)
    require_positive("mixture weights", np.asarray(weights, dtype=float), zero_ok=True)
    if len(weights) != len(laws) or abs(sum(weights) - 1) > 1e-9:
        raise InputError(
            f"mixture weights sum to {sum(weights):.6g} for {len(laws)} laws: they must sum to 1"
        )

    def average(arrays: Sequence[Array]) -> Array:
        return np.asarray(sum(w * a[:n] for w, a in zip(weights, arrays, strict=True)))

    lower, upper = _both(laws, average)
    zero = sum(w * law.zero_mass for w, law in zip(weights, laws, strict=True))
    pmf = average([law.pmf for law in laws])
    return LatticeLaw(laws[0].step_s, pmf, lower, upper, zero, weakest(*(law.trust for law in laws)))
