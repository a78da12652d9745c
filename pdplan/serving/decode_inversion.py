"""How much one decode instance carries within a target, and how many instances a rate needs."""

from __future__ import annotations

from collections.abc import Callable

from pdplan.checks import require_positive
from pdplan.errors import InfeasibleError
from pdplan.serving.roots import smallest_count
from pdplan.serving.stationary_batch import StationaryBatch

#: What is limited: a number of the law that grows with the rate, for instance its mean TPOT.
Measure = Callable[[StationaryBatch], float]

_NEARLY_IDLE = 1e-6
_NEARLY_FULL = 1 - 1e-4


def mean_tpot(law: StationaryBatch) -> float:
    """Mean time per output token [s]."""
    return law.mean_tpot_s


def tpot_percentile(p: float) -> Measure:
    """Give the measure: p-quantile of TPOT over requests [s]."""
    return lambda law: float(law.tpot_quantile_s(p))


def itl_percentile(p: float) -> Measure:
    """Give the measure: p-quantile of the gap between steps over gaps [s]."""
    return lambda law: float(law.itl_quantile_s(p))


def admission_percentile(p: float) -> Measure:
    """Give the measure: p-quantile of the wait for a place in the batch [s]."""
    return lambda law: float(law.admission.quantile_s(p))


def largest_rate(law: StationaryBatch, measure: Measure, target_s: float, *, rtol: float = 1e-6) -> float:
    """Largest arrival rate of the instance at which a measure stays within a target.

    Parameters
    ----------
    law : StationaryBatch
        The instance, at any rate.
    measure : callable
        What is limited; non-decreasing in the rate.
    target_s : float
        Limit [s].
    rtol : float
        Relative width of the final bracket [-].

    Returns
    -------
    float
        Rate [1/s]: the measure holds there and fails a relative ``rtol`` above it, unless the answer is the
        rate at which the instance is full to 1e-4.

    Notes
    -----
    Where t(n) falls somewhere the measure need not grow with the rate: the answer is then one crossing.

    Raises
    ------
    InfeasibleError
        Even a nearly idle instance misses the target.

    Examples
    --------
    >>> law = StationaryBatch.affine(1.0, mean_steps=200, base_s=0.01, per_sequence_s=2e-4)
    >>> rate = largest_rate(law, mean_tpot, 0.0204)             # (a + beta)/(1 - phi) = 2 (a + beta)
    >>> round(rate * 200 * 2e-4, 5)
    0.5
    """
    require_positive("target_s", target_s, "s")
    _check_idle(law, measure, target_s)
    low, high = _NEARLY_IDLE * law.max_rate, _NEARLY_FULL * law.max_rate
    if measure(law.with_rate(high)) <= target_s:
        return high
    while high - low > rtol * high:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if measure(law.with_rate(middle)) <= target_s else (low, middle)
    return low


def smallest_instances(
    law: StationaryBatch, total_rate: float, measure: Measure, target_s: float, *, limit: int = 1 << 20
) -> int:
    """Smallest number of instances, the rate dealt evenly among them, that keeps a measure within a target.

    Parameters
    ----------
    law : StationaryBatch
        One instance, at any rate.
    total_rate : float
        Requests per second of the pool [1/s].
    measure, target_s : callable, float
        As in `largest_rate`.
    limit : int
        Give up beyond [-].

    Returns
    -------
    int
        Instances. Dealing at random is what the law describes; dealing in turn does a little better.

    Raises
    ------
    InfeasibleError
        An idle instance misses the target.

    Examples
    --------
    >>> law = StationaryBatch.affine(1.0, mean_steps=200, base_s=0.01, per_sequence_s=2e-4)
    >>> smallest_instances(law, 100.0, mean_tpot, 0.0204)       # 12.5 req/s each
    8
    """
    require_positive("total_rate", total_rate, "1/s")
    _check_idle(law, measure, target_s)
    full = _NEARLY_FULL * law.max_rate
    return smallest_count(
        lambda n: total_rate / n <= full and measure(law.with_rate(total_rate / n)) <= target_s,
        max(1, int(total_rate / law.max_rate)),
        limit=limit,
    )


def _check_idle(law: StationaryBatch, measure: Measure, target_s: float) -> None:
    idle = measure(law.with_rate(_NEARLY_IDLE * law.max_rate))
    if idle > target_s:
        raise InfeasibleError(
            f"target {target_s:g} s is below {idle:.4g} s, what an idle decode instance gives: "
            "raise the target, or use more TP"
        )
