"""Laws given by a formula: lognormal and geometric lengths."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from pdplan.checks import require_fraction, require_positive
from pdplan.errors import InputError
from pdplan.normal import ndtr, ndtri
from pdplan.workload.law import MAX_TOKENS, Array, require_tokens

#: Widest lognormal taken: SCV e^4 - 1 = 54, where single requests of millions of tokens make up the mean.
MAX_SIGMA: Final = 2.0


@dataclass(frozen=True)
class LognormalLaw:
    """ln X is normal: q(u) = exp(mu + sigma z_u).

    Parameters
    ----------
    mu : float
        Mean of ln X [-], the logarithm of the median.
    sigma : float
        Standard deviation of ln X [-], 0 to 2.

    Raises
    ------
    InputError
        A median or mean outside 1 to 1e8 tokens, or sigma above 2.

    Notes
    -----
    Partial moments: integral of q^k up to u is exp(k mu + k^2 sigma^2/2) Phi(z_u - k sigma)
    (Aitchison and Brown 1957, The Lognormal Distribution, section 2.4).

    Examples
    --------
    >>> law = LognormalLaw(math.log(1000.0), 0.8)
    >>> round(law.mean, 1), round(law.scv, 4), round(law.quantile(0.99), 1)
    (1377.1, 0.8965, 6430.7)
    """

    mu: float
    sigma: float

    def __post_init__(self) -> None:
        """Check the two numbers."""
        if not (math.isfinite(self.mu) and math.isfinite(self.sigma) and 0.0 <= self.sigma <= MAX_SIGMA):
            raise InputError(
                f"a lognormal length with mu {self.mu:g} and sigma {self.sigma:g} is not taken: sigma lies "
                f"between 0 and {MAX_SIGMA:g}; give a quantile table for lengths that spread more"
            )
        require_tokens("the median length", math.exp(min(self.mu, 50.0)))
        require_tokens("the mean length", self.mean)

    @property
    def mean(self) -> float:
        """E X = exp(mu + sigma^2/2) [tok]."""
        return math.exp(self.mu + self.sigma**2 / 2)

    @property
    def scv(self) -> float:
        """exp(sigma^2) - 1 [-]."""
        return math.expm1(self.sigma**2)

    def quantile(self, p: Any) -> Any:
        """The p-quantile [tok], 0 <= p < 1, at least 1."""
        require_fraction("p", p, open_high=True)
        q = np.maximum(np.exp(self.mu + self.sigma * ndtri(np.asarray(p, dtype=float))), 1.0)
        return float(q) if np.ndim(p) == 0 else q

    def partial_moments(self, u: Array) -> Array:
        """Integral of q^k from 0 to u, k = 1, 2, 3 [tok^k]."""
        z = ndtri(u)
        return np.stack(
            [math.exp(k * self.mu + (k * self.sigma) ** 2 / 2) * ndtr(z - k * self.sigma) for k in (1, 2, 3)]
        )


@dataclass(frozen=True)
class GeometricLaw:
    """P(X = n) = p (1-p)^(n-1), n = 1, 2, ..., p = 1/mean: an output that may stop at every token.

    Parameters
    ----------
    mean : float
        E X [tok], above 1.

    Examples
    --------
    >>> law = GeometricLaw(200.0)
    >>> law.scv, law.quantile(0.5), law.quantile(0.99)
    (0.995, 139.0, 919.0)
    """

    mean: float

    def __post_init__(self) -> None:
        """Check the mean."""
        require_tokens("the mean of a geometric length", self.mean)
        if self.mean <= 1.0:
            raise InputError("the mean of a geometric length is 1 tok: write the fixed length 1 instead")

    @property
    def scv(self) -> float:
        """1 - 1/mean [-]."""
        return 1.0 - 1.0 / self.mean

    def quantile(self, p: Any) -> Any:
        """The p-quantile [tok], 0 <= p < 1."""
        require_fraction("p", p, open_high=True)
        # the small shift keeps a rank that is exactly a value of the cdf at that value
        steps = np.log1p(-np.asarray(p, dtype=float)) / math.log1p(-1.0 / self.mean)
        q = np.maximum(np.ceil(steps - 1e-12 * np.maximum(steps, 1.0)), 1.0)
        return float(q) if np.ndim(p) == 0 else q

    def partial_moments(self, u: Array) -> Array:
        """Integral of q^k from 0 to u, k = 1, 2, 3 [tok^k].

        With F(n) <= u < F(n+1) it is E[X^k; X <= n] + (u - F(n)) (n+1)^k, and since the law has no memory
        E[X^k; X <= n] = E X^k - r^n E (X+n)^k, r = 1 - p.
        """
        p = 1.0 / self.mean
        m1, m2, m3 = 1.0 / p, (2.0 - p) / p**2, (p**2 - 6.0 * p + 6.0) / p**3
        with np.errstate(divide="ignore"):
            steps = np.floor(np.log1p(-u) / math.log1p(-p))
        last = u >= 1.0
        n = np.where(last, 0.0, steps)
        tail = np.where(last, 0.0, np.exp(n * math.log1p(-p)))
        left = np.where(last, 0.0, u - (1.0 - tail))
        return np.stack(
            [
                m1 - tail * (m1 + n) + left * (n + 1.0),
                m2 - tail * (m2 + 2.0 * n * m1 + n**2) + left * (n + 1.0) ** 2,
                m3 - tail * (m3 + 3.0 * n * m2 + 3.0 * n**2 * m1 + n**3) + left * (n + 1.0) ** 3,
            ]
        )


def lognormal_from_mean_scv(mean: float, scv: float) -> LognormalLaw:
    """Return the lognormal law of a mean [tok] and an SCV [-]: sigma^2 = ln(1 + scv).

    Examples
    --------
    >>> law = lognormal_from_mean_scv(1155.0, 0.92)
    >>> round(law.mean, 6), round(law.scv, 6)
    (1155.0, 0.92)
    """
    require_tokens("mean", mean)
    require_positive("scv", scv, zero_ok=True)
    variance = math.log1p(scv)
    return LognormalLaw(math.log(mean) - variance / 2, math.sqrt(variance))


def lognormal_from_two_quantiles(low_p: float, low: float, high_p: float, high: float) -> LognormalLaw:
    """Return the lognormal law through two quantiles: sigma = ln(high/low) / (z_high - z_low).

    Examples
    --------
    >>> law = lognormal_from_two_quantiles(0.5, 1020.0, 0.99, 4142.0)
    >>> round(law.quantile(0.5), 6), round(law.quantile(0.99), 6)
    (1020.0, 4142.0)
    """
    z_low, z_high = float(ndtri(low_p)), float(ndtri(high_p))
    sigma = math.log(high / low) / (z_high - z_low)
    return LognormalLaw(math.log(low) - sigma * z_low, sigma)


def lognormal_from_mean_quantile(mean: float, p: float, value: float) -> LognormalLaw:
    """Return the lognormal law of a mean and one quantile.

    sigma solves sigma^2/2 - z sigma + ln(q/mean) = 0; of two positive roots the smaller is taken.

    Raises
    ------
    InputError
        No lognormal has them: the quantile is above mean exp(z^2/2), or on the wrong side of the mean.

    Examples
    --------
    >>> law = lognormal_from_mean_quantile(1377.1277643, 0.99, 6430.66)
    >>> round(law.sigma, 4)
    0.8
    """
    require_tokens("mean", mean)
    # z_0.5 = 0 counts as below the mean, where the root with the plus sign is the positive one
    z, excess = float(ndtri(p)) or -0.0, math.log(value / mean)
    root = z * z - 2.0 * excess
    sigma = z - math.copysign(math.sqrt(root), z) if root >= 0 else -1.0
    if sigma < 0:
        high = min(mean * math.exp(z * z / 2), MAX_TOKENS) if z > 0 else mean
        low = mean if z > 0 else 1.0
        raise InputError(
            f"p{100 * p:g} is {value:g} tok with a mean of {mean:g} tok: for a lognormal length with "
            f"that mean it lies between {low:g} and {high:g} tok; give more percentiles or a quantile table"
        )
    return LognormalLaw(math.log(mean) - sigma**2 / 2, sigma)
