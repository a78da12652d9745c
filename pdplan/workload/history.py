"""The arrivals of a trace as a process to draw from: its drift, and the burstiness inside windows."""

from __future__ import annotations

from typing import Final

import numpy as np

from pdplan.workload.arrivals import ArrivalProcess, DriftingArrivals, GammaArrivals, PoissonArrivals
from pdplan.workload.described import ArrivalStatistics
from pdplan.workload.peaks import window_rates
from pdplan.workload.statistics import arrival_statistics
from pdplan.workload.traces import Trace
from pdplan.workload.windows import index_of_dispersion

_LEAST_WINDOWS: Final = 5  # fewer windows show no drift
_POISSON: Final = (0.8, 1.25)  # a local SCV in here is taken for 1


def history_arrivals(trace: Trace, *, window_s: float = 60.0) -> ArrivalProcess:
    """Return a process with the mean rate of a trace, its drift over windows and its local burstiness.

    Part of what window rates vary by is chance, which drawing adds again: they are moved towards their mean,
    by sqrt(1 - c_a^2 / D) with the index of dispersion D of the counts, so that drawn counts vary as much as
    those of the trace. A trace of fewer than five windows has the mean rate only.

    Parameters
    ----------
    trace : Trace
    window_s : float
        Window of the drift [s].

    Raises
    ------
    InputError
        A trace without times.

    Examples
    --------
    >>> times = np.cumsum(np.random.Generator(np.random.Philox(1)).exponential(0.1, 20000))
    >>> trace = Trace(times - times[0], np.ones(20000), np.ones(20000), None, None, "test", "memory")
    >>> round(history_arrivals(trace).rate, 2)
    10.11
    """
    measured = arrival_statistics(trace.arrival_s)
    window = max(window_s, 3.0 * (measured.tick_s or 0.0))
    if measured.span_s < _LEAST_WINDOWS * window:
        return steady_arrivals(measured)
    rates = window_rates(trace, window)
    scv = local_scv_of(measured)
    dispersion = index_of_dispersion(rates * window)
    moved = np.sqrt(max(1.0 - scv / dispersion, 0.0)) if dispersion > 0 else 0.0
    mean = float(rates.mean())
    return DriftingArrivals(mean + moved * (rates - mean), window, scv).scaled(measured.rate)


def steady_arrivals(measured: ArrivalStatistics) -> PoissonArrivals | GammaArrivals:
    """Return a process with the mean rate and the local burstiness of a workload, without drift.

    Examples
    --------
    >>> steady_arrivals(ArrivalStatistics(5.0, 3600.0, 60.0, 8.0, 8.0, 1.06, {}, None, 0.0))
    PoissonArrivals(rate=5.0)
    """
    scv = local_scv_of(measured)
    return PoissonArrivals(measured.rate) if scv == 1.0 else GammaArrivals(measured.rate, scv)


def local_scv_of(measured: ArrivalStatistics) -> float:
    """Return the local SCV of gaps [-]; 1 where it is near 1 or not known."""
    scv = measured.local_scv
    return 1.0 if scv is None or _POISSON[0] <= scv <= _POISSON[1] else max(scv, 0.01)
