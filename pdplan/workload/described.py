"""What `describe_trace` answers: frozen results, every field with its unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pdplan.workload.classes import SuggestedClasses


@dataclass(frozen=True)
class ArrivalStatistics:
    """How requests arrived.

    Parameters
    ----------
    rate : float
        Mean rate [1/s].
    span_s : float
        Time observed [s].
    window_s : float
        Window of the next three [s].
    peak_rate : float
        Rate in the busiest window [1/s].
    p99_rate : float
        Rate that 99% of the windows do not exceed [1/s].
    local_scv : float or None
        Squared coefficient of variation of gaps inside windows, each against its window's own mean gap [-]:
        1 for traffic that is Poisson with a slowly moving rate. None where windows hold too few requests,
        or where the clock is coarser than the gaps.
    index_of_dispersion : mapping
        Window [s] to Var N / E N of the counts [-]: 1 at every window for a Poisson process. Windows that the
        span or the clock does not allow are left out.
    tick_s : float or None
        Spacing of coarse timestamps [s], which were spread before all of the above.
    duplicate_share : float
        Share of requests with the timestamp of the one before [-].
    rate_quantiles : mapping
        Share of the windows [-] to the rate they do not exceed [1/s].
    windows : int
        Whole windows of ``window_s``.
    """

    rate: float
    span_s: float
    window_s: float
    peak_rate: float
    p99_rate: float
    local_scv: float | None
    index_of_dispersion: Mapping[float, float]
    tick_s: float | None
    duplicate_share: float
    rate_quantiles: Mapping[float, float] = field(default_factory=dict)
    windows: int = 0


@dataclass(frozen=True)
class LengthStatistics:
    """Moments and percentiles of one length [tok]; ``scv`` is dimensionless."""

    mean: float
    scv: float
    least: float
    p50: float
    p90: float
    p99: float
    p999: float
    most: float


@dataclass(frozen=True)
class ReuseStatistics:
    """What a prefix cache of a given size would have held.

    Parameters
    ----------
    cache_tokens : float or None
        Size of the cache [tok]; None for one without limit.
    hit : float
        Share of the prompt tokens found [-].
    cached, uncached : LengthStatistics
        Prompt tokens found, and left to prefill, request by request.
    """

    cache_tokens: float | None
    hit: float
    cached: LengthStatistics
    uncached: LengthStatistics


@dataclass(frozen=True)
class TraceStatistics:
    """Everything `describe` says of a trace.

    Parameters
    ----------
    requests : int
    arrivals : ArrivalStatistics or None
        None for a trace of lengths only.
    prompt, output : LengthStatistics
    correlation, rank_correlation : float
        Pearson and Spearman, of the token counts [-].
    prefix_hit : float or None
        Share of prompt tokens found in a cache without limit [-]; None without block identities.
    uncached : LengthStatistics or None
        Prompt tokens left to prefill then.
    reuse : tuple of ReuseStatistics
        The same for the caches asked for, one without limit first.
    classes : SuggestedClasses or None
        Classes that the trace suggests.
    day_rates : tuple of float or None
        Mean rate in each hour of the day [1/s], where the trace spans a day.
    """

    requests: int
    arrivals: ArrivalStatistics | None
    prompt: LengthStatistics
    output: LengthStatistics
    correlation: float
    rank_correlation: float
    prefix_hit: float | None
    uncached: LengthStatistics | None
    reuse: tuple[ReuseStatistics, ...] = ()
    classes: SuggestedClasses | None = None
    day_rates: tuple[float, ...] | None = None
