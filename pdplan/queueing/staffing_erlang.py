"""Turning Erlang's formulas round, at a cost that hardly grows with the fleet."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_fraction, require_positive
from pdplan.errors import InfeasibleError
from pdplan.queueing._poisson import inverse_erlang
from pdplan.queueing.staffing import Staffing

Array = NDArray[np.float64]


def erlang_b_servers(offered_erlangs: float, blocking: float) -> Staffing:
    """Smallest number of servers whose Erlang B is at most ``blocking``.

    Parameters
    ----------
    offered_erlangs : float
        Offered load [erlang].
    blocking : float
        Largest admissible share of lost arrivals [-].

    Raises
    ------
    InputError
        Load not positive, ``blocking`` outside (0, 1].

    Examples
    --------
    >>> erlang_b_servers(84.0, 0.01).servers
    100
    """
    require_positive("offered_erlangs", offered_erlangs, "erlang")
    require_fraction("blocking", blocking, open_low=True)
    carried = math.floor(offered_erlangs * (1 - blocking))  # no more than the servers can carry
    return _search(
        lambda c: 1 / inverse_erlang(c, offered_erlangs), carried, blocking, unstable_below=carried
    )


def erlang_c_servers(offered_erlangs: float, wait_probability: float) -> Staffing:
    """Smallest number of servers whose Erlang C is at most ``wait_probability``.

    Parameters
    ----------
    offered_erlangs : float
        Offered load [erlang].
    wait_probability : float
        Largest admissible P(W > 0) [-].

    Raises
    ------
    InputError
        Load not positive, probability outside (0, 1].

    Examples
    --------
    >>> erlang_c_servers(100_000.0, 0.2).servers
    100337
    """
    require_fraction("wait_probability", wait_probability, open_low=True)
    return _search_c(offered_erlangs, lambda wait, idle: wait, wait_probability)


def mmc_servers_for_mean_wait(arrival_rate: float, service_s: float, target_s: float) -> Staffing:
    """Smallest M/M/c pool whose mean wait is at most ``target_s``.

    Parameters
    ----------
    arrival_rate : float
        Arrivals [1/s].
    service_s : float
        Mean service [s].
    target_s : float
        Largest admissible E W [s], > 0.

    Raises
    ------
    InputError
        A parameter is not positive.

    Examples
    --------
    >>> mmc_servers_for_mean_wait(6.0, 1 / 3, 0.1).servers
    4
    """
    require_positive("service_s", service_s, "s")
    require_positive("target_s", target_s, "s")
    return _search_c(arrival_rate * service_s, lambda wait, idle: wait * service_s / idle, target_s)


def mmc_servers_for_wait_tail(arrival_rate: float, service_s: float, target_s: float, p: float) -> Staffing:
    """Smallest M/M/c pool with P(W > ``target_s``) <= 1 - p: its p-quantile of the wait is within target.

    ``target`` and ``achieved`` of the answer are the probabilities.

    Parameters
    ----------
    arrival_rate : float
        Arrivals [1/s].
    service_s : float
        Mean service [s].
    target_s : float
        Time the p-quantile may not pass [s].
    p : float
        Probability [-].

    Raises
    ------
    InputError
        A parameter out of range.

    Examples
    --------
    >>> mmc_servers_for_wait_tail(6.0, 1 / 3, 0.5, 0.99).servers
    4
    """
    require_positive("service_s", service_s, "s")
    require_positive("target_s", target_s, "s", zero_ok=True)
    require_fraction("p", p, open_high=True)
    late = target_s / service_s
    return _search_c(arrival_rate * service_s, lambda wait, idle: wait * np.exp(-idle * late), 1 - p)


def _search_c(load: float, value: Callable[[Array, Array], Array], target: float) -> Staffing:
    """Search stable pools by a value made of Erlang C and the idle servers."""
    require_positive("offered_erlangs", load, "erlang")

    def of(servers: Array) -> Array:
        idle = servers - load
        return value(1 / (idle / servers * inverse_erlang(servers, load) + load / servers), idle)

    fewest = math.floor(load) + 1
    return _search(of, fewest, target, unstable_below=fewest)


def _search(of: Callable[[Array], Array], fewest: int, target: float, *, unstable_below: int) -> Staffing:
    """First whole number from ``fewest`` on where a falling function meets the target.

    Whole grids are evaluated at once: doubling steps about the square root of the pool, then 32 places across
    the step that holds the answer, so that the work hardly grows with the pool.
    """
    spread = 2.0 * max(math.isqrt(fewest), 4)
    grid = fewest + np.floor(spread * np.r_[0.0, 2.0 ** np.arange(-3, 4)])
    values = of(grid)
    while not values[-1] <= target:
        spread *= 64
        if spread > 2**48:
            raise InfeasibleError(f"no number of servers up to {grid[-1]:.3g} meets {target:.6g}")
        grid = np.r_[grid[-1], fewest + np.floor(spread * 2.0 ** np.arange(-3, 4))]
        values = of(grid)
    first = int(np.argmax(values <= target))
    while first > 0 and grid[first] - grid[first - 1] > 1:
        grid = np.unique(np.floor(np.linspace(grid[first - 1], grid[first], 32)))
        values = of(grid)
        first = int(np.argmax(values <= target))
    servers = int(grid[first])
    if first > 0:
        before = float(values[first - 1])
    else:
        before = math.inf if servers <= unstable_below else float(of(np.array([servers - 1.0]))[0])
    return Staffing(servers, float(values[first]), before, target)
