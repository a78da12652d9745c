"""Independent witnesses for single-server waits: 60-digit series, partial fractions, Lindley's recursion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mpmath
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def md1_quantile_60_digits(rho: float, p: float, start: float) -> mpmath.mpf:
    """Root of Erlang's series at 90 digits (A. K. Erlang 1909), which has digits to spare up to t = 200."""
    with mpmath.workdps(90 + int(start)):
        r, wanted = mpmath.mpf(rho), mpmath.mpf(p)

        def cdf(t: mpmath.mpf) -> mpmath.mpf:
            total = mpmath.mpf(0)
            for j in range(int(mpmath.floor(t)) + 1):
                y = r * (t - j)
                total += (-y) ** j / mpmath.factorial(j) * mpmath.exp(y)
            return (1 - r) * total

        low, high = (
            mpmath.mpf(start) * (1 - mpmath.mpf(10) ** -6),
            mpmath.mpf(start) * (1 + mpmath.mpf(10) ** -6),
        )
        assert cdf(low) < wanted < cdf(high)
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if cdf(middle) < wanted else (low, middle)
        return (low + high) / 2


@dataclass(frozen=True)
class PhaseWait:
    """P(W > t) = Re sum C_i exp(-th_i t): M/G/1 with a rational transform, by partial fractions."""

    coefficients: NDArray[np.complex128]
    roots: NDArray[np.complex128]

    def sf(self, t: Array) -> Array:
        """P(W > t)."""
        return np.real(np.exp(-np.outer(t, self.roots)) @ self.coefficients)


def hyperexponential_wait(rate: float, shares: Array, means: Array) -> PhaseWait:
    """M/H/1: sum_i p_i lam/(mu_i - th) = 1; C = (1-rho)/(lam M'(th) - 1)."""
    mu = 1 / np.asarray(means)
    polynomial = np.poly1d(mu, r=True)
    total = -polynomial * 1.0
    for i, p in enumerate(shares):
        rest = np.poly1d(np.delete(mu, i), r=True)
        # 1/(mu_i - th) = -1/(th - mu_i)
        total = total - rate * p * rest
    roots = np.roots(total.coeffs)
    slope = rate * (np.asarray(shares) * mu / (mu - roots[:, None]) ** 2).sum(axis=1)
    idle = 1 - rate * float(np.dot(shares, means))
    return PhaseWait((idle / (slope - 1)).astype(complex), roots.astype(complex))


def erlang_wait(rate: float, mean: float, stages: int) -> PhaseWait:
    """M/E_k/1: lam ((mu/(mu-th))^k - 1) = th, all k roots with positive real part."""
    mu = stages / mean
    whole = np.poly1d([-1.0, mu]) ** stages
    equation = rate * (mu**stages - whole) - np.poly1d([1.0, 0.0]) * whole
    roots = np.roots(equation.coeffs)
    roots = roots[np.abs(roots) > 1e-9]
    slope = rate * stages * mu**stages / (mu - roots) ** (stages + 1)
    return PhaseWait((1 - rate * mean) / (slope - 1), roots)


def lindley(gaps: Array, services: Array) -> Array:
    """Waits by Lindley's recursion, as a running minimum of the random walk."""
    walk = np.concatenate([[0.0], np.cumsum(services[:-1] - gaps[1:])])
    return np.asarray(walk - np.minimum.accumulate(walk))


def batch_interval(
    samples: Array, statistic: Callable[[Array], float], batches: int = 20
) -> tuple[float, float]:
    """Batch-means estimate and 99% half-width (Student, 19 degrees of freedom: 2.861)."""
    values = np.array([statistic(b) for b in np.array_split(samples, batches)])
    return float(statistic(samples)), 2.861 * float(values.std(ddof=1)) / batches**0.5
