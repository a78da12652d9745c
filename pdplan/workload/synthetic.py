"""Synthetic requests like those of a workload or a trace: as many as asked for, or for as long."""

from __future__ import annotations

import numpy as np

from pdplan.checks import require_positive
from pdplan.errors import InputError
from pdplan.workload.arrivals import ArrivalProcess, DriftingArrivals, GammaArrivals, PoissonArrivals
from pdplan.workload.generate import Requests, generate_requests
from pdplan.workload.history import history_arrivals, local_scv_of
from pdplan.workload.workload import Workload

_MOST_REQUESTS = 100_000_000


def requests_for(
    workload: Workload,
    *,
    rate: float | None = None,
    requests: int | None = None,
    duration_s: float | None = None,
    seed: int = 0,
) -> tuple[Requests, str]:
    """Return requests that resemble a workload, and how their arrivals were drawn, in words.

    Lengths are drawn from the laws of the workload with their correlation; those of a trace are resampled
    pair by pair, as DistServe's planner resamples its history (Zhong et al. 2024, section 4). Arrivals of a
    trace keep its drift over minutes and its local burstiness; any other workload gives a steady process with
    its mean rate and local burstiness, because a summary does not hold the drift.

    Parameters
    ----------
    workload : Workload
    rate : float, optional
        Mean rate [1/s]; default that of the workload.
    requests : int, optional
        How many; or
    duration_s : float, optional
        Time to fill [s].
    seed : int
        Seed of all streams.

    Raises
    ------
    InputError
        Neither or both of ``requests`` and ``duration_s``, or no rate at all.

    Examples
    --------
    >>> w = Workload.from_document({"name": "w", "prompt_tokens": 100, "output_tokens": 20})
    >>> drawn, words = requests_for(w, rate=5.0, duration_s=60.0)
    >>> words, 250 < drawn.arrival_s.size < 350, bool(drawn.arrival_s[-1] <= 60.0)
    ('Poisson arrivals at 5 req/s', True, True)
    """
    if (requests is None) == (duration_s is None):
        raise InputError("give either a number of requests or a duration")
    arrivals = _arrivals(workload, rate)
    if requests is not None:
        return generate_requests(workload, arrivals, requests, seed=seed), _words(arrivals)
    require_positive("duration", duration_s, "s")
    assert duration_s is not None
    expected = arrivals.rate * duration_s
    if expected > _MOST_REQUESTS:
        raise InputError(
            f"{duration_s:g} s at {arrivals.rate:g} req/s are more than 1e8 requests: ask for less"
        )
    enough = int(1.05 * expected + 10.0 * np.sqrt(expected) + 10.0)
    drawn = generate_requests(workload, arrivals, enough, seed=seed)
    while drawn.arrival_s[-1] < duration_s:  # a history that starts in its quiet hours needs more
        enough *= 2
        drawn = generate_requests(workload, arrivals, enough, seed=seed)
    kept = slice(0, max(int(np.searchsorted(drawn.arrival_s, duration_s, side="right")), 1))
    return Requests(drawn.arrival_s[kept], drawn.prompt_tokens[kept], drawn.output_tokens[kept]), _words(
        arrivals
    )


def _arrivals(workload: Workload, rate: float | None) -> ArrivalProcess:
    if rate is not None:
        require_positive("rate", rate, "1/s")
    if workload.trace is not None and workload.trace.has_times:
        arrivals = history_arrivals(workload.trace)
        if isinstance(arrivals, DriftingArrivals):
            return arrivals if rate is None else arrivals.scaled(rate)
    if workload.arrivals is None and rate is None:
        raise InputError(f"workload {workload.name} does not say at what rate requests arrive: give a rate")
    scv = 1.0 if workload.arrivals is None else local_scv_of(workload.arrivals)
    mean = rate if rate is not None else workload.arrivals.rate if workload.arrivals is not None else 0.0
    return PoissonArrivals(mean) if scv == 1.0 else GammaArrivals(mean, scv)


def _words(arrivals: ArrivalProcess) -> str:
    local = "Poisson" if arrivals.local_scv == 1.0 else f"gamma-spaced (c_a^2 {arrivals.local_scv:.2f})"
    if isinstance(arrivals, DriftingArrivals):
        return (
            f"{local} arrivals at {arrivals.rate:.4g} req/s on average, drifting over windows of "
            f"{arrivals.window_s:g} s as the trace does"
        )
    return f"{local} arrivals at {arrivals.rate:.4g} req/s"
