"""Turning any law round: how many servers, or how much traffic, for a target."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from pdplan.checks import require_fraction, require_positive
from pdplan.errors import InfeasibleError, InputError
from pdplan.queueing._roots import smallest_int
from pdplan.queueing.law import WaitingLaw

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
