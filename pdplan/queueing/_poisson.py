"""Poisson probabilities and tails that keep their digits up to means of 1e9.

The textbook ``exp(-m + k log m - lgamma(k+1))`` cancels: at k = 1e7 it has eight digits left. Here the
probability is written around its saddle point, and tails beyond two standard deviations come from a
continued fraction whose length does not grow with the mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan import special

Array = NDArray[np.float64]

_HALF_LOG_2PI = 0.5 * np.log(2 * np.pi)


def _stirling_error(k: Array) -> Array:
    """log k! minus Stirling's formula; the series is good to 1e-16 from k = 16 on."""
    big = np.maximum(k, 16.0)
    q = 1 / (big * big)
    series = (1 / 12 - q * (1 / 360 - q * (1 / 1260 - q * (1 / 1680 - q / 1188)))) / big
    if (k >= 16).all():
        return series
    small = np.clip(k, 0.5, 16.0)
    direct = special.gammaln(small + 1) - (small + 0.5) * np.log(small) + small - _HALF_LOG_2PI
    return np.where(k >= 16, series, direct)


def _deviance(k: Array, mean: Array) -> Array:
    """k log(k/mean) + mean - k without cancellation near k = mean."""
    v = (k - mean) / (k + mean)
    near = np.clip(v, -0.1, 0.1)
    square = near * near
    series = np.zeros_like(square)
    for j in range(9, 0, -1):  # atanh's odd series from its third power on
        series = square * (series + 1 / (2 * j + 1))
    close = (k - mean) * near + 2 * k * near * series
    if (np.abs(v) < 0.1).all():
        return np.asarray(close)
    apart = k * np.log(k / mean) + mean - k
    return np.asarray(np.where(np.abs(v) < 0.1, close, apart))


def poisson_log_pmf(k: Any, mean: Any) -> Array:
    """Natural logarithm of mean^k e^-mean / k! for real ``k`` >= 0 and ``mean`` > 0.

    Source: C. Loader, Fast and accurate computation of binomial probabilities (2000), section 3.

    Examples
    --------
    >>> import math
    >>> math.isclose(math.exp(poisson_log_pmf(3, 2.0)), 2.0**3 * math.exp(-2) / 6, rel_tol=1e-15)
    True
    """
    k, mean = np.broadcast_arrays(np.asarray(k, dtype=float), np.asarray(mean, dtype=float))
    low = k < 0.5  # Stirling's formula has a pole at 0: the plain form has nothing to cancel there
    safe = np.where(low, 0.5, k)
    saddle = -_stirling_error(safe) - _deviance(safe, mean) - _HALF_LOG_2PI - 0.5 * np.log(safe)
    if not low.any():
        return np.asarray(saddle)
    plain = special.xlogy(k, mean) - mean - special.gammaln(k + 1)
    return np.asarray(np.where(low, plain, saddle))


def poisson_pmf(k: Any, mean: Any) -> Array:
    """P(N = k), N Poisson with the given mean (real ``k`` >= 0 allowed).

    Examples
    --------
    >>> round(float(poisson_pmf(2, 1.0)), 12)
    0.183939720586
    """
    return np.exp(poisson_log_pmf(k, mean))


def _pair(first: Any, second: Any) -> tuple[Array, Array]:
    """Both as float arrays of their common shape, of at least one dimension."""
    a, b = np.broadcast_arrays(
        np.atleast_1d(np.asarray(first, float)), np.atleast_1d(np.asarray(second, float))
    )
    return a, b


def _lentz(first_b: Array, numerator: Any, denominator: Any) -> Array:
    """b0 + K(a_n / b_n) by Lentz' algorithm, elementwise."""
    value = first_b.copy()
    c = first_b.copy()
    d = np.zeros_like(first_b)
    for n in range(1, 5000):
        a, b = numerator(n), denominator(n)
        d = 1 / (b + a * d)
        c = b + a / c
        step = c * d
        value = value * step
        if np.all(np.abs(step - 1) < 4e-16):
            break
    return value


def _far_below(k: Array, mean: Array) -> NDArray[np.bool_]:
    """Where the continued fraction of `_fraction` is short: the mean is two deviations below ``k``."""
    return np.asarray(mean <= np.maximum(k - 2 * np.sqrt(k), 0.5 * k))


