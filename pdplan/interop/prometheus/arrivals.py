"""How many requests came, and when: from a counter that goes up once for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pdplan.errors import InputError
from pdplan.interop.prometheus.counters import Array, Growth, growth, scrape_interval_s, window_growth
from pdplan.interop.prometheus.names import EngineMetrics
from pdplan.interop.prometheus.window import Window
from pdplan.workload import ArrivalStatistics
from pdplan.workload.windows import index_of_dispersion

_WINDOWS_S = (1.0, 10.0, 60.0, 300.0, 3600.0)
_LEAST_WINDOWS = 5
_LEAST_SAMPLES = 3
_BACKLOG = 0.05


@dataclass(frozen=True, eq=False)
class Served:
    """Requests of a window: how many, from what counter, and how they spread over time."""

    name: str
    requests: float
    span_s: float
    scrape_s: float
    targets: int
    restarts: int
    arrivals: ArrivalStatistics
    rates: tuple[float, ...]
    notes: tuple[str, ...]


def served_requests(window: Window, metrics: EngineMetrics) -> Served:
    """Return the requests that the first counter of the engine counted.

    Raises
    ------
    InputError
        Fewer than three samples in the window.
    """
    name = next(n for n in metrics.served if window.has(n))
    counters = [growth(series) for series in window.samples(name)]
    scrape = scrape_interval_s(counters)
    first = min(float(g.times_s[0]) for g in counters)
    last = max(float(g.times_s[-1]) for g in counters)
    if scrape is None or last - first < (_LEAST_SAMPLES - 1) * scrape * 0.99:
        raise InputError(
            f"{name} has fewer than {_LEAST_SAMPLES} samples in the last {window.length_s:g} s: ask for a "
            "longer --window, or wait until Prometheus has scraped the engines a few times"
        )
    requests = float(sum(g.total[-1] for g in counters))
    arrivals, counts = _arrivals(counters, first, last, scrape, requests)
    return Served(
        name,
        requests,
        last - first,
        scrape,
        len(counters),
        sum(g.restarts for g in counters),
        arrivals,
        tuple((counts / arrivals.window_s).tolist()),
        tuple(_notes(window, metrics, name, counters, requests, last - first, scrape)),
    )


def _arrivals(
    counters: list[Growth], first_s: float, last_s: float, scrape_s: float, requests: float
) -> tuple[ArrivalStatistics, Array]:
    """Return rates and dispersion, and the counts in the windows of the peak."""
    span = last_s - first_s
    counted: dict[float, Array] = {}
    for asked in _WINDOWS_S:
        # whole scrapes only, so that every window holds as many samples as the next
        wide = float(np.round(scrape_s * max(1.0, np.ceil(asked / scrape_s - 0.01)), 3))
        if span >= _LEAST_WINDOWS * wide * 0.99:
            counted[wide] = window_growth(counters, wide, scrape_s)
    if not counted:
        counted[float(np.round(span, 3))] = np.array([requests])
    near_a_minute = [w for w in counted if w <= max(60.0, scrape_s) * 1.5] or list(counted)
    width = max(near_a_minute)
    counts = counted[width]
    return (
        ArrivalStatistics(
            requests / span,
            span,
            width,
            float(counts.max() / width),
            float(np.quantile(counts, 0.99, method="inverted_cdf") / width),
            None,
            {w: index_of_dispersion(c) for w, c in counted.items() if c.size > 1 and c.sum() > 0},
            None,
            0.0,
        ),
        counts,
    )


def _notes(
    window: Window,
    metrics: EngineMetrics,
    name: str,
    counters: list[Growth],
    requests: float,
    span_s: float,
    scrape_s: float,
) -> list[str]:
    when = "when its first token left" if name.endswith("_count") else "when it finished"
    notes = [f"each request was counted {when}: bursts shorter than that time look smoother than they were"]
    if span_s < window.length_s - 3 * scrape_s:
        notes.append(
            f"the server has samples of {span_s:.4g} s of the {window.length_s:g} s asked for: rates are "
            "over these"
        )
    restarts = sum(g.restarts for g in counters)
    if restarts:
        notes.append(
            f"counters began again {restarts} time{'s' if restarts > 1 else ''}: what was counted between "
            "the last sample and a restart is lost"
        )
    queue = window.gauge_change(metrics.waiting)
    if queue is not None and abs(queue[1] - queue[0]) > _BACKLOG * max(requests, 1.0):
        notes.append(
            f"waiting requests went from {queue[0]:.0f} to {queue[1]:.0f}: the rate is what was served, and "
            f"{(requests + queue[1] - queue[0]) / span_s:.3g} req/s came"
        )
    return notes
