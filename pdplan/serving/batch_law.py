"""Stationary law of the number of requests in decode, from nothing but the step times.

A running request advances one step per t(n), whoever else is there: state-dependent processor sharing. Its
law is p(n) ~ prod_k lam G t(k)/k, whatever the law of the output lengths (Cohen 1979, Kelly 1979).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdplan.errors import InfeasibleError

Array = NDArray[np.float64]

_TAIL = 1e-15
_LARGEST = 1 << 21


def uncapped_pmf(offered: float, step_s: Callable[[Any], Array], *, start: int = 128) -> Array:
    r"""Law of the batch when nothing limits it, :math:`p_n = p_0 \prod_{k \le n} \lambda G\, t(k)/k`.

    For t(k) = a + beta k it is negative binomial with r = 1 + a/beta and success phi = lam G beta.

    Parameters
    ----------
    offered : float
        lam G: steps asked per second [1/s].
    step_s : callable
        t(n) of an array of batches [s].
    start : int
        First length tried; doubled until the tail left out is below 1e-15.

    Returns
    -------
    array
        p_0, p_1, ... [-].

    Raises
    ------
    InfeasibleError
        The batch would exceed two million requests.

    Examples
    --------
    >>> p = uncapped_pmf(10.0, lambda n: 0.02 + 0.05 * n)       # phi = 0.5, r = 1.4
    >>> round(float(p @ np.arange(p.size)), 9)                  # r phi / (1 - phi)
    1.4
    """
    size = start
    while size <= _LARGEST:
        k = np.arange(1.0, size + 1)
        ratio = offered * step_s(k) / k
        weight = _weights(ratio)
        last = float(ratio[-1])
        if last < 1 and weight[-1] * last / (1 - last) < _TAIL * weight.sum():
            return np.asarray(weight / weight.sum())
        size *= 2
    raise InfeasibleError("the decode batch would exceed two million requests: the load is at its limit")


def capped_pmf(offered: float, step_s: Array) -> Array:
    r"""Law of the number *running* when at most B run and the rest wait.

    Up to B as `uncapped_pmf`; beyond, the ratio stays :math:`x = \lambda G\,t(B)/B`, and all that mass sits
    on the last entry, which is therefore P(a new request waits).

    Parameters
    ----------
    offered : float
        lam G [1/s]; x must be below 1.
    step_s : array, shape (B,)
        t(1), ..., t(B) [s].

    Returns
    -------
    array, shape (B + 1,)
        P(running = n); the last is P(N >= B) [-].

    Examples
    --------
    >>> capped_pmf(0.5, np.ones(1)).tolist()        # M/M/1 at utilisation 0.5
    [0.5, 0.5]
    """
    ratio = offered * step_s / np.arange(1.0, step_s.size + 1)
    weight = _weights(ratio)
    weight[-1] /= 1 - ratio[-1]
    return np.asarray(weight / weight.sum())


def _weights(ratio: Array) -> Array:
    """Cumulative products of the ratios from 1, scaled by the largest so that none overflows."""
    log_weight = np.empty(ratio.size + 1)
    log_weight[0] = 0.0
    np.cumsum(np.log(ratio), out=log_weight[1:])
    return np.asarray(np.exp(log_weight - log_weight.max()))
