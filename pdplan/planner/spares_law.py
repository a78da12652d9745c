"""How many spares: instances fail and come back on their own, so the number up is binomial."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pdplan.checks import require_positive
from pdplan.errors import InputError

#: No pool gets more spares than this: a target that needs more is out of reach.
MOST_SPARES = 10_000


def instance_mtbf_s(gpu_mtbf_s: float, gpus: int) -> float:
    r"""Mean time between failures of an instance that fails as soon as one of its GPUs does [s].

    .. math:: \mathrm{MTBF}_\text{instance} = \mathrm{MTBF}_\text{GPU} / g

    Exact for independent exponential failures.

    Examples
    --------
    >>> instance_mtbf_s(720 * 3600.0, 8) / 3600
    90.0
    """
    require_positive("gpu_mtbf_s", gpu_mtbf_s, "s")
    require_positive("gpus", gpus)
    return gpu_mtbf_s / gpus


def down_share(mtbf_s: float, mttr_s: float) -> float:
    r"""Share of time that one instance is away, MTTR / (MTBF + MTTR) [-].

    Exact for any laws of failure and repair with these means (alternating renewal process).

    Examples
    --------
    >>> down_share(90.0, 10.0)
    0.1
    """
    require_positive("mtbf_s", mtbf_s, "s")
    require_positive("mttr_s", mttr_s, "s")
    return mttr_s / (mtbf_s + mttr_s)


def short_share(needed: int, spares: int, down: float) -> float:
    r"""Share of time that fewer than ``needed`` of ``needed + spares`` instances are up [-].

    .. math:: \sum_{j=k+1}^{n+k} \binom{n+k}{j} q^j (1-q)^{n+k-j}

    with q = ``down``: machine repair with a repairer for every machine, all instances running (hot spares).
    Exact in steady state for independent instances; the laws of failure and repair do not matter beyond q.

    Source: Trivedi, Probability and Statistics with Reliability, Queuing, and Computer Science Applications,
    2nd ed. (2002), section 3.6 (k-out-of-n) and 8.2.3 (machine repair).

    Examples
    --------
    >>> [round(short_share(2, k, 0.1), 12) for k in (0, 1)]      # 1 - 0.81; 3 x 0.01 x 0.9 + 0.001
    [0.19, 0.028]
    """
    require_positive("needed", needed)
    require_positive("spares", spares, zero_ok=True)
    if not 0 <= down < 1:
        raise InputError(f"down is {down:g}: the share of time that an instance is away lies in [0, 1)")
    if down == 0.0:
        return 0.0
    total = needed + spares
    # from the terms next to k away from the most probable number: all of one sign, the largest first
    if spares + 1 > total * down:
        return _binomial_terms(total, spares + 1, down, up=1)
    return 1.0 - _binomial_terms(total, spares, down, up=-1)


def _binomial_terms(total: int, first: int, down: float, *, up: int) -> float:
    """Sum of the binomial probabilities from ``first`` on, upwards (1) or downwards (-1), as they fall."""
    log_ways = math.lgamma(total + 1) - math.lgamma(first + 1) - math.lgamma(total - first + 1)
    term = math.exp(log_ways + first * math.log(down) + (total - first) * math.log1p(-down))
    share, j, odds = 0.0, first, (down / (1.0 - down)) ** up
    while 0 <= j <= total and term > 1e-17 * share:
        share += term
        term *= odds * ((total - j) / (j + 1) if up > 0 else j / (total - j + 1))
        j += up
    return share


def spares_for(needed: int, down: float, short: float) -> int | None:
    """Smallest number of spares with which a pool is short for at most a share ``short`` of the time.

    None beyond `MOST_SPARES`.

    Examples
    --------
    >>> spares_for(2, 0.1, 0.05), spares_for(2, 0.1, 0.01), spares_for(2, 0.1, 0.5)
    (1, 2, 0)
    """
    low, high = -1, 0  # short with low spares; more spares are never worse
    while short_share(needed, high, down) > short:
        if high == MOST_SPARES:
            return None
        low, high = high, min(2 * high + 1, MOST_SPARES)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if short_share(needed, middle, down) > short else (low, middle)
    return high


@dataclass(frozen=True, slots=True)
class PoolNeed:
    """A pool to keep up: instances needed, share of time that one is away [-], price of one [USD/h]."""

    needed: int
    down: float
    usd_per_hour: float
    gpus: int


def joint_spares(prefill: PoolNeed, decode: PoolNeed, short: float) -> tuple[int, int] | None:
    """Cheapest spares (prefill, decode) with which both pools are whole at once but for a share ``short``.

    The pools fail on their own: both are whole with the product of their availabilities. Exact enumeration:
    more prefill spares are tried as long as they alone cost less than the best found. Ties: fewer GPUs, then
    fewer spares. None where no number reaches the target.

    Examples
    --------
    >>> joint_spares(PoolNeed(2, 0.1, 1.0, 1), PoolNeed(2, 0.1, 1.0, 1), 0.06)    # 1 - 0.972^2 = 0.0552
    (1, 1)
    >>> joint_spares(PoolNeed(2, 0.1, 1.0, 1), PoolNeed(2, 0.1, 5.0, 5), 0.03)    # 0.0036, 0.028: 0.0315; no
    (3, 1)
    """
    best: tuple[float, int, int, tuple[int, int]] | None = None
    first = spares_for(prefill.needed, prefill.down, short)
    if first is None or spares_for(decode.needed, decode.down, short) is None:
        return None
    for k in range(first, MOST_SPARES + 1):
        if best is not None and (k * prefill.usd_per_hour > best[0] or prefill.usd_per_hour <= 0):
            break
        lost = short_share(prefill.needed, k, prefill.down)
        # u + v - u v <= s
        other = spares_for(decode.needed, decode.down, (short - lost) / (1.0 - lost))
        if other is None:
            continue
        cost = k * prefill.usd_per_hour + other * decode.usd_per_hour
        gpus = k * prefill.gpus + other * decode.gpus
        row = (round(cost, 9), gpus, k + other, (k, other))
        best = row if best is None else min(best, row)
        if other == 0:
            break
    return None if best is None else best[3]
