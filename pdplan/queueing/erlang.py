"""Erlang's loss and delay formulas, from one server to ten million, at the same cost."""

from __future__ import annotations

from typing import Any

import numpy as np

from pdplan.checks import require_positive, require_stable
from pdplan.queueing._poisson import inverse_erlang
from pdplan.queueing.base import shaped_like


def erlang_b(servers: Any, offered_erlangs: Any) -> Any:
    """Probability that all servers of a loss system M/G/c/c are busy.

    .. math:: B(c, a) = \\frac{a^c/c!}{\\sum_{j=0}^{c} a^j/j!}

    Parameters
    ----------
    servers : int or array
        Number of servers c, 0 or more [-]. Real values give the usual continuation.
    offered_erlangs : float or array
        Offered load a = arrival rate times mean service [erlang], any size.

    Returns
    -------
    float or array
        Share of arrivals turned away [-]; 0 where it lies below 1e-308.

    Notes
    -----
    Evaluated as P(N = c)/P(N <= c) of a Poisson variable about its saddle point: relative error below 1e-13
    for c up to 1e7, no loop over servers. Insensitive to the service law beyond its mean.
    Source: A. K. Erlang, Elektroteknikeren 13 (1917); Gross et al., Fundamentals of Queueing Theory (4th ed.,
    2008), section 2.6.

    Raises
    ------
    InputError
        Negative servers, load not positive.

    Examples
    --------
    >>> round(erlang_b(2, 1.0), 12)
    0.2
    >>> round(erlang_b(100, 84.1), 4)
    0.0101
    """
    require_positive("servers", servers, zero_ok=True)
    require_positive("offered_erlangs", offered_erlangs, "erlang")
    return _shaped(1 / inverse_erlang(servers, offered_erlangs), servers, offered_erlangs)


def erlang_c(servers: Any, offered_erlangs: Any) -> Any:
    """Probability that an arrival to M/M/c has to wait.

    .. math:: C(c, a) = \\frac{c B}{c - a (1 - B)}, \\quad B = B(c, a)

    Parameters
    ----------
    servers : int or array
        Number of servers c [-].
    offered_erlangs : float or array
        Offered load a < c [erlang].

    Notes
    -----
    Relative error below 1e-12 for c up to 1e7, given c and a.
    Source: A. K. Erlang, Elektroteknikeren 13 (1917); R. B. Cooper, Introduction to Queueing Theory (2nd ed.,
    1981), ch. 3, for the link to B.

    Raises
    ------
    InputError
        Servers or load not positive.
    UnstableError
        a >= c.

    Examples
    --------
    >>> round(erlang_c(1, 0.7), 12)
    0.7
    >>> round(erlang_c(12, 10.0), 12)
    0.449388224298
    """
    require_positive("servers", servers)
    require_positive("offered_erlangs", offered_erlangs, "erlang")
    require_stable(np.asarray(offered_erlangs, float) / np.asarray(servers, float), what="the pool")
    c, a = np.asarray(servers, float), np.asarray(offered_erlangs, float)
    return _shaped(1 / ((c - a) / c * inverse_erlang(c, a) + a / c), c, a)


def erlang_c_from_blocking(blocking: Any, servers: Any, offered_erlangs: Any) -> Any:
    """Erlang C from Erlang B as a plain expression: c B / (c - a (1 - B)).

    Parameters
    ----------
    blocking : float or array or symbol
        Erlang B [-].
    servers, offered_erlangs : float or array or symbol
        c [-] and a [erlang].

    Notes
    -----
    Source: R. B. Cooper, Introduction to Queueing Theory (2nd ed., 1981), ch. 3.

    Examples
    --------
    >>> round(erlang_c_from_blocking(0.2, 2, 1.0), 12)
    0.333333333333
    """
    return servers * blocking / (servers - offered_erlangs * (1 - blocking))


def delay_mean_wait(wait_probability: Any, arrival_rate: Any, service_s: Any, servers: Any) -> Any:
    """Mean wait of M/M/c from its Erlang C: C S / (c - lam S) [s].

    Parameters
    ----------
    wait_probability : float or array or symbol
        Erlang C [-].
    arrival_rate : float or array or symbol
        Arrivals [1/s].
    service_s : float or array or symbol
        Mean service [s].
    servers : int or array or symbol
        Number of servers [-].

    Notes
    -----
    Source: Gross et al., Fundamentals of Queueing Theory (4th ed., 2008), section 2.3.

    Examples
    --------
    >>> delay_mean_wait(0.9, 0.9, 1.0, 1)
    9.000000000000002
    """
    return wait_probability * service_s / (servers - arrival_rate * service_s)


def _shaped(answer: Any, *questions: Any) -> Any:
    """Float for scalar questions, array of their common shape otherwise."""
    return shaped_like(np.empty(np.broadcast_shapes(*(np.shape(q) for q in questions))), answer)
