"""Turning laws round: how many servers, or how much traffic, for a target."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pdplan.checks import require_fraction, require_positive
from pdplan.errors import InfeasibleError, InputError
from pdplan.queueing._poisson import inverse_erlang
from pdplan.queueing._roots import smallest_int
from pdplan.queueing.law import WaitingLaw

Array = NDArray[np.float64]
Measure = Callable[[WaitingLaw], float]

_SLACK = 1e-6  # relative rise that counts as numerical noise in a monotone measure


@dataclass(frozen=True)
class Staffing:
    """The smallest pool that meets a target.

    Attributes
    ----------
    servers : int
        The answer [-].
    achieved : float
        What it gives, at most ``target``.
    one_fewer : float
        What one server fewer gives, above ``target``; infinite where it is unstable.
    target : float
        What was asked for.
    """

    servers: int
    achieved: float
    one_fewer: float
    target: float


@dataclass(frozen=True)
class RateLimit:
    """The largest arrival rate that meets a target.

    Attributes
    ----------
    arrival_rate : float
        The answer [1/s].
    achieved : float
        What it gives, at most ``target``.
    first_failing_rate : float
        A rate just above, which misses the target; the capacity if none below it does [1/s].
    target : float
        What was asked for.
    """

    arrival_rate: float
    achieved: float
    first_failing_rate: float
    target: float


def smallest_servers(
    law_with: Callable[[int], WaitingLaw], measure: Measure, target: float, *, offered_erlangs: float
) -> Staffing:
    """Smallest number of servers whose law meets a target, for a measure that falls with their number.

    Parameters
    ----------
    law_with : callable
        Number of servers to law.
    measure : callable
        Law to the number held against ``target``, e.g. ``lambda law: law.wait_quantile_s(0.99)``.
    target : float
        Largest admissible value.
    offered_erlangs : float
        lam E S: at least as many servers, and one more if it is whole, are tried [erlang].

    Returns
    -------
    Staffing

    Raises
    ------
    InputError
        The measure does not fall with the number of servers.
    InfeasibleError
        No number of servers meets the target.

    Notes
    -----
    About 2 log2(extra servers) laws are evaluated; the answer and its predecessor both are.

    Examples
    --------
    >>> from pdplan.queueing.mdc import MDc
    >>> pool = smallest_servers(
    ...     lambda c: MDc(80.0, 0.2, c), lambda law: law.wait_quantile_s(0.99), 0.1, offered_erlangs=16.0)
    >>> pool.servers, pool.achieved <= 0.1 < pool.one_fewer
    (20, True)
    """
    require_positive("offered_erlangs", offered_erlangs, "erlang")
    require_positive("target", target, zero_ok=True)
    seen: dict[int, float] = {}

    def value(servers: int) -> float:
        if servers not in seen:
            seen[servers] = float(measure(law_with(servers)))
        return seen[servers]

    fewest = math.floor(offered_erlangs) + 1
    servers = smallest_int(lambda c: value(c) <= target, fewest, limit=fewest + (1 << 24))
    _require_falling(seen)
    before = value(servers - 1) if servers > fewest else math.inf
    return Staffing(servers, value(servers), before, target)


def largest_rate(
    law_at: Callable[[float], WaitingLaw],
    measure: Measure,
    target: float,
    *,
    capacity: float,
    rtol: float = 1e-6,
) -> RateLimit:
    """Largest arrival rate whose law meets a target, for a measure that rises with the rate.

    Parameters
    ----------
    law_at : callable
        Arrival rate [1/s] to law.
    measure : callable
        Law to the number held against ``target``.
    target : float
        Largest admissible value.
    capacity : float
        Rate at which the station saturates, c/E S [1/s].
    rtol : float
        Relative width of the final bracket [-].

    Returns
    -------
    RateLimit

    Raises
    ------
    InputError
        The measure does not rise with the rate.
    InfeasibleError
        Even an almost idle station misses the target.

    Examples
    --------
    >>> from pdplan.queueing.mmc import MMc
    >>> limit = largest_rate(lambda rate: MMc(rate, 1.0, 1), lambda law: law.mean_wait_s, 4.0, capacity=1.0)
    >>> round(limit.arrival_rate, 5)
    0.8
    """
    require_positive("capacity", capacity, "1/s")
    require_positive("target", target, zero_ok=True)
    require_fraction("rtol", rtol, open_low=True, open_high=True)
    seen: dict[float, float] = {}

    def meets(rate: float) -> bool:
        seen[rate] = float(measure(law_at(rate)))
        return seen[rate] <= target

    low, high = 1e-6 * capacity, (1 - 1e-9) * capacity
    if not meets(low):
        raise InfeasibleError(
            f"target {target:.6g} is missed at any rate: an almost idle station gives {seen[low]:.6g}; "
            "shorten the service or relax the target"
        )
    if meets(high):
        return RateLimit(high, seen[high], capacity, target)
    while high - low > rtol * low:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if meets(middle) else (low, middle)
    _require_falling({-rate: value for rate, value in seen.items()})
    return RateLimit(low, seen[low], high, target)


def _require_falling(seen: dict[int, float] | dict[float, float]) -> None:
    """Refuse to answer from a bisection whose values do not fall with their key."""
    pairs = sorted(seen.items())
    for (first, before), (second, after) in pairwise(pairs):
        if after > before * (1 + _SLACK) + 1e-300:
            raise InputError(
                f"the measure rises from {before:.6g} to {after:.6g} between {abs(first):g} and "
                f"{abs(second):g}: it must be monotone to be inverted; use another measure"
            )


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
