r"""Product-form part of a closed network: stations with load-dependent rates, their flow at each population.

.. math:: g(n) = \prod_{i=1}^{n} \frac{v}{\mu(i)}, \qquad X(m) = \frac{G(m-1)}{G(m)}

v visits, :math:`\mu(i)` rate with i present, G the convolution of the g of all stations; everything in
logarithms, since :math:`g` spans hundreds of decades. A processor-sharing station is insensitive to the law
of its work (BCMP), so decode needs no more than the mean number of steps.

Source: J. P. Buzen, Comm. ACM 16 (1973) 527-531 (convolution); K. M. Chandy, U. Herzog and L. Woo, IBM J.
Res. Dev. 19 (1975) 36-42 (Norton); F. Baskett et al., J. ACM 22 (1975) 248-260 (insensitivity).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Range of the logarithms of two factors whose products stay within floating point [-].
_DECADES = 600.0


def log_terms(rates: Array, visits: float = 1.0) -> Array:
    """Return log g(n), n = 0 .. len(rates), of a station with ``rates[i - 1]`` when i are present [1/s].

    Examples
    --------
    >>> log_terms(np.array([2.0, 2.0])).round(4).tolist()
    [0.0, -0.6931, -1.3863]
    """
    return np.concatenate([[0.0], np.cumsum(np.log(visits) - np.log(rates))])


def convolved(a: Array, b: Array) -> Array:
    """Return the terms of two stations together, from their log terms, up to the same population.

    Examples
    --------
    >>> one = log_terms(np.ones(3))           # two single servers: g(n) = n + 1
    >>> np.exp(convolved(one, one)).round(6).tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    tilt = 0.5 * (_slope(a) + _slope(b)) * np.arange(a.size)
    x, y = a - tilt, b - tilt
    if (x.max() - x.min()) + (y.max() - y.min()) < _DECADES:  # fits into floating point as it is
        sums = np.convolve(np.exp(x - x.max()), np.exp(y - y.max()))[: a.size]
        return np.asarray(np.log(sums) + x.max() + y.max() + tilt)
    n = np.arange(a.size)
    behind = n[:, None] - n[None, :]
    both = np.where(behind >= 0, a[None, :] + b[np.maximum(behind, 0)], -np.inf)
    top = both.max(axis=1)
    top = np.where(np.isinf(top), 0.0, top)  # a delay of no length holds nobody
    with np.errstate(divide="ignore"):
        return np.asarray(top + np.log(np.exp(both - top[:, None]).sum(axis=1)))


def _slope(terms: Array) -> float:
    """Mean growth of log terms [-]; 0 where there is none."""
    return float(terms[-1] - terms[0]) / terms.size if np.isfinite(terms[-1]) else 0.0


def repeated(a: Array, times: int) -> Array:
    """Return the terms of ``times`` equal stations (0: none).

    Examples
    --------
    >>> np.exp(repeated(log_terms(np.ones(3)), 3)).round(6).tolist()      # (n + 1)(n + 2)/2
    [1.0, 3.0, 6.0, 10.0]
    """
    result = np.full(a.size, -np.inf)
    result[0] = 0.0
    power, left = a, times
    while left:
        if left & 1:
            result = power if np.isinf(result[1:]).all() else convolved(result, power)
        left >>= 1
        if left:
            power = convolved(power, power)
    return result


def flows(terms: Array) -> Array:
    """Throughput at populations 0 .. N [1/s]: 0, G(0)/G(1), G(1)/G(2), ...

    Examples
    --------
    >>> two = repeated(log_terms(np.ones(3)), 2)
    >>> flows(two).round(4).tolist()                     # n/(n + 1)
    [0.0, 0.5, 0.6667, 0.75]
    """
    return np.concatenate([[0.0], np.exp(terms[:-1] - terms[1:])])


def log_delay(seconds: float, users: int) -> Array:
    """Return the log terms of a pure delay, T^n/n!.

    Examples
    --------
    >>> np.exp(log_delay(2.0, 3)).round(4).tolist()
    [1.0, 2.0, 2.0, 1.3333]
    """
    if seconds <= 0:
        return np.concatenate([[0.0], np.full(users, -np.inf)])
    return log_terms(np.arange(1, users + 1) / seconds)


def marginal(station: Array, others: Array, users: int) -> Array:
    """P(n at one station) with ``users`` in the network of that station and all others [-].

    Examples
    --------
    >>> one = log_terms(np.ones(3))
    >>> marginal(one, one, 3).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    logs = station[: users + 1] + others[: users + 1][::-1]
    chance = np.exp(logs - logs.max())
    return np.asarray(chance / chance.sum())