def _fraction(k: Array, mean: Array) -> Array:
    """t >= 0 with 1F1(1; k+1; mean) = (k+1+t)/(k+1+t-mean). Source: DLMF 8.9.1."""
    bottom = _lentz(
        k + 2,
        lambda n: (n // 2 + 1) * mean if n % 2 == 0 else -(k + (n + 1) // 2) * mean,
        lambda n: k + 2 + n,
    )
    return mean / bottom


def log_inverse_palm(x: Any, y: Any) -> Array:
    """log 1/A(x, y) with Palm's A(x, y) = 1F1(1; x+1; y) = 1 + y/(x+1) + y^2/((x+1)(x+2)) + ...

    P(N >= x) = P(N = x) A(x, y) for N Poisson of mean y.

    Source: C. Palm, Research on telephone traffic carried by full availability groups, Tele 1 (1957);
    DLMF 8.5.1 and 8.9.1.
    """
    x, y = _pair(x, y)
    out = np.empty(x.shape)
    far = _far_below(x, y)
    if far.any():
        t = _fraction(x[far], y[far])
        out[far] = np.log1p(-y[far] / (x[far] + 1 + t))
    near = ~far
    if near.any():
        out[near] = poisson_log_pmf(x[near], y[near]) - np.log(special.gammainc(x[near], y[near]))
    return out


def inverse_palm(x: Any, y: Any) -> Array:
    """1/A(x, y), see `log_inverse_palm`: in (0, 1], and it does not overflow.

    Examples
    --------
    >>> import math
    >>> math.isclose(inverse_palm(1.0, 2.0)[0], 2 / math.expm1(2.0), rel_tol=1e-14)
    True
    """
    return np.asarray(np.exp(log_inverse_palm(x, y)))


def palm_abandon(x: Any, y: Any) -> Array:
    """1 - (x/y)(1 - 1/A(x, y)) without cancellation: the share of delayed customers who give up.

    Examples
    --------
    >>> import math
    >>> math.isclose(palm_abandon(1.0, 2.0)[0], 1 - 0.5 * (1 - 2 / math.expm1(2.0)), rel_tol=1e-14)
    True
    """
    x, y = _pair(x, y)
    out = np.empty(x.shape)
    far = _far_below(x, y)
    if far.any():
        t = _fraction(x[far], y[far])
        out[far] = (1 + t) / (x[far] + 1 + t)
    near = ~far
    if near.any():
        out[near] = 1 - x[near] / y[near] * (1 - inverse_palm(x[near], y[near]))
    return out


def poisson_tail(k: Any, mean: Any) -> Array:
    """P(N >= k), N Poisson, for ``k`` > 0; relative error about 1e-13 also where the tail is tiny.

    scipy's ``gammainc`` stops its series early for k above 1e5 beyond 4.5 deviations: not used there.

    Examples
    --------
    >>> import math
    >>> math.isclose(poisson_tail(1, 0.5)[0], 1 - math.exp(-0.5), rel_tol=1e-14)
    True
    """
    k, mean = _pair(k, mean)
    out = np.empty(k.shape)
    far = _far_below(k, mean)
    if far.any():
        t = _fraction(k[far], mean[far])
        out[far] = poisson_pmf(k[far], mean[far]) * (k[far] + 1 + t) / (k[far] + 1 + t - mean[far])
    out[~far] = special.gammainc(k[~far], mean[~far])
    return out


def poisson_excess(k: Any, mean: Any) -> Array:
    """E (N - k)^+ = k P(N = k) - (k - mean) P(N >= k), without its cancellation below the mean.

    Examples
    --------
    >>> import math
    >>> math.isclose(poisson_excess(1, 0.5)[0], 0.5 - (1 - math.exp(-0.5)), rel_tol=1e-14)
    True
    """
    k, mean = _pair(k, mean)
    out = np.empty(k.shape)
    far = _far_below(k, mean)
    if far.any():
        t = _fraction(k[far], mean[far])
        out[far] = poisson_pmf(k[far], mean[far]) * mean[far] * (1 + t) / (k[far] + 1 + t - mean[far])
    near = ~far
    if near.any():
        kn, mn = k[near], mean[near]
        out[near] = kn * poisson_pmf(kn, mn) - (kn - mn) * special.gammainc(kn, mn)
    return out


def inverse_erlang(servers: Any, offered: Any) -> Array:
    """1/B = sum_j c(c-1)...(c-j+1)/a^j = P(N <= c)/P(N = c), N Poisson of mean a, at any load.

    Overflows to infinity where B itself is below 1e-308.

    Examples
    --------
    >>> inverse_erlang(2, 1.0).round(12)
    array([5.])
    """
    c, a = _pair(servers, offered)
    below = special.gammaincc(c + 1, a)
    log_pmf = poisson_log_pmf(c, a)
    drowned = below < 1e-200  # far overload: probability and tail both vanish, their ratio does not
    with np.errstate(over="ignore", divide="ignore"):
        out = np.where(drowned, 1.0, below) / np.exp(np.where(drowned, 0.0, log_pmf))
    if drowned.any():
        cd, ad = c[drowned], a[drowned]
        out[drowned] = ad / _lentz(ad - cd, lambda n: n * (cd + 1 - n), lambda n: ad - cd + 2 * n)
    return out
